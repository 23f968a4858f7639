"""How near a generated text comes to the suffix."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mnemoscope.extraction import Nearness, Tfidf, compare
from mnemoscope.extraction.discriminators import (
    bleu,
    edit_similarity,
    keyword,
    rouge_l,
    substring_share,
    words,
)
from mnemoscope.records import Generation

PAIRWISE = (substring_share, bleu, edit_similarity, rouge_l)
CORPUS = ["the cat", "the dog", "the cat sat", "a mat"]
TFIDF = Tfidf(CORPUS)

near = st.text("abé .A1", max_size=12)
anything = near | st.text(max_size=8) | st.text(st.characters(categories=["Cs", "Lu", "Nd"]), max_size=4)
sentences = st.lists(st.sampled_from(["the", "cat", "sat", "Mat"]), max_size=8).map(" ".join)


def slow_substring(a, b):
    """Longest common substring by its recurrence: a run that ends here is one longer than the one that ended before."""
    ends = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            ends[i + 1][j + 1] = ends[i][j] + 1 if a[i] == b[j] else 0
    return max(map(max, ends))


def slow_subsequence(a, b):
    """Longest common subsequence by its recurrence."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            best[i + 1][j + 1] = best[i][j] + 1 if a[i] == b[j] else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


def slow_edits(a, b):
    """Levenshtein distance by its recurrence."""
    if not a or not b:
        return len(a) + len(b)
    cost = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            changed = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            cost[i][j] = min(cost[i - 1][j] + 1, cost[i][j - 1] + 1, changed)
    return cost[-1][-1]


def slow_bleu(generated, suffix):
    """BLEU of words between spaces, from its definition: clipped matches, halving for orders without any."""
    ours, true = generated.split(), suffix.split()
    if not set(ours) & set(true):
        return 0.0
    logs, halvings = [], 0
    for n in range(1, min(4, len(ours)) + 1):
        grams, known = (Counter(tuple(side[i : i + n]) for i in range(len(side) - n + 1)) for side in (ours, true))
        matches = sum(min(count, known[gram]) for gram, count in grams.items())
        if not matches:
            halvings += 1
            matches = 0.5**halvings
        logs.append(math.log(matches / (len(ours) - n + 1)))
    brevity = min(0.0, 1 - len(true) / len(ours))
    return math.exp(brevity + sum(logs) / len(logs))


def slow_cosine(generated, suffix, corpus):
    """Cosine of counts times ln((1 + n) / (1 + df)) + 1 over all words there are."""

    def weight(word):
        return math.log((1 + len(corpus)) / (1 + sum(word in words(text) for text in corpus))) + 1

    def vector(text):
        return {word: count * weight(word) for word, count in Counter(words(text)).items()}

    a, b = vector(generated), vector(suffix)
    norms = math.sqrt(sum(x * x for x in a.values()) * sum(x * x for x in b.values()))
    return sum(a[word] * b[word] for word in a.keys() & b.keys()) / norms if norms else 0.0


def test_substring_share_by_hand():
    """ "a rash" (6 characters) is the longest run, the shorter text has 8."""
    assert substring_share("a rash. ", "with a rash on day 3") == pytest.approx(6 / 8)
    assert substring_share("abc", "xyz") == 0.0


def test_bleu_by_hand():
    """Precisions, smoothing and brevity penalty of texts of five words."""
    # 4/5 words, 3/4 pairs, 2/3 triples, 1/2 fours, equal length: their product is 1/5
    assert bleu("the cat sat on mats", "the cat sat on mat") == pytest.approx(0.2**0.25)
    # 4/5 words, 2/4 pairs, no triple: 1/2 of 3, no four: 1/4 of 2
    assert bleu("a b x d e", "a b c d e") == pytest.approx((4 / 5 * 2 / 4 * 1 / 6 * 1 / 8) ** 0.25)
    # all of 1 and 2 words, half as long as the suffix: exp(1 - 4 / 2)
    assert bleu("a b", "a b c d") == pytest.approx(math.exp(-1))
    assert bleu("x y", "a b c d") == 0.0
    assert bleu("A b", "a b") < 1.0


def test_edit_similarity_by_hand():
    """kitten to sitting takes 3 edits, and sitting has 7 letters."""
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_rouge_l_by_hand():
    """ "the cat mat" is the longest subsequence: 2 x 3 of 4 + 6 words; case and punctuation do not count."""
    assert rouge_l("The dog, cat mat!", "the cat sat on the mat") == pytest.approx(6 / 10)
    assert rouge_l("...", "!") == 0.0


def test_tfidf_by_hand():
    """Three words, four texts: "the" stands in three of them, "cat" in two, "zebra" in none."""
    the, cat, zebra = math.log(5 / 4) + 1, math.log(5 / 3) + 1, math.log(5 / 1) + 1
    norm = math.sqrt(the**2 + cat**2)
    found = TFIDF.similarities(["the", "the cat", "the zebra", "zebra"], ["the cat", "CAT the.", "the cat", "cat"])
    expected = [the / norm, 1.0, the**2 / norm / math.sqrt(the**2 + zebra**2), 0.0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_keyword_by_hand():
    """Values are found whatever their case, never inside a longer word, and each counts once."""
    suffix = "Ann took 20 mg, then Ann rested 5%"
    assert keyword("ANN took 20\n mg", suffix, ["Ann", "Ann", "20 mg", "5%"]) == pytest.approx(2 / 3)
    assert keyword("Annette took 120 mg", suffix, ["Ann", "20 mg"]) == 0.0
    assert keyword("5%, or 20 mg/day", suffix, ["5%", "20 mg"]) == 1.0
    assert keyword("STRASSE 4", "Straße 4", ["Straße 4"]) == 1.0


def test_keyword_is_none_where_nothing_is_asked():
    """No values, empty ones, and values that the suffix does not hold as a word are no question at all."""
    assert keyword("Ann", "Ann", []) is None
    assert keyword("Ann", "Ann", ["", " "]) is None
    assert keyword("Ann", "Annette", ["Ann"]) is None
    assert keyword("", "Ann", ["Ann"]) == 0.0


@given(anything, anything)
@settings(deadline=None)
def test_characters_are_the_slow_twins(a, b):
    """Substring and edits agree with their recurrences."""
    longest = max(len(a), len(b))
    assert substring_share(a, b) == (slow_substring(a, b) / min(len(a), len(b)) if a and b else 0.0)
    expected = 1 - slow_edits(a, b) / longest if a and b else 0.0
    assert edit_similarity(a, b) == pytest.approx(expected, abs=1e-12)


@given(sentences, sentences)
@settings(deadline=None)
def test_words_are_the_slow_twins(a, b):
    """ROUGE-L, BLEU and the cosine agree with their definitions."""
    ours, true = a.lower().split(), b.lower().split()
    f1 = 2 * slow_subsequence(ours, true) / (len(ours) + len(true)) if ours and true else 0.0
    assert rouge_l(a, b) == pytest.approx(f1, abs=1e-12)
    assert bleu(a, b) == pytest.approx(slow_bleu(a, b) if a and b else 0.0, abs=1e-12)
    assert TFIDF.similarities([a], [b])[0] == pytest.approx(slow_cosine(a, b, CORPUS), abs=1e-12)


@given(anything, anything, st.lists(anything, max_size=3))
@settings(deadline=None)
def test_the_laws_of_nearness(a, b, values):
    """Between 0 and 1; a text and itself are 1, whatever it is made of; nothing is near an empty text, even that."""
    for measure in PAIRWISE:
        assert 0.0 <= measure(a, b) <= 1.0
        assert measure(a, a) == (1.0 if a else 0.0)
        assert measure(a, "") == measure("", a) == 0.0
    for symmetric in (substring_share, edit_similarity, rouge_l):
        assert symmetric(a, b) == symmetric(b, a)
    forth, back = TFIDF.similarities([a, b, a, a], [b, a, a, ""]), TFIDF.similarities([b], [a])
    assert 0.0 <= forth[0] <= 1.0
    assert forth[0] == forth[1] == back[0]
    assert forth[2] == (1.0 if a else 0.0)
    assert forth[3] == 0.0
    share = keyword(a, b, values)
    assert share is None or 0.0 <= share <= 1.0
    assert keyword(b, b, values) in (None, 1.0)


def test_known_words_are_weighed_as_scikit_learn_does():
    """On words of the records the cosine is that of TfidfVectorizer fitted on them."""
    fitted = TfidfVectorizer(token_pattern=r"\w+").fit(CORPUS)
    generated, suffixes = ["the cat sat", "a dog, the dog", "mat"], ["the dog sat", "The mat a dog", "a mat"]
    expected = (fitted.transform(generated).toarray() * fitted.transform(suffixes).toarray()).sum(axis=1)
    np.testing.assert_allclose(TFIDF.similarities(generated, suffixes), expected, atol=1e-12)


def test_inventions_are_not_overlooked():
    """A right word among words that no record has is further from the suffix than the word alone."""
    alone, hidden = TFIDF.similarities(["cat", "cat qwx zzy"], ["cat", "cat"])
    assert alone == 1.0
    assert hidden < 0.5


def test_long_texts_of_one_character():
    """A generation that repeats itself is measured exactly, and in no time."""
    assert substring_share("b" + "a" * 4000, "a" * 4000 + "c") == pytest.approx(4000 / 4001)


def test_compare_is_each_measure_of_each_pair():
    """One row a pair, in order, each field by the function of its name."""
    generated, suffixes = ["the cat sat", "", "a dog"], ["the cat", "a mat", "a dog"]
    keywords = [["cat", "the"], ["mat"], []]
    found = compare(generated, suffixes, keywords, CORPUS)
    cosines = TFIDF.similarities(generated, suffixes)
    for row, ours, true, values, cosine in zip(found, generated, suffixes, keywords, cosines, strict=True):
        single = [substring_share(ours, true), bleu(ours, true), edit_similarity(ours, true), rouge_l(ours, true)]
        assert list(row) == [*single, cosine, keyword(ours, true, values)]
    assert [row.keyword for row in found] == [1.0, 0.0, None]
    assert compare([], [], [], CORPUS) == []


def test_pairs_that_do_not_fit_are_refused():
    """As many suffixes and lists of values as texts, and a text to learn from."""
    with pytest.raises(ValueError, match="got 2 for 1"):
        compare(["a"], ["a", "b"], [[]], CORPUS)
    with pytest.raises(ValueError, match="zip"):
        compare(["a"], ["a"], [], CORPUS)
    with pytest.raises(ValueError, match="got none"):
        Tfidf([])


def test_names_are_those_of_the_rows():
    """What is described is what a generation row holds, and one pair's measures are fields of it."""
    fields = {field.name for field in dataclasses.fields(Generation)}
    assert set(Nearness._fields) <= fields


def test_the_import_costs_no_library():
    """What the measures are called can be read without loading scikit-learn, sacrebleu or rapidfuzz."""
    code = (
        "import sys; from mnemoscope.extraction import compare; "
        "print([name for name in ('sklearn', 'sacrebleu', 'rapidfuzz') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
