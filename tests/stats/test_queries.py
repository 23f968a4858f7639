"""From one query to many (arXiv:2410.19482)."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import stats


@pytest.mark.parametrize(("p_z", "p", "n"), [(0.01, 0.5, 69), (1e-4, 0.1, 1054), (0.5, 0.5, 1), (1.0, 0.9, 1)])
def test_queries_by_hand(p_z, p, n):
    assert stats.queries_needed(np.log([p_z]), p).tolist() == [n]


@given(p_z=st.integers(1, 999), p=st.integers(1, 99))
def test_queries_are_the_smallest_number_that_reaches_the_chance(p_z, p):
    """By exact fractions: n reaches p, n - 1 does not."""
    missed, wanted = 1 - Fraction(p_z, 1000), Fraction(p, 100)
    (n,) = stats.queries_needed(np.log([p_z / 1000]), p / 100)
    assert 1 - missed ** int(n) >= wanted
    assert n == 1 or 1 - missed ** int(n - 1) < wanted


def test_tiny_and_impossible_chances():
    """n is about -ln(1 - p) / p_z where p_z is too small for 1 - p_z, and never where it is 0."""
    tiny, never = stats.queries_needed(np.array([math.log(1e-15), -np.inf]), 0.5)
    assert tiny == pytest.approx(math.log(2) * 1e15)
    assert never == np.inf


@given(p_z=st.floats(1e-9, 1), n=st.integers(1, 10**6))
def test_chance_is_that_of_independent_queries(p_z, n):
    (found,) = stats.chance_within(np.log([p_z]), n)
    exact = 1 - (1 - Fraction(p_z)) ** n if n < 50 else 1 - math.exp(n * math.log1p(-p_z)) if p_z < 1 else 1
    assert found == pytest.approx(float(exact), rel=1e-6, abs=1e-12)


def test_chance_at_the_ends():
    """Certain stays certain, impossible stays impossible, and a tiny chance adds up."""
    found = stats.chance_within(np.array([0.0, -np.inf, -700.0]), 10**6)
    assert found.tolist()[:2] == [1.0, 0.0]
    assert found[2] == pytest.approx(1e6 * math.exp(-700.0))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_chance_of_none_or_all_is_refused(p):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        stats.queries_needed(np.zeros(1), p)
