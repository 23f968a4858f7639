"""Where the threshold lies, and on which records it is chosen; a record is called a member strictly above it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mnemoscope.stats.intervals import Statistic
from mnemoscope.stats.sample import Sample


def threshold_at(nonmembers: NDArray[np.float64], fpr: float) -> float:
    """The smallest value with at most floor(fpr * n) of the n non-members strictly above it."""
    # in whole numbers, because in floats 0.29 * 100 is less than 29
    share = Fraction(repr(float(fpr))).limit_denominator(10**6)
    allowed = min(len(nonmembers) * share.numerator // share.denominator, len(nonmembers) - 1)
    return float(np.sort(nonmembers)[::-1][allowed])


def _mass(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight before each position, shape (block, n + 1) from (block, n); the last column is the total."""
    mass = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=mass[:, 1:])
    return mass


def smooth_rate(members: NDArray[np.float64], nonmembers: NDArray[np.float64], fpr: float) -> Statistic:
    """TPR at a population's FPR for every row of positive weights, the threshold chosen anew in each.

    The share `fpr` of the non-members' weight ends inside the weight of one non-member. The threshold lies as far
    between that one and the next higher score, in terms of the members found between the two. Where the two are tied
    there is nothing between them. Only ranks count, so a rising transformation of the scores changes nothing.
    """
    rates = smooth_rates(members, nonmembers, np.array([fpr]))
    return lambda member_weights, nonmember_weights: rates(member_weights, nonmember_weights)[:, 0]


def smooth_rates(members: NDArray[np.float64], nonmembers: NDArray[np.float64], fprs: NDArray[np.float64]) -> Statistic:
    """The same at several FPRs at once, from the same weights: shape (block, n_fprs)."""
    falling, member_falling = np.argsort(-nonmembers, kind="stable"), np.argsort(-members, kind="stable")
    line, passed = -nonmembers[falling], -members[member_falling]
    above = np.searchsorted(passed, line, side="left")  # members strictly above each non-member
    reached = np.append(0, np.searchsorted(passed, line[:-1], side="right"))  # members at or above the next higher one

    def rates(member_weights: NDArray[np.float64], nonmember_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        false = _mass(np.take(nonmember_weights, falling, axis=1))
        true = _mass(np.take(member_weights, member_falling, axis=1))
        limits = fprs * false[:, -1:]
        # each row is sorted, so a search does for all FPRs what a count would do for one
        found = [np.searchsorted(mass[1:], ends, side="right") for mass, ends in zip(false, limits, strict=True)]
        last, row = np.minimum(found, len(line) - 1), np.arange(len(false))[:, None]
        share = (limits - false[row, last]) / (false[row, last + 1] - false[row, last])
        most = true[row, above[last]]
        least = np.minimum(true[row, reached[last]], most)
        return np.asarray((least + np.clip(share, 0, 1) * (most - least)) / true[:, -1:], dtype=np.float64)

    return rates


def best_threshold(members: NDArray[np.float64], nonmembers: NDArray[np.float64]) -> float:
    """The lowest of the scores with the best balanced accuracy on the sample."""
    candidates = np.unique(np.concatenate((members, nonmembers)))
    missed = np.searchsorted(np.sort(members), candidates, side="right")
    kept = np.searchsorted(np.sort(nonmembers), candidates, side="right")
    # TNR - FNR times both counts: whole numbers, so that equals are equal
    return float(candidates[np.argmax(kept * len(members) - missed * len(nonmembers))])


def halves(calibration: Sample, evaluation: Sample, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Calibration with half of the member groups, evaluation with the others (one more of an odd number)."""
    groups = rng.permutation(np.unique(evaluation.member_groups))
    chosen = groups[: len(groups) // 2]
    first, second = np.isin(calibration.member_groups, chosen), ~np.isin(evaluation.member_groups, chosen)
    return _with_members(calibration, first), _with_members(evaluation, second)


def _with_members(sample: Sample, kept: NDArray[np.bool_]) -> Sample:
    return replace(
        sample,
        members=sample.members[kept],
        member_groups=sample.member_groups[kept],
        member_folds=sample.member_folds[kept],
    )
