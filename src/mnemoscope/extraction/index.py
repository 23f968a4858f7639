"""What a generated text has in common with many texts: longest shared runs of tokens, nearest texts.

All windows of n tokens are hashed at once and sorted, so that a window of the query finds its places by bisection
(the "in the wild" search of Carlini et al. 2021, arXiv:2012.07805, section 5, with every window instead of a search
engine). A hash only proposes: what it finds is compared token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import partial_ratio_alignment

BASE = np.uint64(0x9E3779B97F4A7C15)
"""The hash of a window is a polynomial in this odd number, modulo 2^64."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of tokens that a query shares with a text."""

    row: int
    """Row of the text; -1 where there is no run."""
    length: int
    """Tokens; 0 where there is no run."""
    query_start: int
    """Its first token in the query."""
    text_start: int
    """Its first token in the text."""


NO_RUN = Run(-1, 0, 0, 0)


class NgramIndex:
    """The places of all windows of n tokens in many texts; about 20 bytes a token, 60 while it is made."""

    def __init__(self, texts: Sequence[NDArray[np.int32]], n: int = 3) -> None:
        """Index `texts`, each of shape (n_tokens,); a text shorter than `n` is never found.

        Raises:
            ValueError: `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"a window has 1 token or more, got n={n}")
        self.n = n
        self.offsets = np.cumsum([0, *(len(text) for text in texts)], dtype=np.int64)
        """Text i owns the tokens offsets[i]:offsets[i + 1]."""
        self.tokens = np.concatenate([np.zeros(0, np.int32), *texts]).astype(np.int32, copy=False)
        starts = _starts(self.offsets, n)
        hashes = _hashes(self.tokens, n)[starts]
        order = np.argsort(hashes, kind="stable")  # places of one window stay in the order of the texts
        self.hashes, self.places = hashes[order], starts[order]

    def longest(
        self, query: NDArray[np.int32], *, groups: NDArray[np.int64] | None = None, skip: int | None = None
    ) -> Run:
        """The longest run of the query's tokens that stands in one text; ties: first in the query, then in the texts.

        Runs shorter than n tokens are not seen: for them the answer is that there is none.

        Args:
            query: token ids, shape (m,).
            groups: group of each text, shape (n_texts,); needed with `skip`.
            skip: texts of this group do not count.

        Raises:
            ValueError: `skip` without the groups of all texts.
        """
        if skip is not None and (groups is None or len(groups) != len(self.offsets) - 1):
            raise ValueError("to skip a group, give the group of every text")
        best = NO_RUN
        before = lengths = np.zeros(0, dtype=np.int64)
        for start, places in self._found(query):
            if skip is not None and groups is not None:
                places = places[groups[self._rows(places)] != skip]
            lengths = self._longer(before, lengths, places)
            before = places
            if len(places) and (length := int(lengths.max())) > best.length:
                end = int(places[lengths.argmax()]) + self.n
                row = int(self._rows(np.array([end - 1]))[0])
                best = Run(row, length, start + self.n - length, end - length - int(self.offsets[row]))
        return best

    def candidates(self, query: NDArray[np.int32], k: int = 5) -> list[int]:
        """Rows of the k texts that share most distinct windows with the query, best first; ties by row.

        Texts that share none are not named, so there may be fewer.
        """
        shared = np.zeros(len(self.offsets) - 1, dtype=np.int64)
        seen: set[tuple[int, ...]] = set()
        for start, places in self._found(query):
            window = tuple(query[start : start + self.n].tolist())
            if window not in seen:
                seen.add(window)
                shared[np.unique(self._rows(places))] += 1
        rows = np.flatnonzero(shared)
        return [int(row) for row in rows[np.argsort(-shared[rows], kind="stable")][:k]]

    def _found(self, query: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Each window of the query by its start, and the places where it stands, in the order of the texts."""
        query = np.asarray(query, dtype=np.int32)
        hashes = _hashes(query, self.n)
        left = np.searchsorted(self.hashes, hashes)
        right = np.searchsorted(self.hashes, hashes, side="right")
        step = np.arange(self.n)
        for start, (first, last) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
            places = self.places[first:last]
            same = self.tokens[places[:, None] + step] == query[start : start + self.n]
            yield start, places[same.all(axis=1)]

    def _rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The texts that own these places."""
        return np.searchsorted(self.offsets, places, side="right").astype(np.int64) - 1

    def _longer(
        self, before: NDArray[np.int64], lengths: NDArray[np.int64], places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Length of the run that ends with the window at each place: one more than that of the window one before it.

        Args:
            before: places of the query's window one before, ascending.
            lengths: of the runs that end there.
            places: of the query's window now.
        """
        runs = np.full(len(places), self.n, dtype=np.int64)
        if len(before) and len(places):
            at = np.minimum(np.searchsorted(before, places - 1), len(before) - 1)
            # windows of one token follow each other across the end of a text
            on = (before[at] == places - 1) & (self._rows(places - 1) == self._rows(places))
            runs[on] = lengths[at[on]] + 1
        return runs


def _starts(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Places where a window of n tokens begins and ends in one text."""
    ends = np.repeat(offsets[1:], np.diff(offsets))
    return np.flatnonzero(np.arange(len(ends)) + n <= ends).astype(np.int64)


def _hashes(tokens: NDArray[np.int32], n: int) -> NDArray[np.uint64]:
    """Hash of every window of n tokens, shape (m - n + 1,), or (0,) where there is none."""
    windows = max(0, len(tokens) - n + 1)
    found = np.zeros(windows, dtype=np.uint64)
    for i in range(n):
        found = found * BASE + tokens[i : i + windows].astype(np.uint64)
    return found


def similarity(text: str, generated: str) -> float:
    """1 - normalised edit distance between `text` and the nearest part of `generated`, in characters, 0..1.

    The part is as long as the text, or less at the ends, and is the one with the fewest insertions and deletions
    (rapidfuzz's partial ratio); a `generated` that is shorter than the text is compared whole. 0.0 when either is
    empty. The distance is Levenshtein's over the length of the longer of the two.
    """
    if not text or not generated:
        return 0.0
    part = generated
    if len(generated) > len(text) and (found := partial_ratio_alignment(text, generated)):
        part = generated[found.dest_start : found.dest_end]
    return Levenshtein.normalized_similarity(text, part)
