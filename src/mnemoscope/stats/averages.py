"""Shares and means over records, with intervals that resample groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate
from mnemoscope.stats.intervals import Interval, Statistic, exact, has_width, percentile, resample, share_interval
from mnemoscope.stats.sample import Counts, count_groups


def proportion(
    hits: NDArray[np.bool_],
    groups: NDArray[np.int64],
    name: str,
    *,
    role: Literal["member", "nonmember"] = "member",
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """Share of records with a hit, 0..1; `hits` and `groups` have shape (n_records,).

    The interval resamples groups; where that has no width (no hit, or all) it is Clopper-Pearson on the groups.
    `role` says which counts of the estimate the records fill.
    """
    values = np.asarray(hits, dtype=np.float64)
    return mean(values, groups, name, ceiling=1, role=role, level=level, resamples=resamples, rng=rng)


def mean(
    values: NDArray[np.float64],
    groups: NDArray[np.int64],
    name: str,
    *,
    ceiling: float | None = None,
    role: Literal["member", "nonmember"] = "member",
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """Mean over records, in the unit of `values`; `values` and `groups` have shape (n_records,).

    The interval resamples groups. Where that has no width it is Clopper-Pearson on the groups (of all values between 0
    and `ceiling`, the largest that a record can have, all-or-nothing ones spread most, so it is not too narrow); where
    the mean is less than one group's worth away from 0 or from the ceiling, the end on the other side is. Without a
    ceiling it is missing where it has no width.
    """
    only = means(values[:, None], groups, [name], ceiling=ceiling, role=role, level=level, resamples=resamples, rng=rng)
    return only[0]


def means(
    values: NDArray[np.float64],
    groups: NDArray[np.int64],
    names: Sequence[str],
    *,
    ceiling: float | None = None,
    role: Literal["member", "nonmember"] = "member",
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> list[Estimate]:
    """`mean` of every column of `values`, shape (n_records, n_names); one draw of groups serves all of them."""
    counts = _counts(groups, role)
    if not len(values):
        return [
            Estimate(name, None, None, None, level, "none", reason="no record was measured", **counts) for name in names
        ]
    draws = resample(weighted_mean(values), (groups,), resamples=resamples, rng=rng)
    ends = _Ends(counts["n_member_groups"] + counts["n_nonmember_groups"], ceiling, level)
    found = []
    for name, value, drawn in zip(names, values.mean(axis=0).tolist(), draws.T, strict=True):
        low, high, method, reason = ends.of(value, drawn)
        found.append(Estimate(name, value, low, high, level, method, reason=reason, **counts))
    return found


FEWEST = 1
"""Groups' worth of the rarer outcome below which resampling shows next to no spread, although a population may hold
groups that are nothing like those that were seen: the end on their side is then the exact one."""


class _Ends(NamedTuple):
    """How the ends of a mean's interval are found."""

    n_groups: int
    ceiling: float | None
    level: float

    def of(self, value: float, draws: NDArray[np.float64]) -> tuple[float | None, float | None, str, str | None]:
        """Low end, high end, method, and the reason where there is no interval."""
        if self.ceiling is not None:
            # rounding can carry a mean of equal values past the ends
            share = min(max(value / self.ceiling, 0.0), 1.0)
            found = share_interval(share, draws / self.ceiling, trials=self.n_groups, level=self.level)
            found = self._rare(share, found)
            return self.ceiling * found.low, self.ceiling * found.high, found.method, None
        found = percentile(draws, self.level)
        if self.n_groups < 2 or not has_width(found):
            return None, None, "none", "no interval: all groups have the same mean"
        return found.low, found.high, found.method, None

    def _rare(self, share: float, found: Interval) -> Interval:
        """The exact end on the side of groups that were not seen, where there may be such."""
        known = exact(share, self.n_groups, self.level)
        if found.method == known.method:
            return found
        if share * self.n_groups < FEWEST:
            return Interval(min(found.low, share), known.high, f"{found.method}; upper end {known.method}")
        if (1 - share) * self.n_groups < FEWEST:
            return Interval(known.low, max(found.high, share), f"{found.method}; lower end {known.method}")
        return found


def excess(ours: Estimate, theirs: Estimate, name: str) -> Estimate:
    """Mean over members less mean over non-members: what held-out records do not yield as well.

    The interval squares and adds those of the two (Zou & Donner 2008, Statistics in Medicine 27:1693). The classes are
    independent samples of groups. Unlike the percentiles of resampled differences this counts the doubt about a share
    of 0, which no resample shows.
    """
    counts = Counts(
        n_members=ours.n_members,
        n_nonmembers=theirs.n_nonmembers,
        n_member_groups=ours.n_member_groups,
        n_nonmember_groups=theirs.n_nonmember_groups,
        n_unscored=ours.n_unscored + theirs.n_unscored,
    )
    a, b = _bounds(ours), _bounds(theirs)
    if a is None or b is None:
        value = None if ours.value is None or theirs.value is None else ours.value - theirs.value
        reason = "a class has nothing that was measured" if value is None else "a class has no interval"
        return Estimate(name, value, None, None, ours.level, "none", reason=reason, **counts)
    value = a.value - b.value
    low = value - float(np.hypot(a.value - a.low, b.high - b.value))
    high = value + float(np.hypot(a.high - a.value, b.value - b.low))
    method = f"square-and-add of both classes ({ours.method}; {theirs.method})"
    return Estimate(name, value, low, high, ours.level, method, **counts)


class _Bounds(NamedTuple):
    low: float
    value: float
    high: float


def _bounds(one: Estimate) -> _Bounds | None:
    if one.low is None or one.value is None or one.high is None:
        return None
    return _Bounds(one.low, one.value, one.high)


def perplexity(
    losses: NDArray[np.float64],
    tokens: NDArray[np.int64],
    groups: NDArray[np.int64],
    name: str,
    *,
    role: Literal["member", "nonmember"] = "member",
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """exp of the mean loss a token, over all tokens of all records.

    `losses` are summed over each record's tokens, nats; all arrays have shape (n_records,). A ratio of two sums is
    resampled by groups; the interval is missing where that has no width.
    """
    counts = _counts(groups, role)
    if not tokens.sum():
        return Estimate(name, None, None, None, level, "none", reason="no token was measured", **counts)
    value = float(np.exp(losses.sum() / tokens.sum()))

    def ratio(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.exp((weights @ losses) / (weights @ tokens)), dtype=np.float64)

    found = percentile(resample(ratio, (groups,), resamples=resamples, rng=rng), level)
    if not has_width(found):
        return Estimate(name, value, None, None, level, "none", reason="no interval: all groups are alike", **counts)
    return Estimate(name, value, found.low, found.high, level, found.method, **counts)


def weighted_mean(values: NDArray[np.float64]) -> Statistic:
    """Mean of `values`, shape (n_records,) or (n_records, m), for each row of weights: shape (block,) or (block, m)."""

    def average(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        total = weights.sum(axis=1, dtype=np.float64)
        return np.asarray((weights @ values) / (total if values.ndim == 1 else total[:, None]), dtype=np.float64)

    return average


def _counts(groups: NDArray[np.int64], role: Literal["member", "nonmember"]) -> Counts:
    n_records, n_groups = len(groups), count_groups(groups)
    inside = role == "member"
    return Counts(
        n_members=n_records if inside else 0,
        n_nonmembers=0 if inside else n_records,
        n_member_groups=n_groups if inside else 0,
        n_nonmember_groups=0 if inside else n_groups,
        n_unscored=0,
    )
