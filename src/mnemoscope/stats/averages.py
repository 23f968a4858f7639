"""Shares and means over records, with intervals that resample groups."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate
from mnemoscope.stats.intervals import Statistic, has_width, percentile, resample, share_interval
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

    The interval resamples groups. Where that has no width it is Clopper-Pearson on the groups when the values lie
    between 0 and `ceiling`, the largest that a record can have (of all such values, all-or-nothing ones spread most,
    so it is not too narrow), and missing when there is no ceiling.
    """
    counts = _counts(groups, role)
    if not len(values):
        return Estimate(name, None, None, None, level, "none", reason="no record was measured", **counts)
    value = float(values.mean())
    draws = resample(weighted_mean(values), (groups,), resamples=resamples, rng=rng)
    n_groups = counts["n_member_groups"] + counts["n_nonmember_groups"]
    if ceiling is not None:
        # rounding can carry a mean of equal values past the ends
        found = share_interval(min(max(value / ceiling, 0.0), 1.0), draws / ceiling, trials=n_groups, level=level)
        return Estimate(name, value, ceiling * found.low, ceiling * found.high, level, found.method, **counts)
    found = percentile(draws, level)
    if n_groups < 2 or not has_width(found):
        reason = "no interval: all groups have the same mean"
        return Estimate(name, value, None, None, level, "none", reason=reason, **counts)
    return Estimate(name, value, found.low, found.high, level, found.method, **counts)


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
    """Mean of `values` for each row of weights."""
    return lambda weights: np.asarray((weights @ values) / weights.sum(axis=1), dtype=np.float64)


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
