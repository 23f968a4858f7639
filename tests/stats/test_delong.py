"""DeLong's variance, with and without groups, against hand-worked values and double loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import stats
from mnemoscope.stats import Sample, delong


def error(sample, *, plain=False):
    codes = delong.own_groups(sample) if plain else delong.Codes(sample.member_groups, sample.nonmember_groups)
    return delong.standard_error(delong.influence(sample), codes)


def obuchowski(members, nonmembers, member_groups, nonmember_groups):
    """The slow twin: variance of the AUC by loops over pairs, records and groups, in the paper's own symbols."""
    psi = [[(x > y) + 0.5 * (x == y) for y in nonmembers] for x in members]
    m, n = len(members), len(nonmembers)
    area = sum(map(sum, psi)) / (m * n)
    v10 = [sum(row) / n for row in psi]
    v01 = [sum(psi[i][j] for i in range(m)) / m for j in range(n)]
    inside, outside = sorted(set(member_groups)), sorted(set(nonmember_groups))
    every = sorted(set(inside) | set(outside))
    sums10 = {g: sum(v10[i] - area for i in range(m) if member_groups[i] == g) for g in every}
    sums01 = {g: sum(v01[j] - area for j in range(n) if nonmember_groups[j] == g) for g in every}
    s10 = len(inside) / ((len(inside) - 1) * m) * sum(sums10[g] ** 2 for g in inside)
    s01 = len(outside) / ((len(outside) - 1) * n) * sum(sums01[g] ** 2 for g in outside)
    s11 = len(every) / (len(every) - 1) * sum(sums10[g] * sums01[g] for g in every)
    return area, s10 / m + s01 / n + 2 * s11 / (m * n)


def drawn(rng, *, groups=40, size=4, icc=0.4, shift=0.0, shared=False):
    """Clustered normal scores; `shared`: every group holds as many members as non-members."""
    effects = np.repeat(rng.normal(size=2 * groups), size) * np.sqrt(icc)
    scores = effects + rng.normal(size=2 * groups * size) * np.sqrt(1 - icc)
    codes = np.repeat(np.arange(2 * groups), size)
    inside = np.arange(len(codes)) % 2 == 0 if shared else codes < groups
    return Sample(scores[inside] + shift, scores[~inside], codes[inside], codes[~inside], n_unscored=0)


def test_published_vector(sample):
    """X = .9 .8 .4 against Y = .7 .3 .2 .1 has A = .916667 and standard error .117851."""
    # V10 = 1, 1, .75: variance .020833 / 3; V01 = 2/3, 1, 1, 1: variance .027778 / 4; sum .013889
    one = sample([0.9, 0.8, 0.4], [0.7, 0.3, 0.2, 0.1])
    assert stats.auc_delong(one, "x").value == pytest.approx(0.916667, abs=1e-6)
    assert error(one, plain=True) == pytest.approx(0.117851, abs=1e-6)


def test_a_group_with_both_classes_by_hand(sample):
    """Members and non-members of one group that are high together count once more, through their product."""
    # members 3 (g0), 1 (g1), non-members 0 (g0), 2 (g1): V10 = 1, .5; V01 = 1, .5; A = .75
    # group sums over n: +-.125 in each class; each class 2 / 1 * 2 * .015625 = .0625
    # product: 2 * 2 / 1 * 2 * .015625 = .125; variance .0625 + .0625 + .125 = .25, plain .125
    one = sample([3, 1], [0, 2], [0, 1], [0, 1])
    assert error(one) == pytest.approx(0.5)
    assert error(one, plain=True) == pytest.approx(0.125**0.5)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_clustered_variance_is_the_double_loop(data):
    """The standard error agrees with the loops: ties, uneven groups and groups with both classes included."""
    score, group = st.integers(0, 4).map(float), st.integers(0, 4)
    members = data.draw(st.lists(st.tuples(score, group), min_size=2, max_size=12))
    nonmembers = data.draw(st.lists(st.tuples(score, group), min_size=2, max_size=12))
    arrays = [np.array(column) for column in (*zip(*members, strict=True), *zip(*nonmembers, strict=True))]
    one = Sample(arrays[0], arrays[2], arrays[1], arrays[3], n_unscored=0)
    if min(len(set(arrays[1])), len(set(arrays[3]))) < 2:
        assert error(one) is None
        return
    area, variance = obuchowski(arrays[0], arrays[2], arrays[1], arrays[3])
    assert stats.auc_delong_clustered(one, "x").value == pytest.approx(area, abs=1e-9)
    assert error(one) ** 2 == pytest.approx(max(0.0, variance), abs=1e-12)


def test_one_record_a_group_is_plain_delong():
    """Without groups of several records the clustered interval is the plain one, without any factor."""
    one = drawn(np.random.default_rng(0), size=1, shift=0.5)
    assert error(one) == pytest.approx(error(one, plain=True), rel=1e-12)


def test_copies_inside_a_group_say_nothing_new(sample):
    """Each record k times in its own group: clustered DeLong stays, plain DeLong shrinks by about sqrt(k)."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=30), rng.normal(size=25)
    once = sample(x, y)
    many = sample(np.repeat(x, 4), np.repeat(y, 4), np.repeat(np.arange(30), 4), 30 + np.repeat(np.arange(25), 4))
    assert error(many) == pytest.approx(error(once), rel=1e-12)
    assert error(many, plain=True) == pytest.approx(error(once, plain=True) / 2, rel=0.03)


def test_folds_are_compared_inside_and_averaged():
    """With folds of as many groups each, the AUC is the folds' mean and the variance that of a mean."""
    rng = np.random.default_rng(5)
    folds = [drawn(rng, groups=10, shift=0.4) for _ in range(3)]
    one = joined(folds)
    found = stats.auc_delong_clustered(one, "x")
    assert found.value == pytest.approx(np.mean([stats.auc_delong_clustered(f, "x").value for f in folds]))
    assert error(one) ** 2 == pytest.approx(sum(error(f) ** 2 for f in folds) / 9)


def joined(folds):
    """One sample of several, each a fold with groups of its own."""

    def column(name, step=0):
        return np.concatenate([getattr(fold, name) + step * k for k, fold in enumerate(folds)])

    return Sample(
        column("members"),
        column("nonmembers"),
        column("member_groups", 1000),
        column("nonmember_groups", 1000),
        0,
        np.repeat(np.arange(len(folds)), [len(fold.members) for fold in folds]),
        np.repeat(np.arange(len(folds)), [len(fold.nonmembers) for fold in folds]),
    )


@pytest.mark.parametrize("estimate", [stats.auc_delong, stats.auc_delong_clustered])
@pytest.mark.parametrize("members", [[3.0, 4, 5, 6], [-3.0, -4, -5, -6]])
def test_perfect_separation_keeps_a_width(sample, estimate, members):
    """At 0 and 1 the interval is exact on G disjoint pairs of groups and p is 2 * .5 ** G."""
    found = estimate(sample(members, [1, 2, 1], [0, 0, 1, 2], [5, 6, 6]), "x")
    ends = (0.025**0.5, 1) if members[0] > 0 else (0, 1 - 0.025**0.5)
    assert (found.low, found.high) == pytest.approx(ends)
    assert found.p_value == pytest.approx(2 * 0.5**2)


def test_ties_alone_are_chance(sample):
    """Equal scores: AUC .5, an interval with a width, p = 1."""
    found = stats.auc_delong_clustered(sample([0.0] * 8, [0.0] * 10), "x")
    assert (found.value, found.p_value) == (0.5, 1.0)
    assert found.low < 0.5 < found.high


@given(st.integers(0, 10**6), st.floats(-2.5, 2.5), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_interval_and_p_value_agree(seed, shift, level):
    """The interval lies in 0..1 around the value, and excludes .5 exactly when p is below 1 - level."""
    found = stats.auc_delong_clustered(drawn(np.random.default_rng(seed), groups=5, shift=shift), "x", level=level)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert (not found.low <= 0.5 <= found.high) == (found.p_value < 1 - level)


def test_mirrored_scores_mirror_the_estimate():
    """Turning all scores around turns the interval around .5 and leaves p."""
    one = drawn(np.random.default_rng(4), shift=0.4)
    there = stats.auc_delong_clustered(one, "x")
    back = stats.auc_delong_clustered(replace(one, members=-one.members, nonmembers=-one.nonmembers), "x")
    assert (there.value, there.low, there.high) == pytest.approx((1 - back.value, 1 - back.high, 1 - back.low))
    assert there.p_value == pytest.approx(back.p_value)


@pytest.mark.parametrize("shared", [False, True])
def test_clustered_delong_rejects_as_often_as_it_says(shared):
    """With nothing to tell, p < .05 in about 5% of samples; groups of one class make plain DeLong reject too often."""
    rng, n = np.random.default_rng(9), 400
    samples = [drawn(rng, shared=shared) for _ in range(n)]
    rejected = sum(stats.auc_delong_clustered(one, "x").p_value < 0.05 for one in samples) / n
    plain = sum(stats.auc_delong(one, "x").p_value < 0.05 for one in samples) / n
    assert rejected == pytest.approx(0.05, abs=0.035)  # three standard errors: 3 * sqrt(.05 * .95 / 400) = .033
    assert plain < 0.02 if shared else plain > 0.12


def test_one_group_or_one_class_has_no_variance_but_a_reason_or_a_width(sample):
    """One group a class gives the exact interval of one trial; an empty class gives a reason."""
    lonely = stats.auc_delong_clustered(sample([3.0, 4], [1.0, 5], [0, 0], [1, 1]), "x")
    assert (lonely.value, lonely.method[:29]) == (0.5, "Clopper-Pearson on 1 groups (")
    assert lonely.p_value == 1.0
    empty = stats.auc_delong_clustered(sample([], [1.0]), "x")
    assert (empty.value, empty.p_value, empty.reason) == (None, None, "no member was scored")
