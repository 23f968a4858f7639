"""Sensitive values in tokens, the value that is most frequent elsewhere, and the values to rank one among."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from mnemoscope import extraction
from mnemoscope.records import Record, Span
from mnemoscope.traces import Traces


def traces_of(char_ends, gaps=None, logprobs=None, tokens=None):
    """Traces with these ends of tokens, one list a record; gaps and log-probabilities are 0 where none are given."""
    lengths = [len(ends) for ends in char_ends]
    zeros = [[0.0] * n for n in lengths]
    columns = {"char_end": char_ends, "gap": gaps or zeros, "logprob": logprobs or zeros, "token_id": tokens or zeros}
    return Traces(
        ids=tuple(f"r{i}" for i in range(len(lengths))),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        columns={name: np.array([x for row in rows for x in row], dtype=np.float32) for name, rows in columns.items()},
        text_bytes=np.zeros(len(lengths), dtype=np.int64),
        zlib_bytes=np.zeros(len(lengths), dtype=np.int64),
    )


def record_of(i, values, *, group=None, role="member", sep=" "):
    """Record r`i` whose text is these (type, value) pairs one after another, each a span."""
    text, spans = "", []
    for kind, value in values:
        text += sep * bool(text)
        spans.append(Span(len(text), len(text) + len(value), kind))
        text += value
    return Record(f"r{i}", text, group or f"r{i}", role, "train", tuple(spans))


# "took aspirin, 20 mg", cut as a tokenizer does that draws the blank into the word after it
WORDS = [4, 8, 12, 13, 16, 19]  # took| asp|irin|,| 20| mg


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (5, 12, (1, 3)),  # aspirin begins inside " asp"
        (0, 4, (0, 1)),  # the first token of all
        (14, 16, (4, 5)),
        (14, 19, (4, 6)),
        (5, 8, (1, 2)),  # asp
        (6, 11, (1, 3)),  # spiri begins and ends inside tokens
        (5, 13, (1, 4)),
        (0, 19, (0, 6)),
    ],
)
def test_places_by_hand(start, end, expected):
    """The tokens that hold a character of the value, the one with the blank before it among them."""
    assert extraction.span_tokens(traces_of([WORDS]), 0, Span(start, end, "drug")) == expected


def test_a_character_of_several_tokens():
    """All tokens of a character belong to a value that begins or ends with it, and none of the character before it."""
    traces = traces_of([[0, 1, 2, 2, 3, 5], [0, 0, 1, 1, 2]])
    # record 0, "éa–b c" with two tokens for é, two for –: é is complete after token 1, – after token 4
    assert extraction.span_tokens(traces, 0, Span(0, 1, "x")) == (0, 2)
    assert extraction.span_tokens(traces, 0, Span(1, 2, "x")) == (2, 3)
    assert extraction.span_tokens(traces, 0, Span(2, 3, "x")) == (3, 5)
    assert extraction.span_tokens(traces, 0, Span(1, 4, "x")) == (2, 6)
    # record 1, a character of three tokens and one of two
    assert extraction.span_tokens(traces, 1, Span(0, 1, "x")) == (0, 3)
    assert extraction.span_tokens(traces, 1, Span(1, 2, "x")) == (3, 5)


def test_a_value_past_the_end_is_left_out():
    """A record that was cut in or before a value does not hold it, and its last whole value still counts."""
    traces = traces_of([WORDS, []])
    assert extraction.span_tokens(traces, 0, Span(17, 20, "x")) is None
    assert extraction.span_tokens(traces, 0, Span(20, 25, "x")) is None
    assert extraction.span_tokens(traces, 0, Span(17, 19, "x")) == (5, 6)
    assert extraction.span_tokens(traces, 1, Span(0, 1, "x")) is None


@given(st.text(alphabet="ab é–𝄞", min_size=1, max_size=12), st.data())
def test_places_of_any_text(text, data):
    """Whatever way its bytes are cut, the tokens of a value are those that hold a byte of it.

    But a token that ends the character before it and holds some bytes of the value's first one looks in a trace just
    like one that ends there, so it is not counted.
    """
    owner = [i for i, sign in enumerate(text) for _ in sign.encode()]
    cuts = data.draw(st.sets(st.integers(1, len(owner))).map(lambda found: sorted(found | {len(owner)})))
    tokens = [owner[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
    char_end = [len(text) if b == len(owner) else owner[b] for b in cuts]
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    holding = [t for t, held in enumerate(tokens) if any(start <= i < end for i in held)]
    first = tokens[holding[0]]
    if first[0] < start and char_end[holding[0]] == start:
        holding = holding[1:]
    found = extraction.span_tokens(traces_of([char_end]), 0, Span(start, end, "x"))
    assert found == (holding[0], holding[-1] + 1)


def test_leaks_by_hand():
    """Greedy only where every gap is at least 0, sums over the value's tokens alone, and one row a value in order."""
    text = "took aspirin, 20 mg"
    spans = (Span(5, 12, "drug"), Span(14, 19, "dose"), Span(17, 25, "dose"))
    records = [Record("r0", text + " daily", "g", "member", "train", spans)]
    logprobs = [[-9.0, -0.5, -0.25, -9.0, -1.0, -2.0]]
    target = traces_of([WORDS], [[-1.0, 0.0, 3.0, -1.0, 2.0, -0.1]], logprobs)
    reference = traces_of([WORDS], [[1.0, -1.0, 3.0, -1.0, 2.0, 0.1]], [[-9.0, -2.0, -1.5, -9.0, -1.0, -4.0]])
    drug, dose = extraction.span_leaks(target, reference, records)
    assert (drug.start, drug.end, drug.type, drug.tokens) == (5, 12, "drug", 2)
    assert (dose.start, dose.end, dose.type, dose.tokens) == (14, 19, "dose", 2)
    assert (drug.greedy, drug.greedy_reference) == (True, False)
    assert (dose.greedy, dose.greedy_reference) == (False, True)
    assert (drug.logprob, drug.logprob_reference) == (-0.75, -3.5)
    assert (dose.logprob, dose.logprob_reference) == (-3.0, -5.0)
    assert {leak.rank for leak in (drug, dose)} == {leak.candidates for leak in (drug, dose)} == {None}


def test_leaks_of_other_records_are_refused():
    """Records that do not follow the traces, and two traces over other tokens, are a fault."""
    records = [record_of(0, [("drug", "aspirin")])]
    with pytest.raises(ValueError, match="follow"):
        extraction.span_leaks(traces_of([[7], [7]]), traces_of([[7], [7]]), records)
    with pytest.raises(ValueError, match="tokens"):
        extraction.span_leaks(traces_of([[7]], tokens=[[3.0]]), traces_of([[7]], tokens=[[4.0]]), records)


def test_leaks_know_the_majority():
    """A value is the majority's where other groups' members have it most often: its own group does not count."""
    records = [
        record_of(0, [("drug", "Aspirin")], group="a"),
        record_of(1, [("drug", "aspirin")], group="a"),
        record_of(2, [("drug", "aspirin")], group="a"),
        record_of(3, [("drug", "lithium")], group="b"),
        record_of(4, [("drug", "lithium")], group="c"),
        record_of(5, [("drug", "aspirin")], group="d", role="nonmember"),
        record_of(6, [("drug", "lithium")], group="e", role="nonmember"),
    ]
    traces = traces_of([[7]] * 7)
    # group a sees lithium twice; b and c see aspirin three times to one; so do d and e, 3 to 2
    assert [leak.majority for leak in extraction.span_leaks(traces, traces, records)] == [
        False, False, False, False, False, True, False,
    ]  # fmt: skip


def test_majority_by_hand():
    """Counts of members, case and blanks aside; ties go by alphabet; where no other group has a value there is none."""
    records = [
        record_of(0, [("sex", "Female"), ("age", "47")], group="a"),
        record_of(1, [("sex", "male"), ("race", "x\n y")], group="b"),
        record_of(2, [("sex", "MALE"), ("race", "X y")], group="c", role="nonmember"),
    ]
    found = extraction.majority_values(records)
    assert found == {("sex", "a"): "male", ("sex", "b"): "female", ("sex", "c"): "female", ("race", "c"): "x y"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(["member", "nonmember"]), st.sampled_from(["age", "drug"]),
            st.sampled_from(["one", "One", "two", "three  ", "three", "four"]),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_majority_is_its_slow_twin(rows):
    """For each group all members of the others are counted anew."""
    records = [
        record_of(i, [(kind, value)], group=group, role=role) for i, (group, role, kind, value) in enumerate(rows)
    ]
    expected = {}
    for own, _, kind, _ in rows:
        others = Counter(
            " ".join(value.split()).casefold()
            for group, role, other, value in rows
            if group != own and role == "member" and other == kind
        )
        if others:
            most = max(others.values())
            expected[kind, own] = min(value for value, n in others.items() if n == most)
    assert extraction.majority_values(records) == expected


def test_values_are_of_members_and_others():
    """Different values of a type, whoever has them, each as it is spelled most often and sorted."""
    records = [
        record_of(0, [("drug", "Lithium"), ("drug", "lithium")]),
        record_of(1, [("drug", "lithium"), ("age", "47")], role="nonmember"),
        record_of(2, [("drug", "Aspirin")], role="nonmember"),
    ]
    assert extraction.type_values(records) == {"age": ("47",), "drug": ("Aspirin", "lithium")}
    assert extraction.type_values(records[::-1]) == extraction.type_values(records)


def test_candidates():
    """The true value first, once and as it is spelled there, then others without repeats, n at most; seeds decide."""
    values = ("aspirin", "Lithium", "morphine", "warfarin", "heparin")
    found = extraction.candidates(values, "lithium", 3, np.random.default_rng(1))
    assert found[0] == "lithium"
    assert len(found) == len(set(found)) == 3
    assert "Lithium" not in found
    assert found == extraction.candidates(values, "lithium", 3, np.random.default_rng(1))
    draws = {tuple(extraction.candidates(values, "lithium", 3, np.random.default_rng(i))) for i in range(60)}
    assert len(draws) == 6  # every pair of the four others
    everything = extraction.candidates(values, "lithium", 99, np.random.default_rng(1))
    assert sorted(everything) == ["aspirin", "heparin", "lithium", "morphine", "warfarin"]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_the_place_is_the_midrank(scores):
    """The place of the first score among all is scipy's average rank from the top."""
    found = extraction.midrank(np.array(scores, dtype=np.float64))
    assert found == rankdata([-score for score in scores])[0]
