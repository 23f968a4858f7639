"""n-gram overlap: with members of other groups, counted by hand and by a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.data.overlap import words
from mnemoscope.records import Record, Role


def record(name: str, text: str, group: str, role: Role = "member") -> Record:
    return Record(name, text, group, role, "train" if role != "nonmember" else "evaluation")


def test_worked() -> None:
    """Of the bigrams AB BC CD, a member of another group has AB and CD; one's own group and non-members have BC."""
    records = [
        record("x", "A, b c D.", "g", "nonmember"),
        record("y", "a b z c d", "h"),
        record("z", "b c", "g"),
        record("w", "b c", "i", "nonmember"),
        record("short", "a", "j"),
    ]
    shares = data.overlap(records, 2)
    assert shares[0] == pytest.approx(2 / 3)
    assert shares[1] == 0  # nobody else's member has any of its bigrams
    assert shares[2] == 0
    assert shares[3] == 1  # "b c" of group g
    assert shares.mask.tolist() == [False, False, False, False, True]


def test_default_is_seven_words() -> None:
    """Six words are too few; seven that are somebody else's are all overlap."""
    seven = "a b c d e f g"
    shares = data.overlap([record("x", seven, "g"), record("y", seven, "h"), record("z", seven[:-2], "i")])
    assert shares.tolist() == [1, 1, None]


def test_repeats_count() -> None:
    """A bigram that stands twice counts twice: AA AA AB against AA gives two thirds."""
    shares = data.overlap([record("x", "a a a b", "g", "nonmember"), record("y", "a a", "h")], 2)
    assert shares[0] == pytest.approx(2 / 3)


def test_excluded_records_are_nobodys_training_text() -> None:
    """What was overwritten was not trained on."""
    records = [record("x", "a b", "g", "nonmember"), record("y", "a b", "h", "excluded")]
    assert data.overlap(records, 2)[0] == 0


ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("ab"), max_size=6).map(" ".join),
        st.sampled_from("ghi"),
        st.sampled_from(("member", "nonmember", "excluded")),
    ),
    max_size=8,
)


@given(rows=ROWS, n=st.integers(1, 3))
def test_slow_twin(rows: list[tuple[str, str, Role]], n: int) -> None:
    """The same as looking every n-gram up in every other record."""
    records = [record(f"r{i}", text, group, role) for i, (text, group, role) in enumerate(rows)]
    shares = data.overlap(records, n)
    assert len(shares) == len(records)
    for one, share in zip(records, shares, strict=True):
        padded = [f" {other.text} " for other in records if other.role == "member" and other.group != one.group]
        own = one.text.split()
        found = [" ".join(own[i : i + n]) for i in range(len(own) - n + 1)]
        expected = np.mean([any(f" {gram} " in text for text in padded) for gram in found]) if found else None
        assert share is np.ma.masked if expected is None else share == pytest.approx(expected)


def test_words() -> None:
    """Words are folded runs of letters and digits."""
    assert words("Naïve ﬁbre—2003, 5.5mg/ml\n") == ["naïve", "fibre", "2003", "5", "5mg", "ml"]
    assert words("…") == []


def test_refusal() -> None:
    """An n-gram of no words is refused."""
    with pytest.raises(ValueError, match="1 or more"):
        data.overlap([], 0)
