"""Holm's correction."""

from __future__ import annotations

import pytest

from mnemoscope.records import Estimate
from mnemoscope.stats import holm


def estimate(p):
    return Estimate("x", 0.5, None, None, 0.95, "", p_value=p)


def test_holm_by_hand():
    """The smallest of k p-values is multiplied by k, the next by k - 1, and none falls below one before it."""
    # sorted .01 .03 .04: .03, .06, max(.06, .04) = .06
    found = holm([estimate(p) for p in (0.01, 0.04, 0.03)])
    assert [one.p_adjusted for one in found] == pytest.approx([0.03, 0.06, 0.06])
    assert [one.p_value for one in found] == [0.01, 0.04, 0.03]


def test_an_estimate_without_p_is_no_question():
    """It stays as it is and does not make the others' correction harder."""
    found = holm([estimate(0.01), estimate(None), estimate(0.5)])
    assert [one.p_adjusted for one in found] == pytest.approx([0.02, None, 0.5])
    assert holm([estimate(None)]) == [estimate(None)]
    assert holm([]) == []
