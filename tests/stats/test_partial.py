"""Weighted correlations, with and without something held fixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from mnemoscope.stats.partial import partial_spearman, pearson


def once(statistic, n):
    return statistic(np.ones((1, n), dtype=np.int64))[0]


def left_over(column, given):
    """What a least-squares regression of the column's ranks on the others' ranks leaves."""
    ranks = [rankdata(one) for one in given]
    design = np.column_stack([np.ones(len(column)), *ranks])
    target = rankdata(column)
    return target - design @ np.linalg.lstsq(design, target, rcond=None)[0]


def test_partial_by_hand():
    """With r_xy = .6 and r_xz = r_yz = .8 the partial correlation is (.6 - .64) / .36."""
    # sums of squared rank differences: xy 4, xz 2, yz 2; rho = 1 - 6 d / 60
    x, y, z = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3]), np.array([1.0, 2, 4, 3])
    assert once(partial_spearman(x, y), 4) == pytest.approx(0.6)
    assert once(partial_spearman(x, y, z), 4) == pytest.approx(-0.04 / 0.36)


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_partial_correlation_is_that_of_regression_residuals(held):
    """In every resample, written out record by record, it is Pearson's r of what OLS on the ranks leaves."""
    draw = np.random.default_rng(held)
    columns = [draw.integers(0, 9, 40) + draw.normal(size=1) for _ in range(2 + held)]
    columns[1] = columns[1] + columns[0]
    weights = draw.integers(0, 4, size=(7, 40))
    found = partial_spearman(*columns)(weights)
    for row, value in zip(weights, found, strict=True):
        x, y, *given = (np.repeat(column, row) for column in columns)
        assert value == pytest.approx(pearsonr(left_over(x, given), left_over(y, given)).statistic, abs=1e-9)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=12))
def test_nothing_held_fixed_is_spearman_and_all_stays_within_bounds(rows):
    """Without controls it is scipy's Spearman; a constant column has no correlation, and no value leaves -1..1."""
    x, y, z = np.array(rows, dtype=float).T
    plain, partial = once(partial_spearman(x, y), len(x)), once(partial_spearman(x, y, z), len(x))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(plain)
    else:
        assert plain == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(partial) or -1 <= partial <= 1


def test_holding_a_copy_fixed_leaves_nothing():
    """Where the column held fixed ranks as x does, nothing of x is left to correlate."""
    x, y = np.arange(12.0), np.array([3, 1, 2, 0, 5, 4, 7, 9, 6, 8, 11, 10.0])
    assert np.isnan(once(partial_spearman(x, y, 2 * x + 1), 12))


def test_minus_infinity_ranks_lowest():
    """What can never be emitted is below everything that can, ties included."""
    y = np.array([-np.inf, -3.0, -np.inf, -1.0])
    expected = spearmanr([1, 2, 3, 4], [0, 1, 0, 2]).statistic
    assert once(partial_spearman(np.arange(4.0), y), 4) == pytest.approx(expected)


def test_pearson_is_that_of_the_records_written_out():
    """Weights repeat records; without spread, and without records, there is no correlation and no warning."""
    draw = np.random.default_rng(5)
    x, y = draw.lognormal(size=30), draw.normal(size=30)
    weights = draw.integers(0, 3, size=(5, 30))
    slow = [pearsonr(np.repeat(x, row), np.repeat(y, row)).statistic for row in weights]
    assert pearson(x, y)(weights) == pytest.approx(slow)
    empty = np.zeros((1, 30), dtype=np.int64)
    assert np.isnan(pearson(x, np.full(30, 0.1))(weights)).all()
    assert np.isnan(pearson(x, y)(empty)).all()
    assert np.isnan(partial_spearman(x, y)(empty)).all()
