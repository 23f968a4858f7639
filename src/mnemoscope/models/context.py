"""Traces of records that stand after known text: the shots are read once, and every batch goes on from their cache.

The model reads [start, shots…, x1, …, xn] and only x1 … xn are scored, so that a trace with shots and one without
cover the same tokens (ReCaLL, arXiv:2406.15968, compares the two).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mnemoscope.errors import ModelError
from mnemoscope.models.columns import columns_of
from mnemoscope.models.forward import Tick, collect, padded, plan_batches, trace
from mnemoscope.models.load import body_and_head

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.models.tokens import Tokens
    from mnemoscope.traces import Traces

SEPARATOR = "\n\n"
"""Stands after every shot."""


def shots_of(lm: LanguageModel, texts: Sequence[str]) -> NDArray[np.int32]:
    """Token ids of known texts, each followed by those of a blank line; without a start token, shape (n_tokens,)."""
    if not texts:
        return np.zeros(0, dtype=np.int32)
    *shots, blank = lm.tokenizer([*texts, SEPARATOR], add_special_tokens=False, verbose=False)["input_ids"]
    return np.array([token for shot in shots for token in (*shot, *blank)], dtype=np.int32)


def trace_after(lm: LanguageModel, shots: NDArray[np.int32], tokens: Tokens, tick: Tick = lambda _: None) -> Traces:
    """Traces of the records as they stand after the same `shots`; without shots those of `trace`.

    Args:
        lm: the model, its adapter on or off as it stands.
        shots: token ids of the known text, shape (n_tokens,), as `shots_of` gives them.
        tokens: the records; each is scored alone, from its first token on.
        tick: told the records' tokens done.

    Raises:
        ModelError: shots and record together are longer than the model reads, or do not fit into memory.
    """
    _check_context(lm, shots, tokens)
    plan = plan_batches(tokens.lengths, device=lm.device, before=len(shots))
    if len(shots) == 0:
        return trace(lm, tokens, plan, tick)[0]
    return collect(tokens, plan, _reader(lm, shots), tick)[0]


def _check_context(lm: LanguageModel, shots: NDArray[np.int32], tokens: Tokens) -> None:
    context = getattr(lm.model.config, "max_position_embeddings", None)
    longest = int(tokens.lengths.max(initial=0))
    needed = 1 + len(shots) + longest
    if context is not None and needed > context:
        raise ModelError(
            f"shots of {len(shots)} tokens before the longest record of {longest} need {needed} places with the start "
            f"token, and {lm.name} reads {context}: give fewer --shots or a smaller --max-tokens"
        )


def _reader(
    lm: LanguageModel, shots: NDArray[np.int32]
) -> Callable[[list[NDArray[np.int32]]], Mapping[str, NDArray[np.generic]]]:
    """The function that reads a batch of records after the shots.

    The last shot token is left out of the cache: it takes the place of the start token in every batch, because it is
    what predicts a record's first token.
    """
    *known, last = (lm.start_id, *map(int, shots))
    read = _read_once(lm, known)

    @torch.inference_mode()
    def batch(ids: list[NDArray[np.int32]]) -> Mapping[str, NDArray[np.generic]]:
        inputs, mask, truth = padded(ids, last, lm.device)
        seen = torch.ones((len(ids), len(known)), dtype=mask.dtype, device=lm.device)
        body, _ = body_and_head(lm.model)
        # places are counted on from the cache; padding stands at the end, so that it shifts none
        hidden = body(
            input_ids=inputs,
            attention_mask=torch.cat([seen, mask], dim=1),
            past_key_values=_repeated(read, len(ids), lm.device),
            use_cache=True,
        ).last_hidden_state
        return columns_of(lm, hidden[mask.bool()], truth)

    return batch


@torch.inference_mode()
def _read_once(lm: LanguageModel, known: Sequence[int]) -> Any:
    """Keys and values of known tokens, as a cache of batch size 1."""
    body, _ = body_and_head(lm.model)
    return body(input_ids=torch.tensor([known], device=lm.device), use_cache=True).past_key_values


def _repeated(cache: Any, times: int, device: torch.device) -> Any:
    """A copy for `times` records: a model writes into the cache it is given, and no batch may see another's tokens.

    `reorder_cache` is what every kind of cache has, and it copies; the list of rows is the one row, `times` over.
    """
    own = copy.deepcopy(cache)
    own.reorder_cache(torch.zeros(times, dtype=torch.long, device=device))
    return own
