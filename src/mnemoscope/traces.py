"""Per-token evidence of one model on many records, as flat columns (numpy only).

Record i owns the tokens `offsets[i]:offsets[i + 1]` of every column. The reductions return masked arrays: a
record without tokens is masked, and arithmetic between reductions carries the mask, so that an attack is one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Scores

COLUMNS: Mapping[str, type[np.generic]] = {
    "token_id": np.int32,
    "char_end": np.int32,
    "logprob": np.float32,
    "gap": np.float32,
    "gap_ulp": np.float32,
    "rank": np.int32,
    "mean_logprob": np.float32,
    "std_logprob": np.float32,
}
"""token_id · char_end: characters of the text up to and with the token · logprob: nats · gap: logit of the true token
minus the best other logit (>= 0: greedy decoding would emit it) · gap_ulp: gap in units of the last place of the top
logit · rank: of the true token, 1 = top · mean_logprob, std_logprob: moments of log p under p (the mu and sigma of
Min-K%++, arXiv:2404.02936).

A pass that was given decodings adds a float32 column `Decoding.column` for each, such as logprob@t1-k40: the
log-probability in nats of the true token under that decoding, -inf where it can never come."""


Column = str | NDArray[Any]
"""The name of a column, or an array over all tokens made of columns, shape (offsets[-1],)."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Columns over all tokens of n records; see COLUMNS for their meaning."""

    ids: tuple[str, ...]
    """Record ids, length n."""
    offsets: NDArray[np.int64]
    """Shape (n + 1,); offsets[0] = 0."""
    columns: Mapping[str, NDArray[np.generic]]
    """Column name to an array of shape (offsets[-1],)."""
    text_bytes: NDArray[np.int64]
    """UTF-8 bytes of each text, shape (n,)."""
    zlib_bytes: NDArray[np.int64]
    """Bytes of each text after zlib at its default level, shape (n,)."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens a record, shape (n,)."""
        return np.diff(self.offsets)

    def tokens(self, name: str, i: int) -> NDArray[np.generic]:
        """Column `name` of record `i`, shape (lengths[i],)."""
        return self.columns[name][self.offsets[i] : self.offsets[i + 1]]

    def values(self, column: Column) -> NDArray[Any]:
        """A column by its name; an array over all tokens is given back as it is."""
        return self.columns[column] if isinstance(column, str) else column

    def sum(self, column: Column) -> Scores:
        """Sum of a column over each record's tokens in float64; masked where a record has none."""
        total, held = np.zeros(len(self)), self.lengths > 0
        if held.any():  # reduceat gives an empty record its neighbour's first token, so those are left out
            starts = self.offsets[:-1][held]
            total[held] = np.add.reduceat(self.values(column).astype(np.float64), starts)
        return np.ma.masked_array(total, mask=~held)

    def mean(self, column: Column) -> Scores:
        """Mean of a column over each record's tokens; masked where a record has none."""
        means: Scores = self.sum(column) / self.lengths
        return means

    def lowest(self, column: Column, fraction: float) -> Scores:
        """Mean of the lowest `fraction` of each record's values, at least one of them; masked where it has none."""
        means, held = np.zeros(len(self)), self.lengths > 0
        for rows, lowest in self.bottom(column, fraction):
            means[rows] = lowest.astype(np.float64).mean(axis=1)
        return np.ma.masked_array(means, mask=~held)

    def bottom(self, column: Column, fraction: float) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """The lowest `fraction` of each record's values, like `by_length`: rows, shape (m,), and values, shape (m, k).

        k is fraction * tokens rounded to the nearest whole number, halves to even, and at least 1, because int()
        would make it 0 for short texts.
        """
        for rows, matrix in self.by_length(column):
            k = max(1, round(fraction * matrix.shape[1]))
            yield rows, np.partition(matrix, k - 1, axis=1)[:, :k]

    def by_length(self, column: Column) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Records with equally many tokens together: their rows, shape (m,), and values, shape (m, tokens).

        Records without tokens are left out. Work on the matrices is vectorised and needs no padding, and a record's
        result does not depend on what stands beside it.
        """
        values, lengths = self.values(column), self.lengths
        order = np.argsort(lengths, kind="stable")
        found, first, count = np.unique(lengths[order], return_index=True, return_counts=True)
        for n, start, m in zip(found, first, count, strict=True):
            if n:
                rows = order[start : start + m]
                yield rows, values[self.offsets[rows][:, None] + np.arange(n)]

    def take(self, rows: NDArray[np.int64]) -> Traces:
        """The records `rows`, in that order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        source = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Traces(
            ids=tuple(self.ids[i] for i in rows),
            offsets=offsets,
            columns={name: column[source] for name, column in self.columns.items()},
            text_bytes=self.text_bytes[rows],
            zlib_bytes=self.zlib_bytes[rows],
        )


def concatenate(parts: Sequence[Traces]) -> Traces:
    """Traces with the same columns, one after another.

    Raises:
        ValueError: there are none.
    """
    if not parts:
        raise ValueError("no traces to join")
    lengths = np.concatenate([part.lengths for part in parts])
    return Traces(
        ids=tuple(name for part in parts for name in part.ids),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        text_bytes=np.concatenate([part.text_bytes for part in parts]),
        zlib_bytes=np.concatenate([part.zlib_bytes for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Shadows:
    """Traces of K models that were each trained on a random half of the groups, whose truth is therefore known."""

    traces: tuple[Traces, ...]
    """One a shadow model, over the audited records in their order."""
    inside: NDArray[np.bool_]
    """Whether the shadow was trained on the record, shape (K, n)."""
    population: NDArray[np.bool_]
    """Records that stand for text nobody trained the target on: non-members of the calibration part, shape (n,)."""
    groups: NDArray[np.int64]
    """Group code of each record, shape (n,)."""
