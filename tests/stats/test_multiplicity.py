"""Holm's correction."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.records import Estimate
from mnemoscope.stats import holm
from mnemoscope.stats.multiplicity import holm_adjusted


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


@given(st.lists(st.none() | st.sampled_from([0.0, 0.01, 0.5, 1.0]) | st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    """The slow twin: a question is answered once Bonferroni answers every set of questions that it is one of."""
    asked = [row for row, p in enumerate(p_values) if p is not None]
    sets = [one for size in range(1, len(asked) + 1) for one in combinations(asked, size)]
    for row, adjusted in enumerate(holm_adjusted(p_values)):
        worst = [min(1.0, len(one) * min(p_values[i] for i in one)) for one in sets if row in one]
        assert adjusted == (pytest.approx(max(worst)) if worst else None)
