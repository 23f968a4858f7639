"""Records as token ids, with the place of every token in the text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.records import Record


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of n records, without the start token."""

    record_ids: tuple[str, ...]
    ids: tuple[NDArray[np.int32], ...]
    """One array of shape (n_tokens,) a record."""
    char_ends: tuple[NDArray[np.int32], ...]
    """Characters of the text up to and with each token, aligned to `ids`."""
    text_bytes: NDArray[np.int64]
    zlib_bytes: NDArray[np.int64]
    truncated: int
    """Records that were longer than the limit and lost their end."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens a record, shape (n,)."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    @property
    def total(self) -> int:
        """Tokens of all records."""
        return int(self.lengths.sum())

    def take(self, rows: Sequence[int]) -> Tokens:
        """The records `rows`, in that order (a row may come twice)."""
        index = np.asarray(rows, dtype=np.int64)
        return Tokens(
            record_ids=tuple(self.record_ids[i] for i in index),
            ids=tuple(self.ids[i] for i in index),
            char_ends=tuple(self.char_ends[i] for i in index),
            text_bytes=self.text_bytes[index],
            zlib_bytes=self.zlib_bytes[index],
            truncated=self.truncated,
        )


def rows_of(ids: Sequence[NDArray[np.int32]], texts: Sequence[str] | None = None) -> Tokens:
    """Tokens that come from generation: their places in a text are not known, its bytes only where it is given."""
    raw = [text.encode() for text in texts or [""] * len(ids)]
    return Tokens(
        record_ids=tuple(str(i) for i in range(len(ids))),
        ids=tuple(ids),
        char_ends=tuple(np.zeros(len(row), np.int32) for row in ids),
        text_bytes=np.array([len(text) for text in raw], dtype=np.int64),
        zlib_bytes=np.array([len(zlib.compress(text)) for text in raw], dtype=np.int64),
        truncated=0,
    )


def decode(lm: LanguageModel, ids: NDArray[np.int32]) -> str:
    """The text of token ids."""
    return str(lm.tokenizer.decode([int(i) for i in ids]))


def tokenize(lm: LanguageModel, records: Sequence[Record], *, max_tokens: int) -> Tokens:
    """Token ids of the records, cut at `max_tokens` or at the model's context, whichever is shorter."""
    context = getattr(lm.model.config, "max_position_embeddings", None) or max_tokens + 1
    limit = min(max_tokens, context - 1)  # one place is the start token's
    texts = [record.text for record in records]
    coded = lm.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    raw = [text.encode() for text in texts]
    return Tokens(
        record_ids=tuple(record.id for record in records),
        ids=tuple(np.array(ids[:limit], dtype=np.int32) for ids in coded["input_ids"]),
        char_ends=tuple(_char_ends(offsets)[:limit] for offsets in coded["offset_mapping"]),
        text_bytes=np.array([len(text) for text in raw], dtype=np.int64),
        zlib_bytes=np.array([len(zlib.compress(text)) for text in raw], dtype=np.int64),
        truncated=sum(len(ids) > limit for ids in coded["input_ids"]),
    )


def _char_ends(offsets: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Characters that are complete after each token; one that several tokens share counts with the last of them."""
    starts = [start for start, _ in offsets[1:]] + [offsets[-1][1]] if offsets else []
    return np.array([min(end, start) for (_, end), start in zip(offsets, starts, strict=True)], dtype=np.int32)
