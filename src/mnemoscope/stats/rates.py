"""Rates at a threshold; a record is called a member strictly above it.

All folds are pooled: scores that can be compared inside a fold only must come in as ranks inside their fold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate
from mnemoscope.stats.averages import weighted_mean
from mnemoscope.stats.intervals import (
    Interval,
    Statistic,
    clopper_pearson,
    exact,
    group_weights,
    has_width,
    percentile,
    resample,
    share_interval,
)
from mnemoscope.stats.sample import Sample, count_groups
from mnemoscope.stats.thresholds import best_threshold, halves, smooth_rate, threshold_at

RESOLVED = 2
"""Non-member groups that must be allowed above the threshold for the rate to say anything."""


def _unresolved(fpr: float, n_groups: int) -> str | None:
    if fpr * n_groups >= RESOLVED:
        return None
    return f"not resolved: FPR {fpr:g} of {n_groups} non-member groups is less than {RESOLVED} groups"


def _check(fpr: float) -> None:
    if not 0 <= fpr < 1:
        raise ValueError(f"fpr must be at least 0 and less than 1, got {fpr}")


def tpr_at_fpr(
    sample: Sample, name: str, *, fpr: float, level: float = 0.95, resamples: int = 2000, rng: np.random.Generator
) -> Estimate:
    """Share of members strictly above the smallest threshold that keeps the FPR at or below `fpr`; 0..1.

    The value is not interpolated; the FPR that the threshold achieves is in the estimate. The interval speaks of the
    population's FPR: a Bayesian bootstrap over groups (Rubin 1981) that chooses the threshold anew each time, smoothed
    between neighbouring scores (after Banks 1988, Biometrika 75:673). It is stretched to hold the value; where it has
    no width it is Clopper-Pearson on the member groups. The value is marked "not resolved" where fpr times the number
    of non-member groups is below 2.

    The weights of Rubin's bootstrap follow the law of what a population holds above the k-th of n scores. Drawing
    groups with replacement and a threshold that jumps from score to score misses at one end instead: at FPR .01, 200
    groups of 1 to 6 records and AUC .95 the truth was below the interval in 5.6% and above it in .6% of 1000
    simulated samples, here in 2.2% and 2.3%. `benchmarks/coverage.py` measures it.

    Raises:
        ValueError: fpr is not in [0, 1).
    """
    _check(fpr)
    if reason := sample.gap():
        return sample.missing(name, level, reason, fpr=fpr)
    threshold = threshold_at(sample.nonmembers, fpr)
    value = float((sample.members > threshold).mean())
    rate = smooth_rate(sample.members, sample.nonmembers, fpr)
    draws = resample(rate, _classes(sample), resamples=resamples, rng=rng, draw=group_weights)
    trials = count_groups(sample.member_groups)
    found = share_interval(value, draws, trials=trials, level=level, how="Bayesian group bootstrap")
    held = found._replace(low=min(found.low, value), high=max(found.high, value))
    reason = _unresolved(fpr, count_groups(sample.nonmember_groups))
    return _estimate(sample, name, value, held, level=level, threshold=threshold, fpr=fpr, reason=reason)


def tpr_given_threshold(sample: Sample, name: str, *, fpr: float, level: float = 0.95) -> Estimate:
    """The value of `tpr_at_fpr` with Clopper & Pearson's interval on the member records; 0..1.

    It takes threshold and records for given and independent: right for "the TPR at this threshold" where every record
    is its own group, and far too narrow for the TPR at a population's FPR.

    Raises:
        ValueError: fpr is not in [0, 1).
    """
    _check(fpr)
    if reason := sample.gap():
        return sample.missing(name, level, reason, fpr=fpr)
    threshold = threshold_at(sample.nonmembers, fpr)
    hits = int((sample.members > threshold).sum())
    ends = clopper_pearson(hits, len(sample.members), level)
    found = Interval(*ends, "Clopper-Pearson, given this threshold (ignores groups)")
    value, reason = hits / len(sample.members), _unresolved(fpr, count_groups(sample.nonmember_groups))
    return _estimate(sample, name, value, found, level=level, threshold=threshold, fpr=fpr, reason=reason)


def transfer(
    calibration: Sample,
    evaluation: Sample,
    name: str,
    *,
    fpr: float,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """TPR at a threshold chosen on the calibration non-members and judged on other records; 0..1.

    The value is the share of the evaluation members strictly above the threshold, `achieved_fpr` the share of the
    evaluation non-members (the rule of Mireshghallah et al. 2022, arXiv:2203.03929, without counting on the records
    that chose the threshold). The interval resamples member groups and takes the threshold as given. The counts are
    those of the evaluation sample.

    Raises:
        ValueError: fpr is not in [0, 1).
    """
    _check(fpr)
    if reason := _carried_gap(calibration, evaluation):
        return evaluation.missing(name, level, reason, fpr=fpr)
    threshold = threshold_at(calibration.nonmembers, fpr)
    hits = (evaluation.members > threshold).astype(np.float64)
    draws = resample(weighted_mean(hits), (evaluation.member_groups,), resamples=resamples, rng=rng)
    value, trials = float(hits.mean()), count_groups(evaluation.member_groups)
    found = _given(share_interval(value, draws, trials=trials, level=level), "the threshold")
    reason = _unresolved(fpr, count_groups(calibration.nonmember_groups))
    return _estimate(evaluation, name, value, found, level=level, threshold=threshold, fpr=fpr, reason=reason)


def posterior(
    calibration: Sample,
    evaluation: Sample,
    name: str,
    *,
    fpr: float,
    prior: float,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """Probability that a record above the threshold of `transfer` is a member, when a share `prior` are; 0..1.

    prior * TPR / (prior * TPR + (1 - prior) * FPR), both rates on the evaluation records (Bayes). The interval
    resamples the groups of both classes, without the resamples in which nothing is above the threshold; where either
    rate is 0, or it has no width, its ends pair the opposite Clopper-Pearson ends of the two rates on their groups.
    The value is missing where no record is above the threshold.

    Raises:
        ValueError: fpr is not in [0, 1), or prior not in (0, 1).
    """
    _check(fpr)
    if not 0 < prior < 1:
        raise ValueError(f"prior must be above 0 and below 1, got {prior}")
    if reason := _carried_gap(calibration, evaluation):
        return evaluation.missing(name, level, reason, fpr=fpr)
    threshold = threshold_at(calibration.nonmembers, fpr)
    true, false = evaluation.members > threshold, evaluation.nonmembers > threshold
    if not (true.any() or false.any()):
        return evaluation.missing(name, level, "no evaluation record is above the threshold", fpr=fpr)
    with np.errstate(invalid="ignore"):  # a resample may have nothing above the threshold
        draws = resample(_bayes(true, false, prior), _classes(evaluation), resamples=resamples, rng=rng)
    found = percentile(draws[np.isfinite(draws)], level) if np.isfinite(draws).any() else None
    if found is None or not (true.any() and false.any() and has_width(found)):
        found = _corners(evaluation, true.mean(), false.mean(), prior, level)
    found, value = _given(found, f"the threshold and a prior of {prior:g}"), _share(true.mean(), false.mean(), prior)
    reason = _unresolved(fpr, count_groups(calibration.nonmember_groups))
    return _estimate(evaluation, name, value, found, level=level, threshold=threshold, fpr=fpr, reason=reason)


def _share(tpr: float, fpr: float, prior: float) -> float:
    return float(prior * tpr / (prior * tpr + (1 - prior) * fpr))


def _bayes(true: NDArray[np.bool_], false: NDArray[np.bool_], prior: float) -> Statistic:
    """The posterior of each row of weights; NaN where nothing is above the threshold."""
    tpr, fpr = weighted_mean(true.astype(np.float64)), weighted_mean(false.astype(np.float64))

    def bayes(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        found = prior * tpr(member_weights)
        return np.asarray(found / (found + (1 - prior) * fpr(nonmember_weights)), dtype=np.float64)

    return bayes


def _corners(sample: Sample, tpr: float, fpr: float, prior: float, level: float) -> Interval:
    """The posterior at (TPR low, FPR high) and at (TPR high, FPR low)."""
    true = exact(float(tpr), count_groups(sample.member_groups), level)
    false = exact(float(fpr), count_groups(sample.nonmember_groups), level)
    ends = _share(true.low, false.high, prior), _share(true.high, false.low, prior)
    return Interval(*ends, "Clopper-Pearson on the groups of each class")


def balanced_accuracy(
    calibration: Sample,
    evaluation: Sample,
    name: str,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> Estimate:
    """(TPR + TNR) / 2 at a threshold that other records chose, 0..1 with .5 = chance.

    Both samples hold the same members. `rng` halves their groups: one half and the calibration non-members choose the
    threshold that is best for them (of equals the lowest), the other half and the evaluation non-members judge it. On
    the records that chose it, it would look too good. The interval resamples the judging groups, with the threshold
    as given; where it has no width it is Clopper-Pearson on the smaller number of groups. The counts are those of the
    judging records. The value is missing with fewer than two member groups.
    """
    reason = _carried_gap(calibration, evaluation)
    if not reason and count_groups(evaluation.member_groups) < 2:
        reason = "needs two or more member groups: one half chooses the threshold, the other judges it"
    if reason:
        return evaluation.missing(name, level, reason)
    choosing, judging = halves(calibration, evaluation, rng)
    threshold = best_threshold(choosing.members, choosing.nonmembers)
    right, kept = judging.members > threshold, judging.nonmembers <= threshold
    tpr, tnr = weighted_mean(right.astype(np.float64)), weighted_mean(kept.astype(np.float64))
    draws = resample(lambda w, v: (tpr(w) + tnr(v)) / 2, _classes(judging), resamples=resamples, rng=rng)
    value, trials = float(right.mean() + kept.mean()) / 2, judging.pairs_of_groups()
    found = _given(share_interval(value, draws, trials=trials, level=level), "a threshold from other records")
    return _estimate(judging, name, value, found, level=level, threshold=threshold)


def _classes(sample: Sample) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return sample.member_groups, sample.nonmember_groups


def _carried_gap(calibration: Sample, evaluation: Sample) -> str | None:
    """Why a threshold cannot be carried from one sample to the other."""
    return evaluation.gap() if len(calibration.nonmembers) else "no calibration non-member was scored"


def _given(interval: Interval, what: str) -> Interval:
    return interval._replace(method=f"{interval.method}, given {what}")


def _estimate(
    judged: Sample,
    name: str,
    value: float,
    found: Interval,
    *,
    level: float,
    threshold: float,
    fpr: float | None = None,
    reason: str | None = None,
) -> Estimate:
    """The estimate with the counts and the achieved FPR of the judged records."""
    return Estimate(
        name,
        value,
        found.low,
        found.high,
        level,
        found.method,
        **judged.counts(),
        fpr=fpr,
        achieved_fpr=float((judged.nonmembers > threshold).mean()),
        threshold=threshold,
        reason=reason,
    )
