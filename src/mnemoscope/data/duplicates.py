"""Near copies of a text: with one in the other class, membership is not what the labels say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mnemoscope.data.overlap import grams, words
from mnemoscope.records import Record

THRESHOLD = 0.5
"""Jaccard similarity of shingles from which two texts are near copies."""
SHINGLE = 3
"""Words in a shingle."""
PERMUTATIONS = 128
"""Hash functions of a signature: memory and time against how sharply candidates are told from the rest."""
RECALL = 0.999
"""Least probability that a pair exactly at the threshold becomes a candidate; more alike pairs have a higher one."""

Shingles = frozenset[tuple[str, ...]]
Pair = tuple[int, int]


def near_duplicates(records: Sequence[Record], threshold: float = THRESHOLD) -> dict[str, NDArray[np.bool_]]:
    """Which records have a near copy, two arrays of shape (n_records,).

    "across": one in the other class. "within": another record of the own class. Two texts are near copies when the
    Jaccard similarity of their sets of 3-word shingles is `threshold` or more; a text of fewer words is one shingle.
    Case, white space and punctuation do not count. Excluded records are in no class. Candidates come from MinHash
    and locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, chapter 3)
    and are verified exactly, so a pair that is found is true and one in a thousand at the threshold may be missed.

    Raises:
        ValueError: the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a Jaccard threshold lies above 0 and at most at 1, got {threshold}")
    texts: dict[Shingles, int] = {}
    codes = [texts.setdefault(_shingles(record.text), len(texts)) for record in records]
    held: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for code, record in zip(codes, records, strict=True):
        held[code][record.role] += 1
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for one, other in _similar(list(texts), threshold):
        alike[one].append(other)
        alike[other].append(one)
    # a text is alike to itself: equal texts share one code, so the counts of all alike codes hold the copies too
    near = {code: sum((held[other] for other in alike[code]), held[code]) for code in held}
    others = {"member": "nonmember", "nonmember": "member"}
    copies = [(near[code], record.role) for code, record in zip(codes, records, strict=True)]
    return {
        "across": np.array([role in others and count[others[role]] > 0 for count, role in copies], dtype=bool),
        "within": np.array([role in others and count[role] > 1 for count, role in copies], dtype=bool),
    }


def _shingles(text: str) -> Shingles:
    """The text's 3-word shingles; all its words where it has fewer, the text itself where it has no word."""
    found = words(text)
    return frozenset(grams(found, SHINGLE) or [tuple(found) or (text.strip(),)])


def _similar(sets: Sequence[Shingles], threshold: float) -> Iterator[Pair]:
    """Pairs of distinct sets whose exact Jaccard similarity is `threshold` or more."""
    for one, other in _candidates(sets, threshold):
        common = len(sets[one] & sets[other])
        # divided, because 0.7 times a union may lie a rounding above the whole number that it means
        if common / (len(sets[one]) + len(sets[other]) - common) >= threshold:
            yield one, other


def _candidates(sets: Sequence[Shingles], threshold: float) -> Iterator[Pair]:
    """Pairs whose signatures agree in one whole band; seeds and hash are fixed, so equal texts give equal pairs."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=bands(threshold))
    tokens = ([" ".join(shingle).encode(errors="surrogatepass") for shingle in one] for one in sets)
    for i, signature in enumerate(MinHash.generator(tokens, num_perm=PERMUTATIONS, seed=1)):
        yield from ((int(other), i) for other in index.query(signature))
        index.insert(i, signature, check_duplication=False)


def bands(threshold: float) -> Pair:
    """Bands and hashes a band: the longest bands that keep RECALL at the threshold.

    A pair of similarity s becomes a candidate with probability 1 - (1 - s ** r) ** b (Mining of Massive Datasets,
    3.4.2).

    >>> bands(0.7)
    (32, 4)
    """
    for r in range(PERMUTATIONS // 2, 1, -1):
        b = PERMUTATIONS // r
        if 1 - (1 - threshold**r) ** b >= RECALL:
            return b, r
    return PERMUTATIONS, 1
