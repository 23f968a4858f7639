"""Which adapted matrices memorize more: at equal rank, at equal size, and at equal held-out perplexity.

The question of arXiv:2507.21009, section 3.1, whose table compares equal ranks after equal training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

from mnemoscope.answers import Answer, Outcome, Rules
from mnemoscope.stats.conditions import Place, Table, shown, tables, words
from mnemoscope.stats.contrasts import Arm, Bootstrap
from mnemoscope.stats.decisions import Claim, decided
from mnemoscope.stats.matching import matched
from mnemoscope.stats.measures import AUC, MEMORIZATION, Measure
from mnemoscope.stats.spreads import Left, Spread

PAPER: Mapping[str, Mapping[int, float]] = {
    "q": {1: 0.68, 2: 0.70, 4: 0.72},
    "k": {1: 0.68, 2: 0.71, 4: 0.71},
    "v": {1: 0.80, 2: 0.82, 4: 0.83},
    "o": {1: 0.77, 2: 0.79, 4: 0.80},
    "qk": {1: 0.76, 2: 0.77, 4: 0.79},
}
"""AUC by matrices and rank: arXiv:2507.21009, Table 3.1."""
FIXED = "; weights of the moments held fixed"


class Compared(NamedTuple):
    """A measure, as claims speak of it."""

    measure: Measure
    claim: str
    statistic: str
    family: str
    paper: str
    """What is added to the paper's numbers."""


COMPARED = (
    Compared(AUC, "gives a larger AUC than", "difference of AUC", "matrices", ""),
    Compared(
        MEMORIZATION, "leaves more counterfactual memorization than",
        "difference of counterfactual memorization, nats a token", "memorization", " (AUC)",
    ),
)  # fmt: skip


class Pair(NamedTuple):
    """The place that should memorize more, and the other."""

    first: Place
    second: Place


def matrix_answers(outcomes: Sequence[Outcome], rules: Rules, *, seed: int) -> list[Answer]:
    """Differences between matrices, each claimed to be above 0; Holm-corrected in each of three families a measure.

    Two measures: the AUC of the study's attack, as in the paper, and mean counterfactual memorization, which is of no
    attack. They need not agree: an attack that holds the target against the base also sees what the training was good
    for, which differs from record to record and hides who was trained on.

    * equal rank: V and O against Q and K; Q+K against Q or K at twice its rank;
    * equal parameters: V and O against Q and K, and Q+K against Q or K, wherever trainable parameters differ by at most
      `rules.equal_parameters` of the larger number;
    * equal held-out perplexity: all these pairs, in cells that were evaluated along their training (see
      `matching.matched`). A seed in which one of the two never gets better than the base model is left out, and the
      reason says so.

    Cells are compared where they share seed and all settings but matrices and rank; cells with copies are not. The
    margin of memorization, in nats a token, is the number that is an AUC's.

    Raises:
        ValueError: two cells cannot be told apart, or the records of two cells of a seed differ.
    """
    found = tables(outcomes)
    plain = [outcome for outcome in outcomes if outcome.setting.copies == 1]
    by = [(one, Bootstrap.of(plain, rules, seed=seed, measure=one.measure)) for one in COMPARED]
    claims: list[Answer] = []
    for condition, table in found.items():
        where = words(condition, found)
        alike, sized = list(_equal_rank(table)), list(_equal_size(table, rules.equal_parameters))
        along = [pair for pair in dict.fromkeys(alike + sized)
                 if any(_followed(table, pair, one) for one in _seeds(table, pair))]  # fmt: skip
        for ask, pairs in ((_at_rank, alike), (_at_size, sized), (_at_perplexity, along)):
            claims += [ask(_Question(*one, table, where), pair) for one in by for pair in pairs]
    return decided([Claim(answer, "above", rules.auc_margin) for answer in claims], rules)


def _may_differ(first: str, second: str) -> bool:
    return second in ("q", "k") and first in ("v", "o", "qk")


def _pairs(table: Table) -> Iterator[Pair]:
    """Pairs of places that the paper's claim is about and that share a seed, by rank."""
    for first, second in permutations(sorted(table, key=_wanted), 2):
        pair = Pair(first, second)
        if _may_differ(first.matrices, second.matrices) and _seeds(table, pair):
            yield pair


def _wanted(place: Place) -> tuple[int, int]:
    """By rank, and the paper's strongest contrast first."""
    known = ("v", "o", "qk", "q", "k")
    return place.rank, known.index(place.matrices) if place.matrices in known else len(known)


def _seeds(table: Table, pair: Pair) -> list[int]:
    return [seed for seed in table[pair.first] if seed in table[pair.second]]


def _equal_rank(table: Table) -> Iterator[Pair]:
    for pair in _pairs(table):
        if pair.second.rank == pair.first.rank * len(pair.first.matrices):
            yield pair


def _equal_size(table: Table, share: float) -> Iterator[Pair]:
    for pair in _pairs(table):
        sizes = [table[place][_seeds(table, pair)[0]].setting.parameters for place in pair]
        if max(sizes) - min(sizes) <= share * max(sizes):
            yield pair


class _Question(NamedTuple):
    """What is asked of a pair."""

    by: Compared
    bootstrap: Bootstrap
    table: Table
    where: str

    def answer(self, spread: Spread, pair: Pair, family: str, what: str = "", paper: str = "") -> Answer:
        first, second = pair
        names = shown(first.matrices), shown(second.matrices)
        claim = f"{names[0]} at rank {first.rank} {self.by.claim} {names[1]} at rank {second.rank}"
        if first.rank == second.rank:
            claim = f"{names[0]} {self.by.claim} {names[1]} at rank {first.rank}"
        return spread.answer(
            "matrices", claim + what + self.where, f"{self.by.family}, equal {family}", self.by.statistic,
            _paper(pair) + paper + self.by.paper, self.bootstrap.rules.level,
        )  # fmt: skip

    def end(self, pair: Pair) -> Spread:
        """After all training."""
        cells = self.table[pair.first], self.table[pair.second]
        return self.bootstrap.contrast(
            {seed: (Arm.end(cells[0][seed]), Arm.end(cells[1][seed])) for seed in _seeds(self.table, pair)}
        )


def _at_rank(asked: _Question, pair: Pair) -> Answer:
    return asked.answer(asked.end(pair), pair, "rank")


def _at_size(asked: _Question, pair: Pair) -> Answer:
    return asked.answer(asked.end(pair), pair, "parameters", " with as many parameters")


def _followed(table: Table, pair: Pair, seed: int) -> bool:
    return all(len(table[place][seed].moments) > 1 for place in pair)


def _at_perplexity(asked: _Question, pair: Pair) -> Answer:
    table, arms, missing = asked.table, {}, []
    for seed in _seeds(table, pair):
        if not _followed(table, pair, seed):
            missing.append(Left(seed, "not evaluated along the training"))
        elif isinstance(found := matched(table[pair.first][seed], table[pair.second][seed]), str):
            missing.append(Left(seed, found))
        else:
            arms[seed] = found
    spread = asked.bootstrap.contrast(arms, missing=missing)
    spread = replace(spread, method=spread.method + FIXED) if arms else spread
    what = " at equal held-out perplexity"
    return asked.answer(spread, pair, what.removeprefix(" at equal "), what, ", after equal training")


def _paper(pair: Pair) -> str:
    """What Table 3.1 has of the two, at its rank nearest to theirs; there equal ranks are equal sizes."""
    first, second = pair
    times = len(first.matrices)
    ranks = [rank for rank in PAPER[first.matrices] if rank * times in PAPER[second.matrices]]
    rank = min(ranks, key=lambda known: abs(known - first.rank))
    values = [
        f"{value:.2f}".lstrip("0") for value in (PAPER[first.matrices][rank], PAPER[second.matrices][rank * times])
    ]
    names = shown(first.matrices), shown(second.matrices)
    if times == 1:
        return f"{names[0]} {values[0]}, {names[1]} {values[1]} at rank {rank}"
    return f"{names[0]} {values[0]} at rank {rank}, {names[1]} {values[1]} at rank {rank * times}"
