"""Whether a record's perplexity says how much of it comes back (arXiv:2507.21009, Fig. 3.3 to 3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Answer, Outcome, Rules
from mnemoscope.seeds import generator
from mnemoscope.stats.alike import Alike, alike
from mnemoscope.stats.association import FEWEST_PAIRS
from mnemoscope.stats.decisions import Claim, Kind, decided
from mnemoscope.stats.intervals import Statistic
from mnemoscope.stats.partial import partial_spearman, pearson
from mnemoscope.stats.pooled import Panel, pooled
from mnemoscope.stats.spreads import Left, Spread

Given = tuple[str, ...]
"""Names of the columns that are held fixed."""

SETS = {"planted": "planted records", "members": "records trained on once", "heldout": "held-out records"}
BACK = {"share": "n-gram share", "suffix": "log-probability of the suffix"}
"""What comes back of a record: of its greedy continuation, and as the chance of sampling."""
MODELS = {"target": "fine-tuned", "base": "base"}
WHOSE = {
    "target": "fine-tuned perplexity",
    "base": "base perplexity",
    "target_prefix": "fine-tuned perplexity of the prefix",
    "base_prefix": "base perplexity of the prefix",
}
"""What is said to predict: the perplexity of the record, or of its prefix alone, which holds nothing of the suffix."""
HELD: Mapping[Given, str] = {
    (): "",
    ("tokens",): ", given length",
    ("tokens", "base"): ", given length and base perplexity",
}
FAIR: Mapping[str, Given] = {"share": (), "suffix": ("tokens",)}
"""What must be held fixed at least: a suffix's log-probability is a sum over its tokens, so it falls with length, and
longer records have lower perplexity."""
PAPER = {"target": "the share rises as it falls, R² .135 (Fig. 3.4)", "base": "no relation, R² .004 (Fig. 3.5)"}
R2 = {"target": ".135 (Fig. 3.4)", "base": ".004 (Fig. 3.5)"}
COPIES = 8
"""Of each record in the paper's figures."""
TIED = "the suffix is a part of the record, so the two are tied; see the prefix alone"


class _Words(NamedTuple):
    """What is claimed."""

    claim: str
    family: str
    statistic: str
    paper: str


@dataclass(frozen=True, slots=True)
class Table:
    """The records of one cell: a row each."""

    seed: int
    groups: NDArray[np.str_]
    rows: Mapping[str, NDArray[np.bool_]]
    """Which records are in each of SETS."""
    columns: Mapping[str, NDArray[np.float64]]
    """target, base: log-perplexity; tokens; share, suffix: as BACK. NaN where a record has none; all (n_records,)."""

    @classmethod
    def of(cls, outcome: Outcome) -> Table:
        """The table of a finished cell."""
        records, tokens = outcome.records, outcome.tokens.astype(np.float64)
        member = np.array([record.role == "member" for record in records], dtype=bool)
        nonmember = np.array([record.role == "nonmember" for record in records], dtype=bool)
        planted = member & np.array([record.copies > 1 for record in records], dtype=bool)
        length = np.where(tokens > 0, tokens, np.nan)
        columns = {
            "target": outcome.moments[-1].losses / length,
            "base": outcome.base_losses / length,
            **{f"{name}_prefix": np.ma.filled(one, np.nan) for name, one in outcome.prefix_losses.items()},
            "tokens": tokens,
            "share": _shares(outcome),
            "suffix": _suffixes(outcome),
        }
        rows = {"planted": planted, "members": member & ~planted, "heldout": nonmember}
        return cls(outcome.setting.seed, np.array([record.group for record in records]), rows, columns)

    def usable(self, who: str, *names: str) -> NDArray[np.intp]:
        """Records of a set that have all of these columns."""
        known = [~np.isnan(self.columns[name]) for name in names]
        return np.flatnonzero(np.logical_and.reduce([self.rows[who], *known]))

    def few(self, who: str, rows: NDArray[np.intp]) -> Left | None:
        """Why these rows are too few to correlate, or None."""
        if len(rows) >= FEWEST_PAIRS:
            return None
        return Left(self.seed, f"needs {FEWEST_PAIRS} or more {SETS[who]} that were measured, got {len(rows)}")


def _shares(outcome: Outcome) -> NDArray[np.float64]:
    shares = {row.id: row.ngram_share for row in outcome.generations if row.draw == 0}
    return np.array([shares.get(record.id, np.nan) for record in outcome.records], dtype=np.float64)


def _suffixes(outcome: Outcome) -> NDArray[np.float64]:
    """Under the first decoding; -inf where it can never emit the suffix, which ranks lowest."""
    scores = next(iter(outcome.suffix_logprob.values()), None)
    if scores is None:
        return np.full(len(outcome.records), np.nan)
    return np.where(np.ma.getmaskarray(scores), np.nan, np.ma.getdata(scores).astype(np.float64))


def relation_answers(outcomes: Sequence[Outcome], rules: Rules, *, seed: int) -> list[Answer]:
    """The answers to the question "perplexity", from the cells with planted records and continuations.

    Below 0 is the paper's direction: the lower the perplexity, the more comes back. It is asked of planted records,
    of those trained on once, and of held-out ones as control: what perplexity says there is that plain text is easy to
    continue, not that it was remembered. Length, and the base model's perplexity, are held fixed in turn; length always
    where what comes back is the suffix's log-probability, a sum over its tokens.

    The suffix is a part of the record whose perplexity is taken, so a suffix that has become probable lowers that
    perplexity too: the correlation with the suffix's log-probability is partly arithmetic, that with the n-gram share
    less so. The perplexity of the prefix alone is free of it, and is asked too.

    The kinds of cells with the most planted records are asked, each number of copies: with many copies all comes back
    and with few nothing, and then nothing can correlate. With fewer than 10 planted records they cannot say anything.
    """
    claims = [claim for same in _planted(outcomes) for claim in _of(same, rules, seed)]
    return decided(claims, rules)


def _planted(outcomes: Sequence[Outcome]) -> list[Alike]:
    """The kinds of cells with the most planted records; those first whose copies are nearest to the paper's."""
    kinds = alike([one for one in outcomes if one.setting.copies > 1 and one.generations])
    most = max((kind.outcomes[0].setting.planted for kind in kinds), default=0)
    asked = [kind for kind in kinds if kind.outcomes[0].setting.planted == most]
    return sorted(asked, key=lambda kind: abs(kind.outcomes[0].setting.copies - COPIES))


def _of(same: Alike, rules: Rules, seed: int) -> Iterator[Claim]:
    tables = [Table.of(one) for one in same.outcomes]
    asker = _Asker(same.label, tables, rules, seed)
    for back, least in FAIR.items():
        for given in (held for held in HELD if set(held) >= set(least)):
            yield asker.correlation("planted", "target", back, given)
            if "base" not in given:
                yield asker.correlation("planted", "base", back, given)
        for model in MODELS:
            yield asker.correlation("members", model, back, least)
        yield asker.correlation("heldout", "target", back, least)
        yield asker.difference(back)
        if all("target_prefix" in table.columns for table in tables):
            for model in ("target_prefix", "base_prefix"):
                yield asker.correlation("planted", model, back, least)
    for model in MODELS:
        yield asker.line(model)


@dataclass(frozen=True, slots=True)
class _Asker:
    """The claims about cells that are alike."""

    label: str
    tables: Sequence[Table]
    rules: Rules
    seed: int

    def correlation(self, who: str, model: str, back: str, given: Given) -> Claim:
        """That perplexity goes with what comes back: in the fine-tuned model yes, in the base and held out no."""
        near = model.startswith("base") or who == "heldout"
        held, what = HELD[given], WHOSE[model]
        said = f"{what} does not predict" if near else f"the lower {what}, the higher"
        words = _Words(
            f"{said} the {BACK[back]} of {SETS[who]}{held} ({self.label})",
            "perplexity, held-out control" if who == "heldout" else _family(model),
            f"{'partial ' if given else ''}Spearman correlation of {what} and {BACK[back]}{held}",
            PAPER.get(model, "") if who == "planted" and back == "share" and not given else "",
        )
        spread = pooled((_ranks(table, who, model, back, given) for table in self.tables), self.rules, self._rng())
        return self._claim(words, spread, "near" if near else "below", back)

    def difference(self, back: str) -> Claim:
        """That the relation is stronger where there is something to remember."""
        what, held = f"{MODELS['target']} perplexity", HELD[FAIR[back]]
        words = _Words(
            f"{what} says more of the {BACK[back]} of planted than of held-out records{held} ({self.label})",
            "perplexity, held-out control",
            f"difference of {'partial ' if held else ''}Spearman correlations of {what} and {BACK[back]}{held}",
            "",
        )
        found = (_apart(table, back) for table in self.tables)
        spread = pooled(found, self.rules, self._rng(), bounded=False)
        return self._claim(words, spread, "below", back)

    def line(self, model: str) -> Claim:
        """What a straight line on perplexity explains of the n-gram share.

        R² is never below 0, and in a small sample too high: by about 1 / (n - 1) where the truth is 0. So the p-values
        are those of the slope, of either sign, and an interval begins at 0 where that of the correlation holds 0. The
        margin is that of a correlation, which lies between the paper's two.
        """
        explains = "explains part" if model == "target" else "explains next to nothing"
        words = _Words(
            f"a straight line on {MODELS[model]} perplexity {explains} of the n-gram share of planted records"
            f" ({self.label})",
            "perplexity, straight line",
            f"R² of a straight line on {MODELS[model]} perplexity",
            R2[model],
        )
        signed, squared = (
            pooled((_straight(table, model, power) for table in self.tables), self.rules, self._rng())
            for power in (1, 2)
        )
        return self._claim(words, _from_zero(squared, signed), "above" if model == "target" else "near", "share")

    def _rng(self) -> np.random.Generator:
        return generator(self.seed, "relations", self.label)

    def _claim(self, words: _Words, spread: Spread, kind: Kind, back: str) -> Claim:
        if kind == "near":  # rests on the intervals alone, so it is no question that Holm would have to pay for
            spread = replace(spread, p_value=None, seed_p_value=None)
        if back == "suffix" and spread.value is not None and "prefix" not in words.claim:
            spread = replace(spread, reason="; ".join(part for part in (spread.reason, TIED) if part))
        return Claim(spread.answer("perplexity", *words, self.rules.level), kind, self.rules.correlation_margin)


def _family(model: str) -> str:
    prefix = ", prefix alone" if model.endswith("prefix") else ""
    return f"perplexity, {MODELS[model.removesuffix('_prefix')]} model{prefix}"


def _ranks(table: Table, who: str, model: str, back: str, given: Given) -> Panel | Left:
    names = (model, back, *given)
    rows = table.usable(who, *names)
    if left := table.few(who, rows):
        return left
    statistic = partial_spearman(*(table.columns[name][rows] for name in names))
    return _panel(table, {who: rows}, statistic)


def _apart(table: Table, back: str) -> Panel | Left:
    names = ("target", back, *FAIR[back])
    rows = {who: table.usable(who, *names) for who in ("planted", "heldout")}
    if left := next(filter(None, (table.few(who, some) for who, some in rows.items())), None):
        return left
    ours, theirs = (partial_spearman(*(table.columns[name][some] for name in names)) for some in rows.values())
    n = len(rows["planted"])
    return _panel(table, rows, lambda weights: ours(weights[:, :n]) - theirs(weights[:, n:]))


def _straight(table: Table, model: str, power: int) -> Panel | Left:
    """Pearson's correlation of n-gram share and perplexity itself, to a power."""
    rows = table.usable("planted", model, "share")
    if left := table.few("planted", rows):
        return left
    r = pearson(np.exp(table.columns[model][rows]), table.columns["share"][rows])
    return _panel(table, {"planted": rows}, lambda weights: r(weights) ** power)


def _from_zero(squared: Spread, signed: Spread) -> Spread:
    """R² with the p-values of the correlation, and from 0 on where the correlation may be 0."""
    low, seed_low = squared.low, squared.seed_low
    if low is not None and signed.low is not None and signed.high is not None and signed.low <= 0 <= signed.high:
        low = 0.0
    if seed_low is not None and signed.seed_low is not None and signed.seed_high is not None:
        seed_low = 0.0 if signed.seed_low <= 0 <= signed.seed_high else max(seed_low, 0.0)  # t goes below 0
    ends = zip(squared.lows, signed.lows, signed.highs, strict=True)
    lows = tuple(0.0 if first <= 0 <= last else own for own, first, last in ends)
    return replace(
        squared, low=low, seed_low=seed_low, lows=lows, p_value=signed.p_value, seed_p_value=signed.seed_p_value
    )


def _panel(table: Table, rows: Mapping[str, NDArray[np.intp]], statistic: Statistic) -> Panel:
    groups = tuple(table.groups[np.concatenate(list(rows.values()))].tolist())
    outside = len(rows.get("heldout", ()))
    return Panel(table.seed, groups, statistic, len(groups) - outside, outside)
