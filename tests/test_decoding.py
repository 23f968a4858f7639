"""Decodings and their one spelling."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.decoding import GREEDY, Decoding, closed_form, parse_decoding
from mnemoscope.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "decoding", "label"),
    [
        ("greedy", GREEDY, "greedy"),
        ("t1", Decoding(), "t1"),
        (" T0.70-K40 ", Decoding(0.7, 40), "t0.7-k40"),
        ("t1-k0-p1.0", Decoding(), "t1"),
        ("t1-p0.90", Decoding(1, 0, 0.9), "t1-p0.9"),
        ("t100-k5-p0.5", Decoding(100, 5, 0.5), "t100-k5-p0.5"),
        ("t0.000000001", Decoding(1e-9), "t0.000000001"),
        ("t10to1over20-k40", Decoding(10, 40, 1, 1, 20), "t10to1over20-k40"),
    ],
)
def test_spellings_by_hand(text, decoding, label):
    """A decoding has one label and one column, whatever zeros, blanks and capitals it was asked for with."""
    found = parse_decoding(text)
    assert found == decoding
    assert (found.label, found.column) == (label, f"logprob@{label}")


NUMBERS = st.decimals(min_value="0.000000001", max_value=999_999_999, places=9).map(float)


@given(
    st.builds(Decoding, NUMBERS, st.integers(0, 999_999_999), st.decimals("0.000000001", 1, places=9).map(float)),
    st.none() | st.tuples(NUMBERS, st.integers(1, 999_999_999)),
)
def test_a_label_is_its_decoding(decoding, end):
    """Reading a label gives the decoding it was made from: no two share a label, and none needs an exponent."""
    if end is not None:
        decoding = dataclasses.replace(decoding, end_temperature=end[0], decay_tokens=end[1])
    assert parse_decoding(decoding.label) == decoding


NONSENSE = [
    "",
    "t",
    "1",
    "t-1",
    "t1-k",
    "t1-p",
    "t1-p0.9-k4",
    "t1 k4",
    "t1e3",
    "tnan",
    "t1to2",
    "t1over3",
    "t١",
    "beam",
]
OUT_OF_RANGE = ["t0", "t0-k4", "t1-p0", "t1-p1.5", "t2to0over4", "t2to1over0"]


@pytest.mark.parametrize("text", [*NONSENSE, *OUT_OF_RANGE, "t" + "9" * 5000, "t1-k" + "9" * 5000])
def test_nonsense_is_refused_in_one_line(text):
    """What is no decoding, or has a number out of range, is an error of one line that repeats the wish."""
    with pytest.raises(ConfigError) as caught:
        parse_decoding(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_temperatures_on_a_line():
    """From 10 to 1 over 20 tokens: 10 at first, half-way 5.5, 1 from token 20 on; without an end it stays."""
    falling = parse_decoding("t10to1over20")
    assert [falling.temperature_at(step) for step in (0, 10, 20, 21, 500)] == pytest.approx([10, 5.5, 1, 1, 1])
    assert [parse_decoding("t0.7").temperature_at(step) for step in (0, 9)] == [0.7, 0.7]


@pytest.mark.parametrize(
    ("text", "holds"), [("t1", True), ("t0.2-k40-p0.9", True), ("greedy", False), ("t10to1over20", False)]
)
def test_what_a_trace_holds(text, holds):
    """A trace holds the probabilities of decodings that sample at one temperature; others are refused."""
    assert parse_decoding(text).in_trace == holds
    if holds:
        assert closed_form(text) == parse_decoding(text)
    else:
        with pytest.raises(ConfigError, match="no probability in a trace"):
            closed_form(text)
