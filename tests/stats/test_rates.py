"""True-positive rates against hand-worked values and a loop over thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import stats
from mnemoscope.stats import intervals, rates

tied_scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=15)


def slow_rate(members, nonmembers, fpr):
    """The slow twin: try every threshold from the top down and keep the last one that is allowed."""
    allowed = math.floor(round(fpr * len(nonmembers), 9))
    best = None
    for tau in sorted({*members, *nonmembers}, reverse=True):
        if sum(score > tau for score in nonmembers) <= allowed:
            best = sum(score > tau for score in members) / len(members)
    return best


def rate(sample, fpr, **options):
    return stats.tpr_at_fpr(sample, "x", fpr=fpr, resamples=30, rng=np.random.default_rng(0), **options)


def test_tpr_by_hand(sample):
    """The threshold is the smallest that lets no more than floor(fpr * n) non-members pass."""
    # non-members 1..10, FPR .2: floor(2) = 2 may lie above, so tau = 8 (9 and 10 are above)
    # members 8, 8.5, 9, 3: strictly above 8 are 8.5 and 9 -> 2 of 4
    found = rate(sample([8, 8.5, 9, 3], range(1, 11)), 0.2)
    assert (found.value, found.threshold, found.achieved_fpr, found.fpr) == (0.5, 8.0, 0.2, 0.2)


def test_ties_at_the_threshold_are_not_split(sample):
    """When the allowed share falls inside a tie, the achieved FPR stays below it; nothing is interpolated."""
    # one of five may pass (.25 * 5 = 1.25), but the two highest are tied at 9: tau = 9, none passes
    found = rate(sample([9, 9.5], [9, 9, 1, 1, 1]), 0.25)
    assert (found.value, found.threshold, found.achieved_fpr) == (0.5, 9.0, 0.0)


@pytest.mark.parametrize(("fpr", "n", "allowed"), [(0.1, 30, 3), (0.29, 100, 29), (0.07, 100, 7), (1 / 3, 30, 10)])
def test_floor_is_not_fooled_by_floats(sample, fpr, n, allowed):
    """floor(fpr * n) is that of the decimal number that was asked for."""
    # 0.29 * 100 = 28.999999999999996 and 0.07 * 100 = 7.000000000000001 in floats
    found = rate(sample([0.0], range(n)), fpr)
    assert found.achieved_fpr == pytest.approx(allowed / n)


@given(tied_scores, tied_scores, st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.5, 0.9]))
@settings(max_examples=80, deadline=None)
def test_tpr_is_the_loop_over_thresholds(members, nonmembers, fpr):
    """The rate agrees with trying all thresholds, and the achieved FPR never exceeds the asked one."""
    groups = np.arange(len(members)), np.arange(len(nonmembers))
    found = rate(stats.Sample(np.array(members), np.array(nonmembers), *groups, n_unscored=0), fpr)
    assert found.value == pytest.approx(slow_rate(members, nonmembers, fpr))
    assert found.achieved_fpr <= fpr + 1e-12
    assert 0 <= found.low < found.high <= 1


def test_threshold_is_chosen_anew_in_every_resample(clustered):
    """A weighted resample gives the rate of the sample in which the drawn groups' records are written out."""
    drawn = clustered(np.random.default_rng(2), groups=(9, 8), size=3, shift=0.7, digits=1)
    n = 60
    found = stats.tpr_at_fpr(drawn, "x", fpr=0.2, resamples=n, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    member_counts, nonmember_counts = intervals.group_counts(9, n, rng), intervals.group_counts(8, n, rng)
    slow = [
        slow_rate(
            np.repeat(drawn.members, member_counts[row][drawn.member_groups]),
            np.repeat(drawn.nonmembers, nonmember_counts[row][drawn.nonmember_groups]),
            0.2,
        )
        for row in range(n)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_too_few_non_member_groups_are_not_resolved(sample):
    """Below two allowed groups the value stands but is marked as not resolved."""
    scores = list(range(20))
    assert rate(sample(scores, scores), 0.1).reason is None  # 20 groups * .1 = 2
    marked = rate(sample(scores, scores, None, [0, 0, *range(18)]), 0.1)  # 18 groups
    assert marked.reason == "not resolved: FPR 0.1 of 18 non-member groups is less than 2 groups"
    assert marked.value is not None


@pytest.mark.parametrize(("members", "expected"), [([5.0] * 4, 1.0), ([0.0] * 4, 0.0)])
def test_none_or_all_keep_a_width(sample, members, expected):
    """A rate of 0 or 1 has the exact interval of the member groups."""
    found = rate(sample(members, [1.0, 2.0], [0, 0, 1, 2]), 0.0)
    assert found.value == expected
    assert (found.low, found.high) == pytest.approx(stats.clopper_pearson(int(3 * expected), 3), abs=1e-9)


def test_transfer_by_hand(sample):
    """The threshold comes from the calibration sample, the rates from the evaluation sample."""
    # calibration non-members 1..10 at FPR .2: tau = 8
    # evaluation members 9, 7, 8, 10: above 8 are 9 and 10 -> .5; non-members 8.5, 1, 2, 3: one above -> .25
    calibration = sample([100.0], range(1, 11))
    found = stats.transfer(
        calibration, sample([9, 7, 8, 10], [8.5, 1, 2, 3]), "x", fpr=0.2, resamples=99, rng=np.random.default_rng(0)
    )
    assert (found.value, found.threshold, found.achieved_fpr) == (0.5, 8.0, 0.25)
    assert found.method == "group bootstrap (percentile, 99 resamples), given the threshold"
    assert (found.n_members, found.n_nonmembers, found.reason) == (4, 4, None)


def test_transfer_to_itself_is_the_rate(clustered):
    """On one and the same sample both rules give one value, threshold and FPR."""
    drawn = clustered(np.random.default_rng(0), shift=1.0)
    there = stats.transfer(drawn, drawn, "x", fpr=0.1, resamples=50, rng=np.random.default_rng(0))
    here = stats.tpr_at_fpr(drawn, "x", fpr=0.1, resamples=50, rng=np.random.default_rng(0))
    assert (here.value, here.threshold, here.achieved_fpr) == (there.value, there.threshold, there.achieved_fpr)


def test_missing_classes_have_a_reason(sample):
    """Where a class is empty the value is missing with a reason and the asked FPR."""
    full, rng = sample([1], [0]), np.random.default_rng(0)
    cases = [
        (rate(sample([], [1]), 0.1), "no member was scored"),
        (rate(sample([1], []), 0.1), "no non-member was scored"),
        (stats.transfer(sample([1], []), full, "x", fpr=0.1, rng=rng), "no calibration non-member was scored"),
        (stats.transfer(full, sample([], [1]), "x", fpr=0.1, rng=rng), "no member was scored"),
        (stats.transfer(full, sample([1], []), "x", fpr=0.1, rng=rng), "no non-member was scored"),
    ]
    for found, reason in cases:
        assert (None, None, None, 0.1, reason) == (found.value, found.low, found.high, found.fpr, found.reason)


@pytest.mark.parametrize("fpr", [-0.1, 1.0, math.nan])
def test_a_rate_outside_its_range_is_refused(sample, fpr):
    """The FPR must be at least 0 and less than 1."""
    with pytest.raises(ValueError, match="at least 0 and less than 1"):
        rate(sample([1], [0]), fpr)


def test_a_rate_next_to_one_still_has_a_threshold(sample):
    """An FPR that rounds to 1 never asks for a non-member that is not there."""
    assert rates._threshold(sample([], [1, 2]).nonmembers, 0.9999999) == 1.0
