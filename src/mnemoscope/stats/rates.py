"""True-positive rates at a false-positive rate; a record is called a member strictly above the threshold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate
from mnemoscope.stats.averages import weighted_mean
from mnemoscope.stats.intervals import Statistic, resample, share_interval
from mnemoscope.stats.ranking import once, running_mass
from mnemoscope.stats.sample import Sample, count_groups

RESOLVED = 2
"""Non-member groups that must be allowed above the threshold for the rate to say anything."""


def _allowed(fpr: float, total: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(fpr * total) in whole numbers, because in floats 0.29 * 100 is less than 29."""
    share = Fraction(repr(float(fpr))).limit_denominator(10**6)
    allowed: NDArray[np.int64] = np.minimum(total * share.numerator // share.denominator, total - 1)
    return allowed


def _threshold(nonmembers: NDArray[np.float64], fpr: float) -> float:
    """The smallest value with at most floor(fpr * n) of the n non-members strictly above it."""
    allowed = int(_allowed(fpr, np.array(len(nonmembers))))
    return float(np.sort(nonmembers)[::-1][allowed])


def _rate(members: NDArray[np.float64], nonmembers: NDArray[np.float64], fpr: float) -> Statistic:
    """TPR with the threshold chosen anew for every row of weights."""
    falling = np.argsort(-nonmembers, kind="stable")
    member_falling = np.argsort(-members, kind="stable")
    candidates, first = np.unique(-nonmembers[falling], return_index=True)  # one a distinct score, highest first
    above = np.searchsorted(-members[member_falling], candidates, side="left")

    def rate(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        false = running_mass(nonmember_weights[:, falling])
        true = running_mass(member_weights[:, member_falling])
        allowed = _allowed(fpr, false[:, -1])
        # the mass above a candidate grows from the highest to the lowest, so the last that is allowed is wanted
        chosen = (false[:, first] <= allowed[:, None]).sum(axis=1) - 1
        return np.asarray(true[np.arange(len(true)), above[chosen]] / true[:, -1], dtype=np.float64)

    return rate


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

    Nothing is interpolated; the FPR that the threshold achieves is in the estimate. The interval resamples groups
    and chooses the threshold anew each time, so it speaks of the population's FPR. Where it has no width it is
    Clopper-Pearson on the member groups. The value is marked "not resolved" where fpr times the number of
    non-member groups is below 2.

    Raises:
        ValueError: fpr is not in [0, 1).
    """
    _check(fpr)
    if reason := sample.gap():
        return sample.missing(name, level, reason, fpr=fpr)
    rate = _rate(sample.members, sample.nonmembers, fpr)
    threshold = _threshold(sample.nonmembers, fpr)
    value = once(rate, len(sample.members), len(sample.nonmembers))
    draws = resample(rate, (sample.member_groups, sample.nonmember_groups), resamples=resamples, rng=rng)
    counts = sample.counts()
    found = share_interval(value, draws, trials=counts["n_member_groups"], level=level)
    return Estimate(
        name,
        value,
        found.low,
        found.high,
        level,
        found.method,
        **counts,
        fpr=fpr,
        achieved_fpr=float((sample.nonmembers > threshold).mean()),
        threshold=threshold,
        reason=_unresolved(fpr, counts["n_nonmember_groups"]),
    )


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
    reason = evaluation.gap()
    if not len(calibration.nonmembers):
        reason = "no calibration non-member was scored"
    if reason:
        return evaluation.missing(name, level, reason, fpr=fpr)
    threshold = _threshold(calibration.nonmembers, fpr)
    hits = (evaluation.members > threshold).astype(np.float64)
    draws = resample(weighted_mean(hits), (evaluation.member_groups,), resamples=resamples, rng=rng)
    counts = evaluation.counts()
    found = share_interval(float(hits.mean()), draws, trials=counts["n_member_groups"], level=level)
    return Estimate(
        name,
        float(hits.mean()),
        found.low,
        found.high,
        level,
        f"{found.method}, given the threshold",
        **counts,
        fpr=fpr,
        achieved_fpr=float((evaluation.nonmembers > threshold).mean()),
        threshold=threshold,
        reason=_unresolved(fpr, count_groups(calibration.nonmember_groups)),
    )
