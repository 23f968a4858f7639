"""The band along a ROC curve: the intervals of the TPR at each FPR, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope import stats
from mnemoscope.seeds import generator
from mnemoscope.stats.bands import FPRS
from mnemoscope.stats.rates import RESOLVED


@pytest.mark.parametrize("fpr", [0.1, 0.34])
def test_the_band_is_the_interval_of_the_rate(clustered, fpr):
    """At any one FPR, with the same draws, it is the interval that `tpr_at_fpr` gives."""
    drawn = clustered(generator(1, "band"), shift=1.0)
    one = stats.tpr_at_fpr(drawn, "x", fpr=fpr, level=0.9, resamples=300, rng=generator(2, "same"))
    band = stats.roc_band(drawn, fprs=[fpr], level=0.9, resamples=300, rng=generator(2, "same"))
    assert (band.low[0], band.high[0]) == (one.low, one.high)
    assert band.level == 0.9


def test_the_band_holds_the_curve_and_rises(clustered):
    """It never leaves the empirical curve outside, stays in 0..1, and has width everywhere below certainty."""
    drawn = clustered(generator(3, "band"), shift=1.5)
    band = stats.roc_band(drawn, resamples=200, rng=generator(4, "band"))
    share = np.array(
        [(drawn.members > np.sort(drawn.nonmembers)[::-1][int(fpr * 240 + 1e-9)]).mean() for fpr in band.fpr]
    )
    assert np.all((band.low <= share) & (share <= band.high))
    assert np.all((band.low >= 0) & (band.high <= 1))
    assert np.all(np.diff(band.low) >= 0)
    assert np.all(np.diff(band.high) >= 0)
    assert np.all(band.high > band.low)


def test_only_resolved_rates_have_a_band(clustered):
    """With 60 held-out groups nothing is said below 2 of 60; with one group, or one class, nothing at all."""
    band = stats.roc_band(clustered(generator(5, "band")), resamples=50, rng=generator(6, "band"))
    assert list(band.fpr) == [fpr for fpr in FPRS if fpr * 60 >= RESOLVED]
    assert stats.roc_band(clustered(generator(5, "band"), groups=(9, 1)), rng=generator(6, "band")) is None


def test_no_band_without_a_class(sample):
    """A class without scored records leaves nothing to draw."""
    assert stats.roc_band(sample([], [1.0, 2.0, 3.0]), rng=generator(6, "band")) is None


def test_the_draw_is_named(clustered):
    """Equal generators give equal bands."""
    drawn = clustered(generator(7, "band"), shift=0.5)
    first, again = (stats.roc_band(drawn, resamples=60, rng=generator(8, "band")) for _ in range(2))
    assert np.array_equal(first.low, again.low)
    assert np.array_equal(first.high, again.high)


def test_perfect_separation_still_has_width(sample):
    """Where every resample finds all members the interval is the exact one on the member groups."""
    band = stats.roc_band(sample(range(100, 140), range(40)), fprs=[0.5], resamples=80, rng=generator(9, "band"))
    assert band.high[0] == 1
    assert band.low[0] == pytest.approx(0.025 ** (1 / 40))


def test_more_groups_narrow_the_band(clustered):
    """Four times the groups: about half the width."""
    few, many = (
        stats.roc_band(
            clustered(generator(n, "band"), groups=(n, n), shift=1), fprs=[0.2], resamples=300, rng=generator(1, "w")
        )
        for n in (60, 240)
    )
    assert 0.3 < (many.high - many.low)[0] / (few.high - few.low)[0] < 0.75
