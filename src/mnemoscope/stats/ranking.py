"""The ROC curve and the area under it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

from mnemoscope.records import Estimate, RocCurve
from mnemoscope.stats.intervals import Interval, Statistic, exact, resample, share_interval
from mnemoscope.stats.sample import Sample

Weigh = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def running_mass(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weight before each position, shape (block, n + 1) from (block, n); the last column is the total."""
    mass = np.zeros((weights.shape[0], weights.shape[1] + 1), dtype=np.int64)
    np.cumsum(weights, axis=1, out=mass[:, 1:])
    return mass


def twice_mass_below(points: NDArray[np.float64], values: NDArray[np.float64]) -> Weigh:
    """A function from weights of `values` to twice the weight below each point, ties counted half.

    The weights have shape (block, n_values), the result (block, n_points). Whole numbers, so ties are exact.
    """
    order = np.argsort(values, kind="stable")
    below = np.searchsorted(values[order], points, side="left")
    upto = np.searchsorted(values[order], points, side="right")
    untied = np.array_equal(below, upto)

    def weigh(weights: NDArray[np.int64]) -> NDArray[np.int64]:
        mass = running_mass(np.take(weights, order, axis=1))
        first: NDArray[np.int64] = np.take(mass, below, axis=1)
        return 2 * first if untied else first + np.take(mass, upto, axis=1)

    return weigh


def _area(members: NDArray[np.float64], nonmembers: NDArray[np.float64]) -> Statistic:
    weigh = twice_mass_below(members, nonmembers)

    def area(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        twice = (member_weights * weigh(nonmember_weights)).sum(axis=1)
        pairs = member_weights.sum(axis=1) * nonmember_weights.sum(axis=1)
        return np.asarray(twice / (2 * pairs), dtype=np.float64)

    return area


def mean_area(sample: Sample) -> Statistic:
    """The AUC of each row of weights: the plain mean over folds, NaN in a row that leaves no fold with both classes.

    A fold whose members or non-members have no weight in a row is left out of that row's mean.
    """
    folds = sample.comparable()
    areas = [_area(sample.members[rows.members], sample.nonmembers[rows.nonmembers]) for rows in folds]
    if sum(map(len, folds[0])) == len(sample.members) + len(sample.nonmembers):
        return areas[0]  # the same without copies of the weights

    def area(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # 0 of 0 pairs
            inside = [
                one(member_weights[:, rows.members], nonmember_weights[:, rows.nonmembers])
                for one, rows in zip(areas, folds, strict=True)
            ]
        return np.asarray(np.ma.masked_invalid(inside).mean(axis=0).filled(np.nan), dtype=np.float64)

    return area


def once(statistic: Statistic, *sizes: int) -> float:
    """The statistic of the sample itself: every record has weight 1."""
    return float(statistic(*(np.ones((1, size), dtype=np.int64) for size in sizes))[0])


def auc(sample: Sample, name: str, *, level: float = 0.95, resamples: int = 2000, rng: np.random.Generator) -> Estimate:
    """Area under the ROC curve, P(member > non-member) + P(tie) / 2, in 0..1 with .5 = chance (Mann-Whitney).

    With folds it is the plain mean of the AUCs inside each fold; a fold without one of the classes is left out. The
    interval resamples groups, members and non-members apart, so a group with both counts as two. With 25 and 20 groups
    it is too narrow near 1 (covers 89% at AUC .95; `benchmarks/coverage.py`). Where it has no width, as at 0 and 1, it
    is Clopper-Pearson on the smaller number of groups.
    """
    if reason := sample.gap():
        return sample.missing(name, level, reason)
    area = mean_area(sample)
    value = once(area, len(sample.members), len(sample.nonmembers))
    draws = resample(area, (sample.member_groups, sample.nonmember_groups), resamples=resamples, rng=rng)
    drawn = draws[np.isfinite(draws)] if np.isfinite(draws).any() else np.array([value])
    found = share_interval(value, drawn, trials=sample.pairs_of_groups(), level=level)
    return Estimate(name, value, found.low, found.high, level, found.method, **sample.counts())


def hanley_mcneil_se(area: float, n_members: int, n_nonmembers: int) -> float:
    """Standard error of an AUC (Hanley & McNeil 1982, eq. 1); ignores ties and groups.

    >>> round(hanley_mcneil_se(0.80, 2898, 968), 6)
    0.007219
    """
    q1 = area / (2 - area)
    q2 = 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n_members - 1) * (q1 - area**2) + (n_nonmembers - 1) * (q2 - area**2)
    return float(np.sqrt(max(0.0, spread) / (n_members * n_nonmembers)))


def auc_hanley_mcneil(sample: Sample, name: str, *, level: float = 0.95) -> Estimate:
    """AUC with the interval of Hanley & McNeil 1982, clipped to 0..1: what arXiv:2507.21009 prints.

    It takes records for independent; with 2 to 3 records a group that are alike (correlation
    .3) it covers 86 to 93% instead of 95%.
    """
    if reason := sample.gap():
        return sample.missing(name, level, reason)
    value = once(mean_area(sample), len(sample.members), len(sample.nonmembers))
    error = hanley_mcneil_se(value, len(sample.members), len(sample.nonmembers))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    found = Interval(max(0.0, value - reach), min(1.0, value + reach), "Hanley-McNeil (ignores groups)")
    if error == 0:
        found = exact(value, sample.pairs_of_groups(), level)
    return Estimate(name, value, found.low, found.high, level, found.method, **sample.counts())


def roc_curve(sample: Sample) -> RocCurve:
    """The empirical ROC curve from (0, 0) to (1, 1), without points that lie on a straight line.

    It pools all folds: give it a sample of `fold_ranks` where scores can be compared inside a fold only.

    Both arrays have shape (n_points,); they are empty when a class has no scored record.
    """
    if sample.gap():
        return RocCurve(np.empty(0), np.empty(0))
    labels = np.repeat([1, 0], [len(sample.members), len(sample.nonmembers)])
    scores = np.concatenate((sample.members, sample.nonmembers))
    fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=True)
    return RocCurve(np.asarray(fpr, dtype=np.float64), np.asarray(tpr, dtype=np.float64))
