"""One teacher-forced pass over the records, reduced on the spot to a few numbers a token.

Who predicts whom: the model reads [start, x1, …, x(n-1)]; the hidden state at place t gives the distribution of
x(t+1). So every token of a record is scored, the first one after the start token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mnemoscope.decoding import Decoding
from mnemoscope.errors import ModelError
from mnemoscope.models.columns import columns_of
from mnemoscope.models.load import body_and_head
from mnemoscope.traces import COLUMNS, Traces

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.models.tokens import Tokens

Plan = tuple[tuple[int, ...], ...]
"""Batches of record rows. Target and reference run through one plan, so that their difference holds no rounding."""

Tick = Callable[[int], None]
"""Told the number of tokens done, for a progress bar."""

Found = TypeVar("Found")

CPU = torch.device("cpu")

BATCH_TOKENS = (700, 8192)
"""Tokens read at once on a CPU and on a GPU: large enough for the matrix products, small enough to pad little and, on a
CPU, to stay in the cache. With 2048 two cores read 20% fewer tokens a second."""

HELD = 8192
"""Tokens whose keys and values a batch holds at most: 1 GB for 8B weights with grouped heads, 4 GB for 7B without."""


def plan_batches(
    lengths: NDArray[np.int64], *, device: torch.device = CPU, tokens: int | None = None, before: int = 0
) -> Plan:
    """Batches of similar length, longest first (a lack of memory shows at once), `tokens` at most with padding.

    Args:
        lengths: tokens a record, shape (n,).
        device: where they will be read.
        tokens: what a batch reads at most, unless one record alone is longer; None: BATCH_TOKENS of the device.
        before: tokens that stand before every record and are kept in a cache; with them a batch holds HELD at most.
    """
    tokens = tokens or BATCH_TOKENS[device.type == "cuda"]
    order = np.argsort(-lengths, kind="stable")
    batches: list[tuple[int, ...]] = []
    start = 0
    while start < len(order):
        places = int(lengths[order[start]]) + 1
        size = max(1, min(tokens // places, HELD // (before + places)) if before else tokens // places)
        batches.append(tuple(int(row) for row in order[start : start + size]))
        start += size
    return tuple(batches)


def trace_pair(
    target: LanguageModel,
    reference: LanguageModel | None,
    tokens: Tokens,
    tick: Tick = lambda _: None,
    decodings: Sequence[Decoding] = (),
    known: Traces | None = None,
) -> tuple[Traces, Traces]:
    """Traces of the target and of the reference, by default the target with its adapter switched off.

    Both go through one plan: where the target had to halve a batch, the reference goes through all of them again.
    `known` are the reference's traces where they were read before, with the plan of these records. Arguments and
    errors as in `trace`.
    """

    def of_reference(plan: Plan) -> tuple[Traces, Plan]:
        if reference is not None:
            return trace(reference, tokens, plan, tick, decodings)
        with target.model.disable_adapter():
            return trace(target, tokens, plan, tick, decodings)

    plan = plan_batches(tokens.lengths, device=target.device)
    reference_traces, used = of_reference(plan) if known is None else (known, plan)
    target_traces, finer = trace(target, tokens, used, tick, decodings)
    if finer != used:
        reference_traces, _ = of_reference(finer)
    return target_traces, reference_traces


def trace(
    lm: LanguageModel,
    tokens: Tokens,
    plan: Plan,
    tick: Tick = lambda _: None,
    decodings: Sequence[Decoding] = (),
) -> tuple[Traces, Plan]:
    """Traces of all records, and the plan that fitted into memory.

    Args:
        lm: the model, its adapter on or off as it stands.
        tokens: the records.
        plan: batches to begin with.
        tick: told the tokens done.
        decodings: each adds its column. Plain sampling costs nothing; those with one top-k share one search for the
            largest logits; a temperature alone costs a sweep over the vocabulary; top-p without top-k costs a full
            sort, about fifty times that.

    Raises:
        ModelError: one record alone does not fit.
        ValueError: a decoding is greedy or changes its temperature, so that a trace cannot hold it.
    """
    return collect(tokens, plan, lambda ids: _batch(lm, ids, decodings), tick, decodings)


def collect(
    tokens: Tokens,
    plan: Plan,
    read: Callable[[list[NDArray[np.int32]]], Mapping[str, NDArray[np.generic]]],
    tick: Tick,
    decodings: Sequence[Decoding] = (),
) -> tuple[Traces, Plan]:
    """Traces made of what `read` finds in each batch, and the plan that fitted into memory.

    Args:
        tokens: the records.
        plan: batches to begin with.
        read: from the token ids of some records to the columns over all their tokens, record after record.
        tick: told the tokens done.
        decodings: those whose columns `read` finds as well.

    Raises:
        ModelError: one record alone does not fit.
        ValueError: a decoding is greedy or changes its temperature, so that a trace cannot hold it.
    """
    if outside := [decoding.label for decoding in decodings if not decoding.in_trace]:
        raise ValueError(f"a trace holds decodings that sample at one temperature, got {', '.join(outside)}")
    offsets = np.concatenate(([0], np.cumsum(tokens.lengths))).astype(np.int64)
    kinds = {**COLUMNS, **{decoding.column: np.float32 for decoding in decodings}}
    columns = {name: np.zeros(offsets[-1], dtype=dtype) for name, dtype in kinds.items()}
    columns["char_end"][:] = np.concatenate([*tokens.char_ends, np.zeros(0, np.int32)])
    used: list[tuple[int, ...]] = []
    for rows, found in each_batch(tokens, plan, read, tick):
        places = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])
        for name, values in found.items():
            columns[name][places] = values
        used.append(rows)
    traces = Traces(tokens.record_ids, offsets, columns, tokens.text_bytes, tokens.zlib_bytes)
    return traces, tuple(used)


def each_batch(
    tokens: Tokens, plan: Plan, work: Callable[[list[NDArray[np.int32]]], Found], tick: Tick
) -> Iterator[tuple[tuple[int, ...], Found]]:
    """Rows of each batch and what `work` made of their token ids; a batch that does not fit into memory is halved.

    Raises:
        ModelError: one record alone does not fit.
    """
    lengths = tokens.lengths
    # a text of which a normaliser leaves nothing has no token to read
    waiting = [rows for batch in reversed(plan) if (rows := tuple(row for row in batch if lengths[row]))]
    while waiting:
        rows = waiting.pop()
        try:
            found = work([tokens.ids[row] for row in rows])
        except (torch.OutOfMemoryError, RuntimeError) as error:
            waiting.extend(reversed(halves(rows, error)))
            continue
        yield rows, found
        tick(int(lengths[list(rows)].sum()))


def halves(rows: tuple[int, ...], error: RuntimeError) -> list[tuple[int, ...]]:
    """The two halves of a batch that did not fit in memory; any other error is raised again."""
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
        raise error
    if len(rows) == 1:
        raise ModelError(
            "one record alone does not fit into memory: give a smaller --max-tokens (or fewer --shots, if any)"
        ) from None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(rows) // 2
    return [rows[:middle], rows[middle:]]


@torch.inference_mode()
def _batch(
    lm: LanguageModel, ids: list[NDArray[np.int32]], decodings: Sequence[Decoding]
) -> dict[str, NDArray[np.generic]]:
    """Columns over all tokens of the batch, record after record."""
    inputs, mask, truth = padded(ids, lm.start_id, lm.device)
    body, _ = body_and_head(lm.model)
    hidden = body(input_ids=inputs, attention_mask=mask, use_cache=False).last_hidden_state
    return columns_of(lm, hidden[mask.bool()], truth, decodings)


def padded(
    ids: list[NDArray[np.int32]], start_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs (B, T) shifted right by the start token, mask (B, T), and the N true tokens, record after record."""
    longest = max(len(row) for row in ids)
    inputs = torch.full((len(ids), longest), start_id)
    mask = torch.zeros((len(ids), longest), dtype=torch.long)
    for i, row in enumerate(ids):
        inputs[i, 1 : len(row)] = torch.from_numpy(row[:-1].astype(np.int64))
        mask[i, : len(row)] = 1
    truth = torch.from_numpy(np.concatenate(ids).astype(np.int64))
    return inputs.to(device), mask.to(device), truth.to(device)
