"""Runs of tokens that a query shares with many texts, against searches that look everywhere."""

from __future__ import annotations

from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from mnemoscope.extraction import NgramIndex, Run, index, similarity

few = st.lists(st.integers(0, 3), max_size=12)
corpora = st.lists(few, max_size=6)
sizes = st.integers(1, 4)


def array(ids):
    """Token ids as they come from a tokenizer."""
    return np.array(ids, dtype=np.int32)


def made(texts, n):
    """The index of these lists of ids."""
    return NgramIndex([array(text) for text in texts], n)


def slow_longest(texts, query, n):
    """The slow twin: every start in the query, every text, every start in it; only a longer one replaces."""
    best = Run(-1, 0, 0, 0)
    for start in range(len(query)):
        for row, text in enumerate(texts):
            for at in range(len(text)):
                length = 0
                while query[start + length : start + length + 1] == text[at + length : at + length + 1] != []:
                    length += 1
                if length >= n and length > best.length:
                    best = Run(row, length, start, at)
    return best


def windows(ids, n):
    """The distinct n-grams."""
    return {tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)}


def slow_candidates(texts, query, n, k):
    """The slow twin: rows by the n-grams that they have in common with the query."""
    shared = [len(windows(text, n) & windows(query, n)) for text in texts]
    return sorted((row for row, count in enumerate(shared) if count), key=lambda row: (-shared[row], row))[:k]


def test_runs_by_hand():
    """The longest run is found with its places; of equal ones that which comes first in the query, then by row."""
    found = made([[7, 8, 9], [], [1, 2, 3, 4, 5], [5, 6, 1, 2, 3, 4]], 3)
    assert found.longest(array([9, 1, 2, 3, 4, 6])) == Run(row=2, length=4, query_start=1, text_start=0)
    assert found.longest(array([1, 2, 3, 7, 8, 9])) == Run(row=2, length=3, query_start=0, text_start=0)
    assert found.longest(array([7, 8, 9, 1, 2, 3])) == Run(row=0, length=3, query_start=0, text_start=0)
    assert found.longest(array([9, 1, 2, 9])) == Run(row=-1, length=0, query_start=0, text_start=0)


def test_a_repeat_in_the_query_counts_once():
    """Both texts share one pair of tokens with the query, however often the query has it: the row decides."""
    assert made([[2, 1], [1, 2]], 2).candidates(array([1, 2, 1, 2])) == [0, 1]


def test_a_run_does_not_cross_from_text_to_text():
    """Tokens that only stand side by side in memory are no run, for windows of one token too."""
    for n in (1, 2, 3):
        assert made([[1, 2, 3], [4, 5, 6]], n).longest(array([1, 2, 3, 4, 5, 6])) == Run(0, 3, 0, 0)


@given(corpora, few, sizes)
def test_longest_is_the_search_everywhere(texts, query, n):
    """Row, length and both places are those of a search everywhere; the length is that of difflib."""
    found = made(texts, n).longest(array(query))
    assert found == slow_longest(texts, query, n)
    runs = [SequenceMatcher(None, query, text, autojunk=False).find_longest_match().size for text in texts]
    assert found.length == max([run for run in runs if run >= n], default=0)


@given(corpora, few, sizes, st.integers(0, 2), st.data())
def test_a_skipped_group_is_not_there(texts, query, n, skip, data):
    """Skipping a group gives what an index would give whose texts of that group are empty."""
    groups = data.draw(st.lists(st.integers(0, 2), min_size=len(texts), max_size=len(texts)))
    without = [[] if group == skip else text for group, text in zip(groups, texts, strict=True)]
    found = made(texts, n).longest(array(query), groups=np.array(groups, dtype=np.int64), skip=skip)
    assert found == slow_longest(without, query, n)


@given(corpora, few, sizes, st.integers(0, 4))
def test_candidates_are_the_rows_with_most_common_ngrams(texts, query, n, k):
    """Repeats count once, ties go by row, and a text with nothing in common is no candidate."""
    assert made(texts, n).candidates(array(query), k) == slow_candidates(texts, query, n, k)


@pytest.mark.parametrize("base", [0, 1])
@given(texts=corpora, query=few, n=sizes)
@settings(max_examples=40)
def test_colliding_hashes_are_told_apart(base, texts, query, n):
    """With a hash that is the last token alone, or the sum of all, the answers stay the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "BASE", np.uint64(base))
        found = made(texts, n)
        assert found.longest(array(query)) == slow_longest(texts, query, n)
        assert found.candidates(array(query)) == slow_candidates(texts, query, n, 5)


def test_large_ids_and_long_texts():
    """A planted passage is found among many texts of a large vocabulary, at its place."""
    draw = np.random.default_rng(0)
    texts = [draw.integers(0, 150_000, n).astype(np.int32) for n in draw.integers(0, 200, 400)]
    longest = max(range(400), key=lambda row: len(texts[row]))
    query = draw.integers(0, 150_000, 300).astype(np.int32)
    query[100:150] = texts[longest][20:70]
    found = NgramIndex(texts)
    assert found.longest(query) == Run(longest, 50, 100, 20)
    assert found.candidates(query) == [longest]


def test_what_cannot_be_asked():
    """A window of no tokens, and a group to skip where the groups are not known."""
    with pytest.raises(ValueError, match="n=0"):
        made([[1]], 0)
    for groups in (None, np.zeros(1, np.int64)):
        with pytest.raises(ValueError, match="the group of every text"):
            made([[1, 2], [3]], 1).longest(array([1]), groups=groups, skip=0)


def test_similarity_by_hand():
    """Edits over the length of the text, wherever its copy stands; nothing is like nothing."""
    assert similarity("20 mg daily", "he took 20 mg daily, then more") == 1.0
    assert similarity("20 mg daily", "he took 25 mg daily, then more") == pytest.approx(1 - 1 / 11)
    assert similarity("abcd", "ab") == pytest.approx(0.5)  # two characters are missing
    assert similarity("abcd", "wxyz wxyz") == 0.0
    assert similarity("", "abc") == similarity("abc", "") == similarity("", "") == 0.0


letters = st.text("ab ", max_size=90)


@given(letters.filter(bool), letters, letters)
def test_a_whole_copy_is_similarity_one(text, before, after):
    """A text is found wherever it stands, also beyond the 64 characters of a machine word."""
    assert similarity(text, before + text + after) == 1.0


@given(st.text("abc", min_size=1, max_size=12), st.text("abc", max_size=24))
def test_similarity_is_that_of_a_part(text, generated):
    """It is one of the parts' similarities, and the nearest one's but for the factor 2 between the two distances."""
    n = len(text)
    parts = [generated[max(0, i) : i + n] for i in range(1 - n, len(generated))] if len(generated) > n else [generated]
    told = [Levenshtein.normalized_similarity(text, part) for part in parts]
    found = similarity(text, generated)
    assert 0 <= found <= 1
    if generated:
        assert any(found == pytest.approx(one) for one in told)
        assert 1 - found <= 2 * (1 - max(told)) + 1e-12
