"""AUC and ROC against hand-worked values and slow twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mnemoscope import stats
from mnemoscope.stats import intervals

tied_scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


def pairwise(members, nonmembers):
    """The slow twin: every pair of one member and one non-member."""
    wins = sum((a > b) + 0.5 * (a == b) for a in members for b in nonmembers)
    return wins / (len(members) * len(nonmembers))


def value(sample):
    return stats.auc(sample, "x", resamples=20, rng=np.random.default_rng(0)).value


def test_auc_by_hand(sample):
    """AUC is the share of pairs in order, ties half."""
    # DeLong vector: .9 and .8 beat all four, .4 beats .3 .2 .1 and not .7: (4 + 4 + 3) / 12 = .916667
    assert value(sample([0.9, 0.8, 0.4], [0.7, 0.3, 0.2, 0.1])) == pytest.approx(11 / 12)
    # 1 ties with 1 (half), 1 beats 0: 1.5 of 2 pairs
    assert value(sample([1], [1, 0])) == 0.75


@given(tied_scores, tied_scores)
@settings(max_examples=60, deadline=None)
def test_auc_is_the_double_loop(members, nonmembers):
    """AUC agrees with the pairwise count and with scikit-learn, ties and single records included."""
    groups = np.arange(len(members)), np.arange(len(nonmembers))
    found = value(stats.Sample(np.array(members), np.array(nonmembers), *groups, n_unscored=0))
    assert found == pytest.approx(pairwise(members, nonmembers))
    labels = [1] * len(members) + [0] * len(nonmembers)
    assert found == pytest.approx(roc_auc_score(labels, members + nonmembers))


def test_group_bootstrap_is_the_repetition_of_records(clustered):
    """A weighted resample gives the number of the sample in which the drawn groups' records are written out."""
    drawn = clustered(np.random.default_rng(1), groups=(9, 6), size=3, shift=0.4, digits=0)  # digits 0: many ties
    n = 40
    found = stats.auc(drawn, "x", resamples=n, rng=np.random.default_rng(8))

    rng = np.random.default_rng(8)
    counts = intervals.group_counts(9, n, rng), intervals.group_counts(6, n, rng)
    slow = []
    for row in range(n):
        repeated = []
        for scores, groups, times in zip(
            (drawn.members, drawn.nonmembers), (drawn.member_groups, drawn.nonmember_groups), counts, strict=True
        ):
            parts = [scores[groups == group] for group, k in enumerate(times[row]) for _ in range(k)]
            repeated.append(np.concatenate(parts))
        slow.append(pairwise(*repeated))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_equal_seeds_agree_and_others_differ(clustered):
    """The interval depends on the generator and on nothing else."""
    drawn = clustered(np.random.default_rng(1))
    first, again, other = (stats.auc(drawn, "x", resamples=200, rng=np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again
    assert first.low != other.low
    assert first.value == other.value


def test_order_of_records_does_not_matter(clustered):
    """A shuffled sample has the same estimate, interval included."""
    drawn = clustered(np.random.default_rng(4))
    a, b = np.random.default_rng(0).permutation(240), np.random.default_rng(1).permutation(240)
    shuffled = stats.Sample(
        drawn.members[a], drawn.nonmembers[b], drawn.member_groups[a], drawn.nonmember_groups[b], n_unscored=0
    )
    estimates = [stats.auc(s, "x", resamples=200, rng=np.random.default_rng(0)) for s in (drawn, shuffled)]
    assert estimates[0] == estimates[1]


def test_mirrored_scores_mirror_the_estimate(clustered):
    """Turning all scores around turns the value and the interval around .5."""
    drawn = clustered(np.random.default_rng(4), shift=0.5)
    turned = stats.Sample(-drawn.members, -drawn.nonmembers, drawn.member_groups, drawn.nonmember_groups, n_unscored=0)
    there, back = (stats.auc(s, "x", resamples=300, rng=np.random.default_rng(0)) for s in (drawn, turned))
    assert (there.value, there.low, there.high) == pytest.approx((1 - back.value, 1 - back.high, 1 - back.low))


@pytest.mark.parametrize("estimate", [stats.auc, stats.auc_hanley_mcneil])
def test_perfect_separation_keeps_a_width(sample, estimate):
    """An AUC of 1 over G independent pairs has low end (alpha / 2) ** (1 / G), and 0 mirrors it."""
    extra = {} if estimate is stats.auc_hanley_mcneil else {"resamples": 50, "rng": np.random.default_rng(0)}
    # 3 member groups, 2 non-member groups: G = 2, .025 ** .5 = .158114
    top = estimate(sample([3, 4, 5, 6], [1, 2, 1], [0, 0, 1, 2], [0, 1, 1]), "x", **extra)
    assert (top.value, top.low, top.high) == pytest.approx((1, 0.158114, 1), abs=1e-6)
    assert top.method == "Clopper-Pearson on 2 groups (resampling shows too little spread)"
    bottom = estimate(sample([1, 2], [3, 4]), "x", **extra)
    assert (bottom.value, bottom.low, bottom.high) == pytest.approx((0, 0, 1 - 0.158114), abs=1e-6)


def test_all_ties_are_chance_with_a_width(sample):
    """Scores that are all equal give .5 and an interval around it."""
    found = stats.auc(sample([0.0] * 8, [0.0] * 10), "x", resamples=50, rng=np.random.default_rng(0))
    # Beta quantiles with 4 of 8 hits: the binomial interval of 4 in 8
    assert (found.value, found.low, found.high) == pytest.approx((0.5, *stats.clopper_pearson(4, 8)), abs=1e-9)


def test_hanley_mcneil_published_values():
    """The standard error is that of the formula at the sizes of the reference paper."""
    assert stats.hanley_mcneil_se(0.80, 2898, 968) == pytest.approx(0.007219, abs=5e-7)
    assert stats.hanley_mcneil_se(0.68, 2898, 968) == pytest.approx(0.00921, abs=5e-6)
    # .8 by hand: Q1 = .8/1.2 = .666667, Q2 = 1.28/1.8 = .711111
    # [.16 + 2897(.026667) + 967(.071111)] / (2898 * 968) = (.16 + 77.2533 + 68.7644) / 2805264 = 5.20727e-5
    assert stats.hanley_mcneil_se(0.80, 2898, 968) ** 2 == pytest.approx(146.17778 / 2805264, rel=1e-6)


def test_hanley_mcneil_interval_is_clipped(sample):
    """The normal interval does not leave 0..1."""
    found = stats.auc_hanley_mcneil(sample([1, 2, 3], [0, 1, 2]), "x")
    # pairs: 1 beats 0, ties 1 (1.5); 2 beats 0 1, ties 2 (2.5); 3 beats all (3): 7 of 9
    assert found.value == pytest.approx(7 / 9)
    assert found.high == 1.0
    assert "ignores groups" in found.method


@pytest.mark.parametrize("empty", ["members", "nonmembers"])
def test_one_class_alone_has_no_value_but_a_reason(sample, empty):
    """With one class empty the value is missing with a reason, never NaN."""
    lonely = sample(*([], [1.0]) if empty == "members" else ([1.0], []))
    for found in (stats.auc(lonely, "x", rng=np.random.default_rng(0)), stats.auc_hanley_mcneil(lonely, "x")):
        assert (found.value, found.low, found.high) == (None, None, None)
        assert found.reason in ("no member was scored", "no non-member was scored")
    assert stats.roc_curve(lonely).fpr.size == 0


def test_group_bootstrap_covers_where_hanley_mcneil_is_too_narrow(clustered):
    """With correlated records the group bootstrap covers about 95% and Hanley-McNeil's interval is narrower."""
    rng = np.random.default_rng(20)
    covered, narrower, n = 0, 0, 150
    for _ in range(n):
        drawn = clustered(rng, groups=(60, 50), size=4)
        group = stats.auc(drawn, "x", resamples=300, rng=rng)
        plain = stats.auc_hanley_mcneil(drawn, "x")
        covered += group.low <= 0.5 <= group.high
        narrower += plain.high - plain.low < group.high - group.low
    assert covered >= 0.88 * n
    assert narrower >= 0.95 * n


@given(tied_scores, tied_scores)
@settings(max_examples=40, deadline=None)
def test_roc_curve_has_the_area_of_the_auc(members, nonmembers):
    """The curve runs from (0, 0) to (1, 1), rises, and its area by trapezes is the AUC."""
    groups = np.arange(len(members)), np.arange(len(nonmembers))
    curve = stats.roc_curve(stats.Sample(np.array(members), np.array(nonmembers), *groups, n_unscored=0))
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.fpr) >= 0).all()
    assert (np.diff(curve.tpr) >= 0).all()
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(pairwise(members, nonmembers))


def folded(rng, *, sizes=((9, 6), (5, 8), (4, 0)), size=3):
    """Scores on another scale in each fold; the last fold has no non-member."""
    columns = [[], [], [], [], [], []]
    for fold, groups in enumerate(sizes):
        for side, n in enumerate(groups):
            columns[side].append(rng.normal(size=n * size).round(1) + 10 * fold + 0.5 * (side == 0))
            columns[2 + side].append(1000 * side + 100 * fold + np.repeat(np.arange(n), size))
            columns[4 + side].append(np.full(n * size, fold))
    arrays = [np.concatenate(column) for column in columns]
    return stats.Sample(*arrays[:4], 0, *arrays[4:])


def inside(sample, member_rows, nonmember_rows):
    """The slow twin with folds: the mean of the pairwise counts of the folds that have both classes."""
    areas = []
    for fold in sorted(set(sample.member_folds.tolist())):
        x = [sample.members[i] for i in member_rows if sample.member_folds[i] == fold]
        y = [sample.nonmembers[j] for j in nonmember_rows if sample.nonmember_folds[j] == fold]
        areas += [pairwise(x, y)] if x and y else []
    return sum(areas) / len(areas)


def test_pairs_across_folds_are_never_compared():
    """With folds the AUC is the mean inside folds, in every resample too; a fold without one class is left out."""
    one, n = folded(np.random.default_rng(0)), 30
    found = stats.auc(one, "x", resamples=n, rng=np.random.default_rng(8))
    assert found.value == pytest.approx(inside(one, range(len(one.members)), range(len(one.nonmembers))))
    rng = np.random.default_rng(8)
    names = [np.unique(groups) for groups in (one.member_groups, one.nonmember_groups)]
    counts = [intervals.group_counts(len(name), n, rng) for name in names]
    slow = []
    for row in range(n):
        rows = [
            np.repeat(np.arange(len(groups)), times[row][np.searchsorted(name, groups)])
            for groups, name, times in zip((one.member_groups, one.nonmember_groups), names, counts, strict=True)
        ]
        slow.append(inside(one, *rows))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_a_scale_of_its_own_in_each_fold_changes_nothing():
    """Shifting a fold's scores leaves the folded estimates as they are, and would move the pooled ones."""
    one = folded(np.random.default_rng(1))
    moved = replace(
        one, members=one.members - 10.0 * one.member_folds, nonmembers=one.nonmembers - 10.0 * one.nonmember_folds
    )
    assert value(one) == pytest.approx(value(moved))
    plain = stats.auc_hanley_mcneil(one, "x").value
    assert plain == pytest.approx(value(one))
    pooled = stats.Sample(one.members, one.nonmembers, one.member_groups, one.nonmember_groups, n_unscored=0)
    assert value(pooled) != pytest.approx(value(one), abs=0.01)


def test_resamples_that_compare_nothing_are_left_out():
    """Where a resample leaves no fold with both classes it is dropped and told."""
    one = stats.Sample(
        np.array([1.0, 2, 3]), np.array([0.0, 2, 3]), np.arange(3), np.arange(3, 6), 0, np.arange(3), np.arange(3)
    )
    found = stats.auc(one, "x", resamples=300, rng=np.random.default_rng(0))
    # fold AUCs 1, .5, .5
    assert found.value == pytest.approx(2 / 3)
    rng = np.random.default_rng(0)
    counts = [intervals.group_counts(3, 300, rng) for _ in range(2)]
    kept = int(((counts[0] > 0) & (counts[1] > 0)).any(axis=1).sum())
    assert kept < 300
    assert found.method == f"group bootstrap (percentile, {kept} resamples)"
