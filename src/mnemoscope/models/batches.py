"""Batches to train on: records packed into rows, or padded where the model cannot keep the records of a row apart.

A batch of 16 sentences padded to its longest is half padding. In a packed row the positions begin anew with every
record; transformers reads that as packing and masks each record off from the others (document masking). Not every
architecture does: `packs` looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from mnemoscope.models.load import body_and_head
from mnemoscope.models.loss import IGNORED

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel

ROW = 128
"""Tokens that a packed row holds at least, where there are as many: enough to fill the rows evenly, while attention,
which grows with the row, stays little of the work."""

ATTENTION = 0.05
"""Attention's share of the work on a row of ROW tokens."""

FEWER = 4
"""How many fewer rows are tried: 16 records of one length fill 4 rows, while of 6 rows two stay a third empty."""

ROUNDING = 0.05
"""How far the states of a record may lie from those it has alone, by norm: what bfloat16 loses, and more."""

Row = dict[str, list[int]]
"""A training slot: its `input_ids`, the start token first."""


def pad(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """One record a row, padded on the right; labels are masked by length: pad may be a token that records contain."""
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    ids = torch.zeros((len(rows), int(lengths.max())), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : lengths[i]] = torch.tensor(row["input_ids"])
    mask = torch.arange(ids.shape[1]) < lengths[:, None]
    labels = ids.masked_fill(~mask, IGNORED)
    labels[:, 0] = IGNORED  # nothing predicts the start token, so it must not count among the tokens either
    return {"input_ids": ids, "attention_mask": mask.long(), "labels": labels}


def pack(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Records dealt to rows of about one length, shape (R, T): ids, positions within the record, and labels."""
    records = sorted((row["input_ids"] for row in rows), key=len, reverse=True)
    most = max(1, sum(map(len, records)) // max(ROW, len(records[0])))
    return _tensors(*min((_dealt(records, n) for n in range(max(1, most - FEWER), most + 1)), key=_work))


def _dealt(records: list[list[int]], n: int) -> tuple[list[list[list[int]]], int]:
    """The records of each of n rows, and the length of the longest row.

    The longest record first, each to the row that is shortest so far (longest processing time first, Graham 1969).
    """
    rows: list[list[list[int]]] = [[] for _ in range(n)]
    filled = [0] * n
    for record in records:
        row = filled.index(min(filled))
        rows[row].append(record)
        filled[row] += len(record)
    return rows, max(filled)


def _work(dealt: tuple[list[list[list[int]]], int]) -> float:
    """What reading the rows costs, as in tokens: every place, and attention, which grows with the row."""
    rows, width = dealt
    return len(rows) * width * (1 + ATTENTION * width / ROW)


def _tensors(dealt: list[list[list[int]]], width: int) -> dict[str, torch.Tensor]:
    ids = torch.zeros((len(dealt), width), dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    positions = torch.zeros_like(ids)
    for row, records in enumerate(dealt):
        start = 0
        for record in records:
            end = start + len(record)
            ids[row, start:end] = torch.tensor(record)
            labels[row, start + 1 : end] = ids[row, start + 1 : end]  # nothing predicts the start token
            positions[row, start:end] = torch.arange(len(record))
            start = end
        positions[row, start:] = torch.arange(width - start)  # padding is one more record, with no labels
    return {"input_ids": ids, "position_ids": positions, "labels": labels}


@torch.no_grad()
def packs(lm: LanguageModel) -> bool:
    """Whether the model reads a record in a packed row as it reads it alone.

    Seen on two short rows: another record before it must change no bit, and being alone nothing beyond rounding.
    """
    body, _ = body_and_head(lm.model)
    vocabulary = int(lm.model.get_input_embeddings().num_embeddings)
    first, other, record = ([(start + i) % vocabulary for i in range(5)] for start in (1, 7, 13))

    def read(*records: list[int]) -> torch.Tensor:
        batch = {name: value.to(lm.device) for name, value in _tensors([list(records)], sum(map(len, records))).items()}
        del batch["labels"]
        states: torch.Tensor = body(**batch, use_cache=False).last_hidden_state[0, -len(record) :].float()
        return states

    was_training = lm.model.training
    lm.model.eval()
    try:
        after, after_other, alone = read(first, record), read(other, record), read(record)
    except (TypeError, ValueError, AttributeError):  # it takes no positions, or cannot do without a mask
        return False
    finally:
        lm.model.train(was_training)
    return torch.equal(after, after_other) and bool((after - alone).norm() < ROUNDING * alone.norm())
