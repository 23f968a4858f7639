"""Rank correlation with groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from mnemoscope import stats
from mnemoscope.stats import intervals


def rng():
    return np.random.default_rng(2)


def test_spearman_by_hand():
    """Rho is 1 - 6 * sum(d^2) / (n (n^2 - 1)) without ties."""
    # ranks 1..10 with the first two swapped: sum d^2 = 2, rho = 1 - 12 / 990 = .987879
    x, y = np.arange(10.0), np.array([1, 0, 2, 3, 4, 5, 6, 7, 8, 9.0])
    found = stats.correlation(x, y, np.arange(10), "x", resamples=50, rng=rng())
    assert found.value == pytest.approx(1 - 12 / 990)
    assert (found.n_members, found.n_member_groups, found.n_unscored) == (10, 10, 0)


def test_weighted_ranks_are_the_repetition_of_records():
    """A resample is the correlation of the records written out as often as their group was drawn, ties included."""
    source = np.random.default_rng(0)
    x, groups = source.integers(0, 5, 24).astype(float), np.repeat(np.arange(8), 3)
    y = x + source.integers(0, 4, 24)
    found = stats.correlation(x, y, groups, "x", resamples=60, rng=rng())
    slow = []
    for row in intervals.group_counts(8, 60, rng()):
        slow.append(spearmanr(np.repeat(x, row[groups]), np.repeat(y, row[groups])).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_perfect_correlation_keeps_a_width(sign):
    """A rho of 1 over G groups has low end 2 * (alpha / 2) ** (1 / G) - 1, and -1 mirrors it."""
    # .025 ** (1 / 12) = .735353; 2 * .735353 - 1 = .470705
    x = np.arange(12.0)
    found = stats.correlation(x, sign * x, np.arange(12), "x", resamples=50, rng=rng())
    expected = sorted([sign, sign * (2 * 0.025 ** (1 / 12) - 1)])
    assert (found.value, found.low, found.high) == pytest.approx((sign, *expected))


def test_pairs_that_are_not_finite_are_counted():
    """A pair with a NaN or an infinity is left out and counted as unscored."""
    x = np.arange(14.0)
    y = x.copy()
    y[[3, 5]] = np.nan, np.inf
    found = stats.correlation(x, y, np.arange(14), "x", resamples=20, rng=rng())
    assert (found.n_members, found.n_unscored) == (12, 2)


@pytest.mark.parametrize(
    ("x", "reason"),
    [(np.arange(9.0), "needs 10 or more pairs, got 9"), (np.ones(12), "one of the two is the same for every record")],
)
def test_too_little_to_correlate_has_a_reason(x, reason):
    """Few pairs or a constant have no value, but a reason and no warning."""
    found = stats.correlation(x, np.arange(float(len(x))), np.arange(len(x)), "x", rng=rng())
    assert (None, None, reason) == (found.value, found.low, found.reason)


def test_constant_resamples_are_dropped_and_told():
    """Resamples without any spread have no correlation; the method says how many were left."""
    x = np.array([0.0] * 9 + [1.0])
    found = stats.correlation(x, np.arange(10.0), np.arange(10), "x", resamples=400, rng=rng())
    counts = intervals.group_counts(10, 400, rng())
    kept = int(((counts[:, 9] > 0) & (counts[:, 9] < 10)).sum())
    assert found.method == f"group bootstrap (percentile, {kept} resamples)"
    assert kept < 400
    assert -1 <= found.low <= found.high <= 1
