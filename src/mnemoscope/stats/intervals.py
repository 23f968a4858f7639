"""Confidence intervals: resampling of groups, and the exact binomial where resampling shows no spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Statistic = Callable[..., NDArray[np.float64]]
"""Takes one array of record weights a class, shape (block, n_records), and gives shape (block,)."""
Draw = Callable[[int, int, np.random.Generator], NDArray[Any]]
"""Takes n_groups, the number of resamples and a generator; gives group weights of shape (resamples, n_groups)."""

BLOCK_BYTES = 8 * 2**20
"""Memory that one block of resamples may take; arrays that leave the cache cost two to three times as much."""
ARRAYS_A_RECORD = 6
"""Arrays of 8-byte numbers that a statistic holds at a time for each weight."""


class Interval(NamedTuple):
    """The two ends and how they were found."""

    low: float
    high: float
    method: str


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact binomial interval for k hits in n independent trials (Clopper & Pearson 1934).

    Raises:
        ValueError: k is not in 0..n, or n is 0.
    """
    if not 0 <= k <= n or not n:
        raise ValueError(f"needs 0 <= k <= n and n above 0, got k = {k} and n = {n}")
    return _beta_ends(k, n, level)


def _beta_ends(hits: float, trials: int, level: float) -> tuple[float, float]:
    """Clopper-Pearson as quantiles of the beta distribution, which takes hits that are not whole too."""
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def exact(value: float, trials: int, level: float) -> Interval:
    """Clopper-Pearson for the share `value` of `trials` independent groups; value * trials need not be whole.

    At value 1 the low end is (alpha / 2) ** (1 / trials): for an AUC, as if each of `trials` disjoint pairs of one
    member and one non-member group were in order.
    """
    ends = _beta_ends(value * trials, trials, level)
    return Interval(*ends, f"Clopper-Pearson on {trials} groups (resampling shows too little spread)")


def group_counts(n_groups: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each group is drawn in `size` draws of n_groups groups with replacement, shape (size, n_groups)."""
    drawn = rng.integers(0, n_groups, size=(size, n_groups))
    flat = (drawn + n_groups * np.arange(size)[:, None]).ravel()
    return np.bincount(flat, minlength=size * n_groups).reshape(size, n_groups)


def group_weights(n_groups: int, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights of the Bayesian bootstrap (Rubin 1981, Annals of Statistics 9:130), shape (size, n_groups).

    Independent exponentials with mean 1: divided by their sum they are the flat Dirichlet. No group ever drops out.
    """
    return rng.standard_exponential((size, n_groups))


def resample(
    statistic: Statistic,
    classes: Sequence[NDArray[np.int64]],
    *,
    resamples: int,
    rng: np.random.Generator,
    draw: Draw = group_counts,
) -> NDArray[np.float64]:
    """The statistic in `resamples` group-bootstrap samples, shape (resamples,).

    `classes` holds the group codes of each class's records; classes are resampled apart from each other, groups
    whole. A resample is a weight a record, so the statistic sees many at once; the block bounds the memory. `draw`
    gives the weights of the groups: how often each is drawn, or `group_weights`.
    """
    codes = [np.unique(groups, return_inverse=True) for groups in classes]
    n_records = sum(len(groups) for groups in classes)
    parts = []
    for size in _blocks(resamples, n_records):
        weights = [np.take(draw(len(names), size, rng), inverse, axis=1) for names, inverse in codes]
        parts.append(statistic(*weights))
    return np.concatenate(parts)


def _blocks(resamples: int, n_records: int) -> Iterator[int]:
    size = max(1, BLOCK_BYTES // (8 * ARRAYS_A_RECORD * n_records))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def percentile(draws: NDArray[np.float64], level: float, *, how: str = "group bootstrap") -> Interval:
    """Percentile bootstrap interval (Efron 1979) from the draws of `resample`; `how` says what drew them."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(low), float(high), f"{how} (percentile, {len(draws)} resamples)")


def has_width(interval: Interval) -> bool:
    """Whether the ends differ by more than rounding."""
    return interval.high - interval.low > 1e-12 * max(1.0, abs(interval.high))


def share_interval(
    value: float, draws: NDArray[np.float64], *, trials: int, level: float, how: str = "group bootstrap"
) -> Interval:
    """Percentile interval of a statistic in 0..1, or the exact one on `trials` groups where that has no width."""
    found = percentile(draws, level, how=how)
    return found if trials > 1 and has_width(found) else exact(value, trials, level)
