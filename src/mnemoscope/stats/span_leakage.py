"""What target and reference know of sensitive values, by type and class.

A value counts for the target only as far as neither its reference nor the type's most frequent value names it as well,
and nothing is called leaked that held-out records yield as often: the lift over both, and the excess over held-out
records, stand beside every share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Estimate, Record
from mnemoscope.seeds import generator
from mnemoscope.stats.averages import excess, means
from mnemoscope.stats.intervals import exact
from mnemoscope.stats.sample import group_codes

TOTAL = "all"
"""The name of all types together."""
FEWEST_GROUPS = 5
"""With fewer groups a type's numbers say next to nothing of other groups."""

Side = Literal["member", "nonmember"]
SIDES: tuple[Side, Side] = ("member", "nonmember")
Columns = Mapping[str, NDArray[np.float64]]
"""Name of a measure to its value for each span."""


class _How(NamedTuple):
    level: float
    resamples: int
    seed: int


@dataclass
class _Part:
    """The spans of one type and class."""

    leaks: list[SpanLeak] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    unplaced: int = 0
    """Values that stand in no token that was read."""


def span_estimates(
    records: Sequence[Record], leaks: Sequence[SpanLeak], *, level: float = 0.95, resamples: int = 2000, seed: int
) -> list[Estimate]:
    """Estimates `spans.TYPE.MEASURE.CLASS`: by type and for all of them, by class (members, nonmembers).

    Measures over all values: greedy and greedy_reference, the share that greedy decoding gives back, and logprob_gain,
    how much more probable the target finds them, nats a token. Over the sample that was ranked: top1 and
    top1_reference, the share with a rank below 2, so that the value is the most probable of its candidates, alone or
    with one equal; lift_reference, the first less the second; lift_majority, top1 less the share of values that are
    the type's most frequent one. The sample takes the types evenly, so for all types it is a mean over types rather
    than over values.

    `greedy.excess` and `top1.excess` are the shares of members less those of non-members. Intervals resample groups;
    one draw serves all measures of a type and class. Types of fewer than 5 groups are marked "not resolved". Counts
    are of values; a dot in a type's name becomes an underscore. `records` must hold all records of the `leaks`.
    """
    how, found = _How(level, resamples, seed), []
    parts = _parts(records, leaks)
    for label in dict.fromkeys(label for label, _ in parts):
        path = f"spans.{label}"
        sides = {side: parts.get((label, side), _Part()) for side in SIDES}
        ranked = any(leak.rank is not None for part in sides.values() for leak in part.leaks)
        by_name = {one.name: one for side, part in sides.items() for one in _measured(path, side, part, how, ranked)}
        found += [*by_name.values(), *_excesses(path, by_name)]
    return found


def _parts(records: Sequence[Record], leaks: Sequence[SpanLeak]) -> dict[tuple[str, Side], _Part]:
    """(type, class) to its spans; all types together come first, then the types by alphabet."""
    known = {record.id: record for record in records}
    found: dict[tuple[str, Side], _Part] = defaultdict(_Part)
    for label, side in _labels((record.role, span.type) for record in records for span in record.spans):
        found[label, side].unplaced += 1
    for leak, group in zip(leaks, group_codes((leak.id for leak in leaks), known).tolist(), strict=True):
        for key in _labels([(known[leak.id].role, leak.type)]):
            found[key].leaks.append(leak)
            found[key].groups.append(group)
            found[key].unplaced -= 1
    return dict(sorted(found.items(), key=lambda item: (item[0][0] != TOTAL, item[0])))


def _labels(spans: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Side]]:
    """The two names under which a span of a class and type counts; excluded records have none."""
    for role, kind in spans:
        for side in SIDES:
            if role == side:
                own = kind.replace(".", "_")  # a dot would open a new level of summary.json
                yield TOTAL, side
                yield (f"{own}_" if own == TOTAL else own), side


def _measured(path: str, side: Side, part: _Part, how: _How, ranked: bool) -> list[Estimate]:
    groups = np.array(part.groups, dtype=np.int64)
    shares, gain = _placed(part.leaks)
    found = _averages(path, side, shares, groups, how, ceiling=1) + _averages(path, side, gain, groups, how)
    found = [replace(one, n_unscored=part.unplaced) for one in found]
    if ranked:
        inside = [i for i, leak in enumerate(part.leaks) if leak.rank is not None]
        shares, lifts = _placed_among([part.leaks[i] for i in inside])
        found += _averages(path, side, shares, groups[inside], how, ceiling=1)
        found += [
            _with_width(one, values, groups[inside])
            for one, values in zip(_averages(path, side, lifts, groups[inside], how), lifts.values(), strict=True)
        ]
    return [_resolved(one) for one in found]


def _placed(leaks: Sequence[SpanLeak]) -> tuple[Columns, Columns]:
    """Shares and gain of values that were only traced."""
    shares = {
        "greedy": _column(leak.greedy for leak in leaks),
        "greedy_reference": _column(leak.greedy_reference for leak in leaks),
    }
    gain = _column((leak.logprob - leak.logprob_reference) / leak.tokens for leak in leaks)
    return shares, {"logprob_gain": gain}


def _placed_among(leaks: Sequence[SpanLeak]) -> tuple[Columns, Columns]:
    """Shares and lifts of values that were ranked."""
    top = _column(leak.rank is not None and leak.rank < 2 for leak in leaks)
    reference = _column(leak.rank_reference is not None and leak.rank_reference < 2 for leak in leaks)
    majority = _column(leak.majority for leak in leaks)
    return {"top1": top, "top1_reference": reference}, {
        "lift_reference": top - reference,
        "lift_majority": top - majority,
    }


def _column(values: Iterable[float]) -> NDArray[np.float64]:
    return np.fromiter(values, dtype=np.float64)


def _averages(
    path: str, side: Side, columns: Columns, groups: NDArray[np.int64], how: _How, *, ceiling: float | None = None
) -> list[Estimate]:
    """Mean of every column; all that is asked of the same spans sees the same resamples, as one name draws them."""
    return means(
        np.stack(list(columns.values()), axis=1),
        groups,
        [f"{path}.{name}.{side}s" for name in columns],
        ceiling=ceiling,
        role=side,
        level=how.level,
        resamples=how.resamples,
        rng=generator(how.seed, "bootstrap", f"{path}.{side}s"),
    )


def _with_width(lift: Estimate, values: NDArray[np.float64], groups: NDArray[np.int64]) -> Estimate:
    """A difference of two shares of the same values, with an interval also where all groups show the same.

    Gains and losses each get a Clopper-Pearson interval on the groups at half the error (Bonferroni), and the
    difference lies between their ends.
    """
    if lift.value is None or lift.low is not None:
        return lift
    trials, level = len(np.unique(groups)), 1 - (1 - lift.level) / 2
    gains, losses = (exact(float(np.maximum(part, 0).mean()), trials, level) for part in (values, -values))
    method = f"Clopper-Pearson of gains and losses on {trials} groups (resampling shows no spread)"
    return replace(lift, low=gains.low - losses.high, high=gains.high - losses.low, method=method, reason=None)


def _resolved(one: Estimate) -> Estimate:
    """The estimate, marked where one of its classes has too few groups."""
    groups = min((n for n in (one.n_member_groups, one.n_nonmember_groups) if n), default=0)
    if one.value is None or groups >= FEWEST_GROUPS:
        return one
    have = "1 group has" if groups == 1 else f"{groups} groups have"
    return replace(one, reason=f"not resolved: {have} such a value, and {FEWEST_GROUPS} are needed")


def _excesses(path: str, known: Mapping[str, Estimate]) -> list[Estimate]:
    paths = [f"{path}.{measure}" for measure in ("greedy", "top1") if f"{path}.{measure}.members" in known]
    return [_resolved(excess(known[f"{one}.members"], known[f"{one}.nonmembers"], f"{one}.excess")) for one in paths]
