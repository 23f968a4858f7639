"""Exposure: worked ranks, the law of chance, and a tail that does not end where floats do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy import stats as scipy_stats

from mnemoscope.stats import extrapolated_exposure, midrank, rank_exposure, sampled_exposure
from mnemoscope.stats.exposure import log_skewnormal_cdf


def test_worked_exposures() -> None:
    """The first of a million secrets has 19.93 bits, the last none, and the 8th of 1024 has 7."""
    assert rank_exposure(1, 10**6) == pytest.approx(19.931569, abs=1e-6)
    assert rank_exposure(1024, 1024) == 0
    assert rank_exposure(8, 1024) == 7
    assert rank_exposure(1.5, 6) == 2  # log2(6 / 1.5)


@pytest.mark.parametrize(("rank", "size"), [(0, 5), (5.5, 5), (-1, 5)])
def test_no_such_rank(rank: float, size: int) -> None:
    """A rank outside 1..size is refused."""
    with pytest.raises(ValueError, match="rank"):
        rank_exposure(rank, size)


def test_ties_share_their_rank() -> None:
    """One above, two equal: ranks 2, 3, 4 are shared, so each has 3."""
    assert midrank(-2.0, np.array([-1.0, -2.0, -2.0, -9.0])) == 3
    assert midrank(-2.0, np.zeros(0)) == 1


@given(st.lists(st.integers(-4, 4), max_size=30), st.integers(-5, 5))
def test_midrank_is_the_mean_of_all_places(others: list[int], true: int) -> None:
    """The slow twin: the mean place of all that are equal in the sorted list."""
    ordered = sorted([*others, true], reverse=True)
    places = [i for i, value in enumerate(ordered, start=1) if value == true]
    assert midrank(float(true), np.array(others, dtype=np.float64)) == sum(places) / len(places)


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=40), st.floats(-60, 10))
def test_sampled_exposure_has_a_ceiling(others: list[float], true: float) -> None:
    """The exposure among n candidates lies in 0..log2(n + 1), and a more probable secret is never less exposed."""
    candidates = np.array(others)
    found = sampled_exposure(true, candidates)
    assert -1e-12 <= found <= math.log2(len(others) + 1) + 1e-12
    assert sampled_exposure(true + 1, candidates) >= found


def test_chance_has_little_exposure() -> None:
    """A secret that is drawn as its candidates are is at least b bits exposed with probability 2^-b."""
    rng = np.random.default_rng(0)
    found = np.array([sampled_exposure(*_split(rng.normal(size=64))) for _ in range(4000)])
    for bits in (1, 2, 3):
        assert (found >= bits).mean() == pytest.approx(2.0**-bits, abs=0.03)


def _split(values: np.ndarray) -> tuple[float, np.ndarray]:
    return float(values[0]), values[1:]


# The tail


@pytest.mark.parametrize("z", [3.0, 0.0, -0.5, -3.0, -10.0, -40.0, -400.0])
def test_tail_in_closed_form(z: float) -> None:
    """Skew 0 is the normal, skew 1 the larger and skew -1 the smaller of two normals, far beyond the least float."""
    log_phi = special.log_ndtr(z)
    assert log_skewnormal_cdf(z, 0) == pytest.approx(log_phi, rel=1e-9, abs=1e-12)
    assert log_skewnormal_cdf(z, 1) == pytest.approx(2 * log_phi, rel=1e-9, abs=1e-12)
    smaller = log_phi + math.log1p(math.exp(special.log_ndtr(-z)))
    assert log_skewnormal_cdf(z, -1) == pytest.approx(smaller, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("z", "skew"), [(-6.0, 3.0), (-2.0, 20.0), (-0.05, 60.0), (0.0, 2000.0), (-30.0, -7.0), (-8.0, 0.5), (1e-4, 5000.0)]
)
def test_tail_by_slices(z: float, skew: float) -> None:
    """Every tail agrees with the sum over a million slices of it, added up in logarithms."""
    down = np.geomspace(1e-14, 60, 10**6)
    width, middle = np.diff(down), (down[1:] + down[:-1]) / 2
    twin = special.logsumexp(scipy_stats.skewnorm.logpdf(z - middle, skew) + np.log(width))
    assert log_skewnormal_cdf(z, skew) == pytest.approx(twin, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.floats(-60, 5), st.floats(-60, 5), st.floats(-30, 30))
def test_tail_rises(a: float, b: float, skew: float) -> None:
    """A distribution function does not fall and is at most 1."""
    low, high = sorted((a, b))
    assert log_skewnormal_cdf(low, skew) <= log_skewnormal_cdf(high, skew) + 1e-9
    assert log_skewnormal_cdf(high, skew) <= 0


# Beyond the candidates


def test_extrapolation_finds_the_law() -> None:
    """For candidates of a known skew-normal, the bits of a secret far beyond them are near the true ones."""
    rng = np.random.default_rng(3)
    law = scipy_stats.skewnorm(3.0, loc=20.0, scale=4.0)
    candidates = -law.rvs(20000, random_state=rng)
    for true in (-19.0, -17.5, -16.0):
        found = extrapolated_exposure(true, candidates)
        assert found is not None
        truth = -log_skewnormal_cdf((-true - 20) / 4, 3.0) / math.log(2)
        assert found.bits == pytest.approx(truth, rel=0.15)
        assert found.ks_p > 0.01


def test_extrapolation_does_not_underflow() -> None:
    """A secret that stands out by 80 standard deviations has thousands of bits, not 0."""
    candidates = np.random.default_rng(0).normal(-1000, 10, 256)
    found = extrapolated_exposure(-200.0, candidates)
    assert found is not None
    assert 1000 < found.bits < 20000
    assert math.isfinite(found.bits)


def test_extrapolation_meets_the_sample() -> None:
    """Inside the candidates' range the fitted curve says what their ranks say."""
    candidates = np.random.default_rng(1).normal(-30, 2, 4000)
    for true in (-31.0, -30.0, -28.0, -26.5):
        found = extrapolated_exposure(true, candidates)
        assert found is not None
        assert found.bits == pytest.approx(sampled_exposure(true, candidates), abs=0.25)


def test_a_curve_that_does_not_fit_is_told() -> None:
    """Two far heaps of candidates are no skew-normal, and the test says so."""
    rng = np.random.default_rng(2)
    heaps = np.concatenate([rng.normal(-60, 1, 200), rng.normal(-20, 1, 200)])
    found = extrapolated_exposure(-10.0, heaps)
    assert found is not None
    assert found.ks_p < 1e-6


@settings(deadline=None, max_examples=10)
@given(st.floats(0.01, 1000), st.floats(-500, 500))
def test_units_do_not_matter(scale: float, shift: float) -> None:
    """Stretching or shifting all log-probabilities leaves the bits."""
    candidates = np.random.default_rng(5).normal(-30, 2, 64)
    first = extrapolated_exposure(-20.0, candidates)
    second = extrapolated_exposure(-20.0 * scale + shift, candidates * scale + shift)
    assert first is not None
    assert second is not None
    assert second.bits == pytest.approx(first.bits, rel=1e-3)


@pytest.mark.parametrize("candidates", [[], [-3.0] * 7, [-3.0] * 100])
def test_nothing_to_fit(candidates: list[float]) -> None:
    """Few candidates, or candidates that do not differ, give no curve."""
    assert extrapolated_exposure(-1.0, np.array(candidates)) is None
