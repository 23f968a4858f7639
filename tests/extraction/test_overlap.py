"""How much of a suffix comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.extraction import leading_match, ngram_share, ngram_share_paper

tokens = st.lists(st.integers(0, 3), max_size=14)


def slow_longest(a, b):
    """The slow twin: every pair of starting points."""
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            k = 0
            while i + k < len(a) and j + k < len(b) and a[i + k] == b[j + k]:
                k += 1
            best = max(best, k)
    return best


def test_shares_by_hand():
    """The share is the longest common run over the suffix length; the published code divides by the prefix length."""
    prefix, generated, suffix = [1, 2, 3, 7, 8], [9, 5, 6, 4], [4, 5, 6, 7, 8, 9]
    # generated against suffix: [5, 6] -> 2 of 6
    assert ngram_share(generated, suffix) == pytest.approx(2 / 6)
    # prefix + generated = 1 2 3 7 8 9 5 6 4: [7, 8, 9] crosses the cut -> 3 of 5
    assert ngram_share_paper(prefix, generated, suffix) == pytest.approx(3 / 5)


def test_a_repeat_inside_the_record_counts_in_the_published_variant_only():
    """A suffix that repeats the prefix scores without any generation in the published variant, and can pass 1."""
    assert ngram_share([], [1, 2]) == 0.0
    assert ngram_share_paper([1, 2], [], [1, 2]) == 1.0
    assert ngram_share_paper([1], [2, 3], [1, 2, 3]) == 3.0


@given(tokens, tokens, tokens)
def test_shares_are_the_brute_force(prefix, generated, suffix):
    """Both shares agree with the brute force, empty sequences included."""
    expected = slow_longest(generated, suffix) / len(suffix) if suffix else 0.0
    assert ngram_share(generated, suffix) == expected
    whole = slow_longest(prefix + generated, suffix) / len(prefix) if prefix else 0.0
    assert ngram_share_paper(prefix, generated, suffix) == whole


def test_frequent_tokens_are_not_dropped():
    """A long text of one token is found whole (the default of difflib would ignore it)."""
    assert ngram_share([9, *[7] * 300], [7] * 300) == 1.0


@given(tokens, tokens)
def test_leading_match_is_the_common_prefix(generated, suffix):
    """The match ends at the first difference or at the shorter end."""
    k = leading_match(generated, suffix)
    assert generated[:k] == suffix[:k]
    assert k == min(len(generated), len(suffix)) or generated[k] != suffix[k]
