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
from mnemoscope.stats.spreads import Left, Spread

PAPER: Mapping[str, Mapping[int, float]] = {
    "q": {1: 0.68, 2: 0.70, 4: 0.72},
    "k": {1: 0.68, 2: 0.71, 4: 0.71},
    "v": {1: 0.80, 2: 0.82, 4: 0.83},
    "o": {1: 0.77, 2: 0.79, 4: 0.80},
    "qk": {1: 0.76, 2: 0.77, 4: 0.79},
}
"""AUC by matrices and rank: arXiv:2507.21009, Table 3.1."""
RANK, SIZE, PERPLEXITY = (f"matrices, equal {what}" for what in ("rank", "parameters", "held-out perplexity"))
FIXED = "; weights of the moments held fixed"


class Pair(NamedTuple):
    """The place that should memorize more, and the other."""

    first: Place
    second: Place


def matrix_answers(outcomes: Sequence[Outcome], rules: Rules, *, seed: int) -> list[Answer]:
    """Differences of AUC between matrices, each claimed to be above 0; Holm-corrected in each of three families.

    * equal rank: V and O against Q and K; Q+K against Q or K at twice its rank;
    * equal parameters: V and O against Q and K, and Q+K against Q or K, wherever trainable parameters differ by at most
      `rules.equal_parameters` of the larger number;
    * equal held-out perplexity: all these pairs, in cells that were evaluated along their training (see
      `matching.matched`). A seed in which one of the two never gets better than the base model is left out, and the
      reason says so.

    Cells are compared where they share seed and all settings but matrices and rank; cells with copies are not.

    Raises:
        ValueError: two cells cannot be told apart, or the records of two cells of a seed differ.
    """
    found = tables(outcomes)
    bootstrap = Bootstrap.of([outcome for outcome in outcomes if outcome.setting.copies == 1], rules, seed=seed)
    claims: list[Answer] = []
    for condition, table in found.items():
        where = words(condition, found)
        alike, sized = list(_equal_rank(table)), list(_equal_size(table, rules.equal_parameters))
        claims += [_at_end(bootstrap, table, pair, RANK, where) for pair in alike]
        claims += [_at_end(bootstrap, table, pair, SIZE, f" with as many parameters{where}") for pair in sized]
        claims += [
            _at_perplexity(bootstrap, table, pair, where)
            for pair in dict.fromkeys(alike + sized)
            if any(_followed(table, pair, one) for one in _seeds(table, pair))
        ]
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


def _at_end(bootstrap: Bootstrap, table: Table, pair: Pair, family: str, where: str) -> Answer:
    arms = {seed: (Arm.end(table[pair.first][seed]), Arm.end(table[pair.second][seed])) for seed in _seeds(table, pair)}
    return _answer(bootstrap.contrast(arms), pair, family, where, _paper(pair), bootstrap.rules.level)


def _followed(table: Table, pair: Pair, seed: int) -> bool:
    return all(len(table[place][seed].moments) > 1 for place in pair)


def _at_perplexity(bootstrap: Bootstrap, table: Table, pair: Pair, where: str) -> Answer:
    arms, missing = {}, []
    for seed in _seeds(table, pair):
        if not _followed(table, pair, seed):
            missing.append(Left(seed, "not evaluated along the training"))
        elif isinstance(found := matched(table[pair.first][seed], table[pair.second][seed]), str):
            missing.append(Left(seed, found))
        else:
            arms[seed] = found
    spread = bootstrap.contrast(arms, missing=missing)
    spread = replace(spread, method=spread.method + FIXED) if arms else spread
    paper = f"{_paper(pair)}, after equal training"
    return _answer(spread, pair, PERPLEXITY, f" at equal held-out perplexity{where}", paper, bootstrap.rules.level)


def _answer(spread: Spread, pair: Pair, family: str, where: str, paper: str, level: float) -> Answer:
    first, second = pair
    names = shown(first.matrices), shown(second.matrices)
    claim = f"{names[0]} at rank {first.rank} gives a larger AUC than {names[1]} at rank {second.rank}"
    if first.rank == second.rank:
        claim = f"{names[0]} gives a larger AUC than {names[1]} at rank {first.rank}"
    return spread.answer("matrices", claim + where, family, "difference of AUC", paper, level)


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
