"""The curve a - b r^-c and where its plateau begins."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mnemoscope.stats.saturation import Saturation, fit_saturation

RANKS = 2.0 ** np.arange(8)


def test_the_plateau_begins_where_the_rest_is_small_enough():
    """.95 - .04 / r is within .005 of .95 from r = 8 on; with r^-1/2 from 64 on."""
    assert Saturation(0.95, 0.04, 1.0).plateau(0.005) == pytest.approx(8)
    assert Saturation(0.95, 0.04, 0.5).plateau(0.005) == pytest.approx(64)
    assert Saturation(0.95, 0.004, 0.5).plateau(0.005) == 1.0
    assert Saturation(0.95, 1.0, 0.001).plateau(0.005) == np.inf


@settings(max_examples=25, deadline=None)
@given(st.floats(0.6, 0.98), st.floats(0.02, 0.5), st.floats(0.4, 2.5))
def test_points_on_a_curve_give_the_curve_back(limit, drop, power):
    """Without noise the three parameters come back."""
    found = fit_saturation(RANKS, limit - drop * RANKS**-power)
    assert found == pytest.approx((limit, drop, power), abs=1e-3)


def test_noisy_points_are_fitted_as_well_as_by_a_search_over_powers():
    """The sum of squares is that of the best power on a fine grid, where limit and drop are ordinary least squares."""
    rng = np.random.default_rng(2)
    for _ in range(3):
        areas = 0.94 - 0.04 * RANKS**-0.8 + 0.003 * rng.normal(size=8)
        found = fit_saturation(RANKS, areas)
        powers = np.linspace(0.01, 10, 2000)
        sums = []
        for power in powers:
            design = np.stack([np.ones(8), -(RANKS**-power)], axis=1)
            (a, b), *_ = np.linalg.lstsq(design, areas, rcond=None)
            sums.append(((design @ (a, b) - areas) ** 2).sum() if 0 <= b <= 1 and 0 <= a <= 1 else np.inf)
        fitted = ((found.limit - found.drop * RANKS**-found.power - areas) ** 2).sum()
        assert fitted == pytest.approx(min(sums), rel=1e-3)


def test_the_papers_figure_levels_off_by_rank_sixteen():
    """Figure 3.6 of arXiv:2507.21009, read off the plot: limit .946, within .005 of it from rank 14 on."""
    areas = np.array([0.909, 0.924, 0.931, 0.939, 0.942, 0.944, 0.945, 0.9456, 0.945, 0.944])
    found = fit_saturation(2.0 ** np.arange(10), areas)
    assert found.limit == pytest.approx(0.946, abs=0.0005)
    assert found.plateau(0.005) == pytest.approx(14.4, abs=0.1)


@pytest.mark.parametrize("areas", [np.full(8, 0.7), np.linspace(0.8, 0.7, 8), np.full(8, 1.0)])
def test_what_does_not_grow_is_level_from_the_start(areas):
    """A flat or falling curve has its plateau from rank 1 on."""
    assert fit_saturation(RANKS, areas).plateau(0.005) == pytest.approx(1)


def test_growth_without_end_has_no_plateau_in_reach():
    """An AUC that grows by the same step at every doubling gives a plateau far beyond the ranks."""
    assert fit_saturation(RANKS, 0.6 + 0.02 * np.arange(8)).plateau(0.005) > 1e6


def test_three_ranks_are_too_few():
    """A curve with three parameters would go through any three points."""
    with pytest.raises(ValueError, match="needs four ranks or more, got 3"):
        fit_saturation(RANKS[:3], np.array([0.7, 0.8, 0.85]))
