"""Where a record is cut."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.errors import ConfigError
from mnemoscope.prefixes import cut, parse_prefix


@pytest.mark.parametrize(
    ("n_tokens", "prefix", "expected"),
    [
        (10, "0.5", 5),
        (11, "0.5", 5),  # floor(5.5)
        (3, "0.25", 1),  # floor(.75) = 0, but one token is given at least
        (2, "0.99", 1),
        (100, "0.29", 29),  # 0.29 * 100 = 28.999999999999996 in floats
        (1, "0.5", None),
        (0, "0.5", None),
        (26, "25t", 25),
        (25, "25t", None),
        (0, "1t", None),
    ],
)
def test_cut_by_hand(n_tokens, prefix, expected):
    """A fraction is rounded down to one token at least, a count is taken whole, and both sides need a token."""
    assert cut(n_tokens, prefix) == expected


@given(st.integers(0, 500), st.integers(1, 99))
def test_cut_leaves_both_sides(n_tokens, percent):
    """Every record of two tokens or more can be cut at every fraction, inside the record."""
    k = cut(n_tokens, f"0.{percent:02d}")
    assert (k is None) == (n_tokens < 2)
    if k is not None:
        assert k == max(1, math.floor(n_tokens * percent / 100 + 1e-9))
        assert 1 <= k <= n_tokens - 1


@pytest.mark.parametrize(
    ("text", "label"), [("0.50", "0.5"), (".5", "0.5"), (" 0.25 ", "0.25"), ("025t", "25t"), ("1t", "1t")]
)
def test_label_is_the_one_spelling(text, label):
    """Spellings of one prefix share one label, and the label is its own."""
    assert parse_prefix(text).label == label
    assert parse_prefix(label) == parse_prefix(text)


NONSENSE = ["", "0", "1", "0.0", "1.0", "1.5", "-0.5", "0.5t", "0t", "t", "25", "abc", "5e-1", "1/2", "nan", "٣t"]
ENDLESS = ["9" * 5000, "9" * 5000 + "t", "0." + "9" * 5000]


@pytest.mark.parametrize("text", [*NONSENSE, *ENDLESS])
def test_nonsense_is_refused_in_one_line(text):
    """Anything else is an error of one line that says what is allowed."""
    with pytest.raises(ConfigError, match=r"such as 0\.5, or a number of tokens, such as 25t") as caught:
        parse_prefix(text)
    assert "\n" not in str(caught.value)
