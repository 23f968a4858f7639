"""Intervals of cross-fitted attacks are wider by what the shared fits add."""

from __future__ import annotations

import pytest

from mnemoscope.records import Estimate
from mnemoscope.stats.crossfit import WIDER, widened


def estimate(value, low, high, p=None):
    return Estimate("x", value, low, high, 0.95, "DeLong", p_value=p)


def test_by_hand():
    """Five folds: half as wide again on both sides; z = 1.96 becomes 1.307, p = .191."""
    found = widened(estimate(0.6, 0.56, 0.62, p=0.05))
    assert WIDER == 1.5
    assert (found.low, found.high) == pytest.approx((0.54, 0.63))
    assert found.p_value == pytest.approx(0.1913, abs=1e-4)
    assert found.value == 0.6
    assert "cross-fitting" in found.method


@pytest.mark.parametrize(
    ("given", "lowest", "ends"),
    [
        ((0.98, 0.9, 0.99), 0, (0.86, 0.995)),
        ((1.0, 0.9, 1.0), 0, (0.85, 1.0)),
        ((0.03, 0.01, 0.05), -1, (0.0, 0.06)),
        ((0.03, 0.005, 0.05), -1, (-0.0075, 0.06)),
        ((-0.9, -0.99, -0.8), -1, (-1.0, -0.75)),
    ],
)
def test_ends_stay_where_they_can_be(given, lowest, ends):
    """An AUC stays in 0..1, a difference in -1..1, and a small difference may turn out to be none."""
    found = widened(estimate(*given), lowest=lowest)
    assert (found.low, found.high) == pytest.approx(ends)


def test_what_has_no_interval_stays_as_it_is():
    """A missing interval has nothing to widen, and no p-value is made up."""
    assert widened(estimate(None, None, None)) == estimate(None, None, None)
    assert widened(estimate(0.6, 0.5, 0.7)).p_value is None


def test_certainty_is_kept_finite():
    """A p-value of 0 stays 0."""
    assert widened(estimate(0.9, 0.88, 0.92, p=0.0)).p_value == 0.0
