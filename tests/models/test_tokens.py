"""Token ids and the place of every token in its text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemoscope import models

texts = st.one_of(
    st.text(min_size=1, max_size=30),
    st.text(st.sampled_from("a é\u0301ö😀👩🏽‍⚕️שלוםمرحبا漢\u200b\n\t"), min_size=1, max_size=20),
    st.sampled_from(
        ["👨‍👩‍👧‍👦", "e\u0301\u0323", "مرحبا بالعالم", "שָׁלוֹם", " ", "  a  ", "a</s>b<s>", "\x00", "\U0010ffff"]
    ),
)


@given(st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_places_in_any_text(opened, records, given_texts):
    """Character ends never fall, end at the end of the text, and count a character with its last byte."""
    lm = opened()
    tokens = models.tokenize(lm, records(given_texts), max_tokens=500)
    assert tokens.lengths.tolist() == [len(ids) for ids in tokens.ids]
    for text, ids, ends in zip(given_texts, tokens.ids, tokens.char_ends, strict=True):
        assert len(ends) == len(ids)
        assert np.all(np.diff(ends) >= 0)
        assert ends[-1] == len(text)
        assert models.decode(lm, ids) == text
        if "<" not in text:  # one token a byte
            assert ends.tolist() == [len(text.encode()[: n + 1].decode(errors="ignore")) for n in range(len(ids))]


def test_a_shared_character_counts_with_its_last_token(opened, records):
    """A character of several tokens is complete with the last of them."""
    tokens = models.tokenize(opened(), records(["a😀b"]), max_tokens=500)
    assert tokens.char_ends[0].tolist() == [1, 1, 1, 1, 2, 3]


@pytest.mark.parametrize(("limit", "end"), [(2, 2), (3, 2), (4, 2), (5, 3), (6, 4), (7, 4), (8, 4), (9, 5)])
def test_a_cut_character_is_not_complete(opened, records, limit, end):
    """A character whose last bytes were cut off does not count as read."""
    tokens = models.tokenize(opened(), records(["xy€z…"]), max_tokens=limit)  # bytes: 1 1 3 1 3
    assert (tokens.lengths[0], tokens.char_ends[0][-1]) == (limit, end)


def test_truncation_is_counted(opened, records):
    """Records longer than the limit or the model's context lose their end and are counted; byte counts are whole."""
    lm = opened()
    tokens = models.tokenize(lm, records(["a" * 5, "b" * 6, "c" * 7, "d" * 900]), max_tokens=6)
    assert (tokens.lengths.tolist(), tokens.truncated) == ([5, 6, 6, 6], 2)
    assert tokens.text_bytes.tolist() == [5, 6, 7, 900]
    assert tokens.total == 23
    tokens = models.tokenize(lm, records(["a" * 511, "b" * 512]), max_tokens=4000)
    assert (tokens.lengths.tolist(), tokens.truncated) == ([511, 511], 1)  # a context of 512 holds the start token too


def test_no_token_is_added(opened, records):
    """Ids are those of the text alone; the start token is put before them where it is needed."""
    lm = opened()
    tokens = models.tokenize(lm, records(["ab"]), max_tokens=9)
    assert tokens.ids[0].tolist() == lm.tokenizer("ab", add_special_tokens=False)["input_ids"]
    assert lm.start_id not in tokens.ids[0]
    assert tokens.ids[0].dtype == np.int32


def test_rows_are_taken_in_order(opened, records):
    """Taken rows come in the given order, as often as they are named."""
    tokens = models.tokenize(opened(), records(["a", "bcd", "ef"]), max_tokens=9)
    taken = tokens.take([2, 0, 2])
    assert taken.record_ids == ("r2", "r0", "r2")
    assert taken.lengths.tolist() == [2, 1, 2]
    assert taken.text_bytes.tolist() == [2, 1, 2]
    assert taken.char_ends[0].tolist() == [1, 2]
    assert len(tokens.take([])) == 0
