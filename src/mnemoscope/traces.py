"""Per-token evidence of one model on many records, as flat columns (numpy only).

Record i owns the tokens `offsets[i]:offsets[i + 1]` of every column. The reductions return masked arrays: a
record without tokens is masked, and arithmetic between reductions carries the mask, so that an attack is one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
Min-K%++, arXiv:2404.02936)."""


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

    def sum(self, name: str) -> Scores:
        """Sum of a column over each record's tokens in float64; masked where a record has none."""
        total, held = np.zeros(len(self)), self.lengths > 0
        if held.any():  # reduceat gives an empty record its neighbour's first token, so those are left out
            starts = self.offsets[:-1][held]
            total[held] = np.add.reduceat(self.columns[name].astype(np.float64), starts)
        return np.ma.masked_array(total, mask=~held)

    def mean(self, name: str) -> Scores:
        """Mean of a column over each record's tokens; masked where a record has none."""
        return self.sum(name) / self.lengths

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
