"""Shares and means over records."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope import stats
from mnemoscope.stats import intervals


def rng():
    return np.random.default_rng(6)


def test_proportion_by_hand():
    """The value is hits over records, and the counts go to the class of the records."""
    hits, groups = np.array([True, False, False, True, True]), np.array([1, 1, 2, 3, 3])
    found = stats.proportion(hits, groups, "x", role="nonmember", resamples=50, rng=rng())
    assert (
        found.value,
        found.n_members,
        found.n_nonmembers,
        found.n_member_groups,
        found.n_nonmember_groups,
    ) == (0.6, 0, 5, 0, 3)


def test_group_bootstrap_is_the_repetition_of_groups():
    """A resample is the mean over the records of the drawn groups, each as often as drawn."""
    values, groups = np.array([0.1, 2.0, 0.3, 5.0, 0.7]), np.array([1, 1, 0, 2, 2])
    found = stats.mean(values, groups, "x", resamples=30, rng=rng())
    counts = intervals.group_counts(3, 30, rng())
    slow = []
    for row in counts:
        drawn = [value for group in range(3) for _ in range(row[group]) for value in values[groups == group]]
        slow.append(sum(drawn) / len(drawn))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


@pytest.mark.parametrize("hit", [False, True])
def test_no_hit_and_all_hits_keep_a_width(hit):
    """Zero hits in G groups have the exact interval of 0 in G, not of 0 in n records."""
    found = stats.proportion(np.full(6, hit), np.array([0, 0, 1, 1, 2, 2]), "x", resamples=50, rng=rng())
    assert (found.low, found.high) == pytest.approx(stats.clopper_pearson(3 if hit else 0, 3), abs=1e-9)
    assert "Clopper-Pearson on 3 groups" in found.method


def test_equal_shares_keep_a_width_whatever_the_rounding():
    """A mean of equal shares has the exact interval, although its resamples differ in the last bit."""
    found = stats.mean(np.full(7, 0.1), np.arange(7), "x", ceiling=1, resamples=200, rng=rng())
    assert found.value == pytest.approx(0.1)
    assert found.method.startswith("Clopper-Pearson")
    assert found.low < 0.1 < found.high


def test_the_exact_interval_is_stretched_to_the_ceiling():
    """Where no record gives back any of 20 tokens, the mean may be up to 20 times the share of 0 hits in G groups."""
    found = stats.mean(np.zeros(8), np.repeat(np.arange(4), 2), "x", ceiling=20, resamples=50, rng=rng())
    # 1 - .025 ** (1 / 4) = .602365; times 20 = 12.0473
    assert (found.value, found.low, found.high) == pytest.approx((0.0, 0.0, 12.0473), abs=1e-4)


def test_equal_values_without_a_ceiling_have_no_interval():
    """Without a ceiling nothing exact is known, so the interval is missing with a reason."""
    found = stats.mean(np.full(4, 3.0), np.arange(4), "x", resamples=20, rng=rng())
    assert (found.value, found.low, found.high) == (3.0, None, None)
    assert found.reason == "no interval: all groups have the same mean"


def test_one_record_is_enough_for_a_value():
    """One record has a value and an honest, wide interval."""
    found = stats.proportion(np.array([True]), np.array([4]), "x", resamples=20, rng=rng())
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.025, 1.0))


def test_no_records_have_no_value():
    """Nothing measured is missing with a reason."""
    found = stats.mean(np.empty(0), np.empty(0, dtype=np.int64), "x", rng=rng())
    assert (found.value, found.reason, found.n_members) == (None, "no record was measured", 0)


def test_rare_groups_that_were_not_seen_stay_possible():
    """One group in fifty gives all its records back, the others next to nothing: the interval holds the true mean."""
    true, covered, draws = 0.02 + 0.98e-4, 0, np.random.default_rng(5)
    for seed in range(200):
        values = np.where(draws.random(40) < 0.02, 1.0, 1e-4)
        found = stats.mean(values, np.arange(40), "x", ceiling=1, resamples=100, rng=np.random.default_rng(seed))
        covered += found.low <= true <= found.high
    assert covered >= 186  # resampling alone holds it in 103 of these draws


def test_nearly_all_is_not_all():
    """Twenty records that come back with chance .9999 each say no more of the population than twenty hits do."""
    found = stats.mean(np.full(20, 0.9999) - 1e-6 * np.arange(20), np.arange(20), "x", ceiling=1, rng=rng())
    assert found.low < 0.84
    assert "Clopper-Pearson on 20 groups" in found.method
