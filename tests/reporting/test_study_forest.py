"""The bars of a study's claims: where a value, its intervals and its seeds stand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.reporting.study_forest import ROOM, bars


def claim(value: float | None, *ends: float | None, statistic: str = "difference of AUC", seeds: Any = ()) -> Any:
    """A claim with its value, the ends of both intervals and what each seed said."""
    low, high, seed_low, seed_high = (*ends, None, None, None, None)[:4]
    return {
        "statistic": statistic, "value": value, "low": low, "high": high, "seed_low": seed_low,
        "seed_high": seed_high, "seed_values": tuple(seeds), "n_seeds": len(seeds),
    }  # fmt: skip


def test_by_hand() -> None:
    """From 0 to .4 over 92% of the width, 4% free at either end: .1 stands at 27%, .4 at 96%."""
    (bar,) = bars([claim(0.2, 0.1, 0.3, 0.0, 0.4, seeds=(0.1, 0.3))])
    assert bar == {"zero": 4.0, "value": 50.0, "records": (27.0, 46.0), "over": (4.0, 92.0), "seeds": [27.0, 73.0]}


def test_correlations_have_their_own_scale() -> None:
    """From -1 to 1, whatever was found; a difference of correlations is a difference."""
    kind = "partial Spearman correlation of perplexity and n-gram share"
    found, of_two = bars([claim(0.5, statistic=kind), claim(0.5, statistic=f"difference of {kind}s")])
    assert found is not None
    assert of_two is not None
    assert (found["zero"], found["value"]) == (50.0, 73.0)
    assert (of_two["zero"], of_two["value"]) == (4.0, 96.0)


def test_one_statistic_one_scale() -> None:
    """Claims on one statistic can be compared by eye; one on another leaves them as they are."""
    two = [claim(0.1), claim(-0.3)]
    other = claim(5.0, statistic="difference of mean log-probability")
    assert bars([*two, other])[:2] == bars(two)
    first, second = bars(two)
    assert first is not None
    assert second is not None
    assert first["zero"] == second["zero"] == 73.0


@pytest.mark.parametrize("statistic", ["plateau rank", "R² of nothing"])
def test_no_bar_without_a_meaning_of_zero(statistic: str) -> None:
    """A rank is not held against 0, and what has no value stands nowhere."""
    found = bars([claim(None if "R²" in statistic else 12.0, statistic=statistic)])
    assert found == [None]


def test_a_single_seed_is_no_spread() -> None:
    """The one seed is the value itself."""
    (bar,) = bars([claim(0.2, 0.1, 0.3, seeds=(0.2,))])
    assert bar is not None
    assert bar["seeds"] == []
    assert bar["over"] is None


def test_nothing_but_zero() -> None:
    """A difference of 0 without an interval has a scale without width, and stands where 0 does."""
    (bar,) = bars([claim(0.0)])
    assert bar is not None
    assert bar["zero"] == bar["value"] == 100 * ROOM


numbers = st.floats(-5, 5, allow_nan=False)


@given(st.lists(st.tuples(numbers, numbers, numbers, st.lists(numbers, max_size=5)), min_size=1, max_size=6))
def test_all_stays_on_the_bar_and_in_order(rows: list[tuple[float, float, float, list[float]]]) -> None:
    """Nothing is cut, and what is larger never stands further left."""
    claims = [claim(value, min(ends), max(ends), seeds=seeds) for value, *ends, seeds in rows]
    for one, bar in zip(claims, bars(claims), strict=True):
        assert bar is not None
        left, width = bar["records"]
        places = [bar["zero"], bar["value"], left, left + width, *bar["seeds"]]
        assert all(0 < place < 100 for place in places)
        known = [0.0, one["value"], one["low"], one["high"], *(one["seed_values"] if one["n_seeds"] > 1 else ())]
        ordered = [place for _, place in sorted(zip(known, places, strict=True))]
        assert all(a <= b + 0.11 for a, b in pairwise(ordered))  # rounded to a tenth each
