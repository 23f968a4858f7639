"""True-positive rates against hand-worked values and a loop over thresholds."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mnemoscope import stats
from mnemoscope.stats import intervals, rates, thresholds

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


def slow_smooth_rate(members, nonmembers, member_weights, nonmember_weights, fpr):
    """The slow twin of one resample: walk down the non-members until their weight passes the allowed one."""
    falling = sorted(zip(nonmembers, nonmember_weights, strict=True), key=lambda pair: -pair[0])
    limit, passed, higher = fpr * sum(nonmember_weights), 0.0, math.inf
    for line, weight in falling:
        if passed + weight > limit:
            break
        passed, higher = passed + weight, line
    pairs = list(zip(members, member_weights, strict=True))
    between = sum(w for score, w in pairs if line < score < higher)
    beyond = sum(w for score, w in pairs if score > line and score >= higher)
    return (beyond + between * (limit - passed) / weight) / sum(member_weights)


@pytest.mark.parametrize("digits", [6, 0])
@pytest.mark.parametrize("fpr", [0.2, 0.01])
def test_threshold_is_chosen_anew_and_smoothed_in_every_resample(clustered, digits, fpr):
    """A resample gives the rate of a walk down the weighted non-members, also where scores are tied."""
    drawn, n = clustered(np.random.default_rng(2), groups=(9, 8), size=3, shift=0.7, digits=digits), 60
    found = stats.tpr_at_fpr(drawn, "x", fpr=fpr, resamples=n, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    weights = intervals.group_weights(9, n, rng), intervals.group_weights(8, n, rng)
    slow = [
        slow_smooth_rate(drawn.members, drawn.nonmembers, one[drawn.member_groups], two[drawn.nonmember_groups], fpr)
        for one, two in zip(*weights, strict=True)
    ]
    low, high = np.quantile(slow, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((min(low, found.value), max(high, found.value)), abs=1e-12)
    assert found.method == "Bayesian group bootstrap (percentile, 60 resamples)"


def test_smoothed_threshold_by_hand():
    """The members between two non-members count in the share of the lower one's weight that is allowed."""
    # weights 1: .3 of 5 is 1.5, so the threshold is half way from 9 to 5 and half of the 4 members between them
    # count: 2 above 9, and 2 of 7, 7.5, 8, 8.5 -> (2 + 2) / 8
    rate = thresholds.smooth_rate(np.array([10, 11, 7, 7.5, 8, 8.5, 1, 1]), np.array([9.0, 5, 4, 3, 2]), 0.3)
    assert rate(np.ones((1, 8)), np.ones((1, 5))) == pytest.approx([0.5])
    # the second of three tied at 5 is reached: nothing lies between tied scores, so all above 5 count
    tied = thresholds.smooth_rate(np.array([10, 11, 7, 7.5, 8, 8.5, 1, 1]), np.array([9.0, 5, 5, 5, 2]), 0.5)
    assert tied(np.ones((1, 8)), np.ones((1, 5))) == pytest.approx([0.75])


def test_resampled_thresholds_follow_the_law_of_order_statistics():
    """How many of n non-members a resampled threshold leaves above it is binomial(n - 1, FPR)."""
    # P(weight of the top k <= fpr) is that of a beta(k, n - k), hence of k or more hits in n - 1 trials. Members are
    # tied with the non-members and of one weight, so the rate is that number over n. 5 standard errors.
    n, draws = 200, 4000
    rate, scores = 0.02, np.arange(n, dtype=float)
    found = intervals.resample(
        thresholds.smooth_rate(scores, scores, rate),
        (np.zeros(n, dtype=np.int64), np.arange(n)),
        resamples=draws,
        rng=np.random.default_rng(4),
        draw=intervals.group_weights,
    )
    above, spread = n * found, (n - 1) * rate * (1 - rate)
    assert above == pytest.approx(np.round(above))
    assert above.mean() == pytest.approx((n - 1) * rate, abs=5 * math.sqrt(spread / draws))
    assert above.var() == pytest.approx(spread, rel=5 * math.sqrt((2 + 1 / spread) / draws))


def test_interval_keeps_to_ranks_and_holds_the_value(clustered):
    """A rising transformation of all scores changes no end, and the value lies between them at every FPR."""
    drawn = clustered(np.random.default_rng(3), shift=1.0)
    bent = replace(drawn, members=np.exp(drawn.members), nonmembers=np.exp(drawn.nonmembers))
    for fpr in (0.0, 0.001, 0.01, 0.1):
        found, other = rate(drawn, fpr), rate(bent, fpr)
        assert (found.low, found.value, found.high) == (other.low, other.value, other.high)
        assert found.low <= found.value <= found.high
        assert found.low < found.high
        assert (found.reason is None) == (fpr == 0.1)  # 60 groups


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
        (rates.tpr_given_threshold(sample([], [1]), "x", fpr=0.1), "no member was scored"),
        (after(sample([1], []), full, fpr=0.1), "no calibration non-member was scored"),
        (after(full, sample([], [1]), fpr=0.1), "no member was scored"),
    ]
    for found, reason in cases:
        assert (None, None, None, 0.1, reason) == (found.value, found.low, found.high, found.fpr, found.reason)
    assert balance(sample([1], []), full).reason == "no calibration non-member was scored"
    assert balance(full, full).reason.startswith("needs two or more member groups")


@pytest.mark.parametrize("fpr", [-0.1, 1.0, math.nan])
def test_a_rate_outside_its_range_is_refused(sample, fpr):
    """The FPR must be at least 0 and less than 1."""
    with pytest.raises(ValueError, match="at least 0 and less than 1"):
        rate(sample([1], [0]), fpr)


def test_a_rate_next_to_one_still_has_a_threshold(sample):
    """An FPR that rounds to 1 never asks for a non-member that is not there."""
    assert thresholds.threshold_at(sample([], [1, 2]).nonmembers, 0.9999999) == 1.0
    found = rate(sample([1.5, 0.0], [1, 2]), 1 - 1e-16)
    assert found.value == 0.5


def test_given_the_threshold_by_hand(sample):
    """The same value and threshold as the rate, with the exact interval of the records whatever their groups."""
    # as in the first test: 2 of 4 members above 8
    drawn = sample([8, 8.5, 9, 3], range(1, 11), [0, 0, 0, 1])
    found = rates.tpr_given_threshold(drawn, "x", fpr=0.2, level=0.9)
    here = binomtest(2, 4).proportion_ci(0.9, method="exact")
    assert (found.value, found.threshold, found.achieved_fpr) == (0.5, 8.0, 0.2)
    assert (found.low, found.high) == pytest.approx((here.low, here.high))
    assert found.method == "Clopper-Pearson, given this threshold (ignores groups)"
    assert (found.n_members, found.n_member_groups, found.reason) == (4, 2, None)
    assert rates.tpr_given_threshold(drawn, "x", fpr=0.1).reason.startswith("not resolved")


def slow_balance(members, nonmembers, tau):
    hits, kept = sum(x > tau for x in members), sum(x <= tau for x in nonmembers)
    return Fraction(hits, len(members)) + Fraction(kept, len(nonmembers))


@given(tied_scores, tied_scores)
@settings(max_examples=80, deadline=None)
def test_best_threshold_is_the_lowest_of_the_best(members, nonmembers):
    """Trying every score in exact fractions finds the same threshold."""
    found = thresholds.best_threshold(np.array(members), np.array(nonmembers))
    assert found == max(sorted({*members, *nonmembers}), key=lambda tau: slow_balance(members, nonmembers, tau))


def balance(calibration, evaluation, seed=0, resamples=99):
    return rates.balanced_accuracy(calibration, evaluation, "x", resamples=resamples, rng=np.random.default_rng(seed))


def test_balanced_accuracy_by_hand(sample):
    """One half of the member groups chooses the threshold, the other judges it, records of a group together."""
    # two member groups alike: whichever chooses, its members are 3, 3, 6; with calibration 1, 2, 4 the balance
    # TPR + TNR is 1 + 2/3 at 2 and 1/3 + 1 at 4: tau = 2. Judged on 3, 3, 6 (TPR 1) and 0, 1, 5, 7 (TNR 1/2): 3/4
    members, groups = [3, 3, 6, 3, 3, 6], [0, 0, 0, 1, 1, 1]
    found = balance(sample(members, [1, 2, 4], groups), sample(members, [0, 1, 5, 7], groups))
    assert (found.value, found.threshold, found.achieved_fpr) == (0.75, 2.0, 0.5)
    assert (found.n_members, found.n_member_groups, found.n_nonmembers) == (3, 1, 4)
    assert found.fpr is None
    assert found.method.endswith("given a threshold from other records")


def test_the_halves_are_apart_and_drawn_by_the_generator(clustered):
    """No member group chooses and judges, all take part, and another generator halves them otherwise."""
    drawn = clustered(np.random.default_rng(0), groups=(7, 5))
    one, two = thresholds.halves(drawn, drawn, np.random.default_rng(1))
    assert sorted({*one.member_groups} | {*two.member_groups}) == list(range(7))
    assert not {*one.member_groups} & {*two.member_groups}
    assert len({*one.member_groups}) == 3
    assert len(one.members) == len(one.member_folds)
    others = [thresholds.halves(drawn, drawn, np.random.default_rng(seed))[0] for seed in range(5)]
    assert len({tuple(other.members) for other in others}) > 1
    assert balance(drawn, drawn, 1) == balance(drawn, drawn, 1)


def test_balanced_accuracy_of_chance_is_not_flattered(clustered):
    """Without any signal the mean over samples is .5, though the best threshold of the choosing half is not."""
    # the records that choose have .5 + about .04 here; 40 samples have a standard error of about .006
    rng, found, flattered = np.random.default_rng(6), [], []
    for _ in range(40):
        one, two = clustered(rng, size=2), clustered(rng, size=2)
        two = replace(two, members=one.members, member_groups=one.member_groups)
        found.append(balance(one, two, resamples=2).value)
        tau = thresholds.best_threshold(one.members, one.nonmembers)
        flattered.append((np.mean(one.members > tau) + np.mean(one.nonmembers <= tau)) / 2)
    assert np.mean(found) == pytest.approx(0.5, abs=0.025)
    assert np.mean(flattered) > 0.53


def test_perfect_balanced_accuracy_keeps_a_width(sample):
    """At 1 the interval is the exact one on the smaller number of judging groups."""
    found = balance(sample([5.0] * 6, [1.0, 2.0]), sample([5.0] * 6, [0.0, 1.0, 2.0, 0.5]))
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(stats.clopper_pearson(3, 3)[0])


def after(calibration, evaluation, prior=0.5, fpr=0.2, resamples=200):
    rng = np.random.default_rng(0)
    return rates.posterior(calibration, evaluation, "x", fpr=fpr, prior=prior, resamples=resamples, rng=rng)


def test_posterior_by_hand(sample):
    """Bayes' rule with the rates of the evaluation records at the calibration threshold."""
    # as in the transfer test: tau = 8, TPR .5, FPR .25; prior .1: .1 * .5 / (.1 * .5 + .9 * .25) = .05 / .275 = 2/11
    calibration, evaluation = sample([100.0], range(1, 11)), sample([9, 7, 8, 10], [8.5, 1, 2, 3])
    found = after(calibration, evaluation, prior=0.1)
    assert found.value == pytest.approx(2 / 11)
    assert (found.threshold, found.achieved_fpr, found.fpr, found.reason) == (8.0, 0.25, 0.2, None)
    assert found.low < found.value < found.high
    assert "given the threshold and a prior of 0.1" in found.method


def test_posterior_resamples_both_classes(clustered):
    """The interval is that of the samples in which the drawn groups' records are written out."""
    drawn, n, prior = clustered(np.random.default_rng(2), groups=(9, 8), size=3, shift=0.7), 50, 0.3
    found = after(drawn, drawn, prior, resamples=n)
    rng, slow = np.random.default_rng(0), []
    for one, two in zip(intervals.group_counts(9, n, rng), intervals.group_counts(8, n, rng), strict=True):
        tpr = np.mean(np.repeat(drawn.members, one[drawn.member_groups]) > found.threshold)
        fpr = np.mean(np.repeat(drawn.nonmembers, two[drawn.nonmember_groups]) > found.threshold)
        if tpr + fpr:
            slow.append(prior * tpr / (prior * tpr + (1 - prior) * fpr))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_posterior_without_false_positives_keeps_a_width(sample):
    """With an FPR of 0 the value is 1 and the low end pairs the TPR's low end with the FPR's high end."""
    # TPR 2 of 4 groups, FPR 0 of 4; prior .5
    found = after(sample([100.0], range(1, 11)), sample([9, 7, 8, 10], [4, 1, 2, 3]))
    tpr, fpr = stats.clopper_pearson(2, 4)[0], stats.clopper_pearson(0, 4)[1]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(tpr / (tpr + fpr))
    mirrored = after(sample([100.0], range(1, 11)), sample([4, 1, 2, 3], [9, 7, 8, 10]))
    assert (mirrored.value, mirrored.low) == (0.0, 0.0)
    assert mirrored.high == pytest.approx(1 - found.low)


def test_posterior_of_nothing_is_missing(sample):
    """Where no record is above the threshold there is no posterior, but a reason."""
    found = after(sample([100.0], range(1, 11)), sample([1.0], [2.0]))
    assert (found.value, found.low, found.reason) == (None, None, "no evaluation record is above the threshold")


@given(tied_scores, tied_scores, tied_scores, st.sampled_from([0.001, 0.1, 0.5]))
@settings(max_examples=60, deadline=None)
def test_no_number_is_nan_and_every_gap_has_a_reason(members, calibration, evaluation, fpr):
    """Every estimate has a value within its interval of non-zero width in 0..1, or a reason."""
    codes = [np.arange(len(scores)) // 2 for scores in (members, calibration, evaluation)]
    one, two = (
        stats.Sample(np.array(members), np.array(scores), codes[0], groups, n_unscored=0)
        for scores, groups in ((calibration, codes[1]), (evaluation, codes[2]))
    )
    rated = rate(one, fpr)
    for found in (rated, rates.tpr_given_threshold(one, "x", fpr=fpr), balance(one, two), after(one, two, fpr=fpr)):
        if found.value is None:
            assert found.reason
        else:
            assert 0 <= found.low < found.high <= 1
            assert 0 <= found.value <= 1
    assert rated.low <= rated.value <= rated.high


@pytest.mark.parametrize("prior", [0.0, 1.0, -1.0, math.nan])
def test_a_prior_outside_its_range_is_refused(sample, prior):
    """The prior must be above 0 and below 1."""
    with pytest.raises(ValueError, match="above 0 and below 1"):
        after(sample([1], [0]), sample([1], [0]), prior)
