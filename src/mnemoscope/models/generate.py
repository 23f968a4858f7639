"""Batched greedy decoding from prefixes of any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel


@torch.inference_mode()
def greedy(
    lm: LanguageModel,
    prefixes: Sequence[NDArray[np.int32]],
    lengths: Sequence[int],
    *,
    batch: int = 32,
    tick: Callable[[int], None] = lambda _: None,
) -> list[NDArray[np.int32]]:
    """Continue every prefix by exactly `lengths[i]` tokens, one array a prefix.

    The start token is put before each prefix, as it was in training and in the trace. Nothing of the checkpoint's
    own generation settings applies: no end token, no penalties, no sampling.
    """
    found: list[NDArray[np.int32]] = [np.zeros(0, np.int32)] * len(prefixes)
    order = sorted(range(len(prefixes)), key=lambda i: (len(prefixes[i]), lengths[i]))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        longest = max(lengths[i] for i in rows)
        new = _continue(lm, [prefixes[i] for i in rows], longest)
        for i, tokens in zip(rows, new, strict=True):
            found[i] = tokens[: lengths[i]]
        tick(len(rows))
    return found


def _continue(lm: LanguageModel, prefixes: list[NDArray[np.int32]], new_tokens: int) -> list[NDArray[np.int32]]:
    """Left-padded batch: the mask tells the model which places are real."""
    width = max(len(prefix) for prefix in prefixes) + 1
    inputs = torch.full((len(prefixes), width), lm.start_id)
    mask = torch.zeros_like(inputs)
    for i, prefix in enumerate(prefixes):
        inputs[i, width - len(prefix) :] = torch.from_numpy(prefix.astype(np.int64))
        mask[i, width - len(prefix) - 1 :] = 1
    plain: Any = GenerationConfig(
        do_sample=False, num_beams=1, max_new_tokens=new_tokens, min_new_tokens=new_tokens, pad_token_id=lm.start_id
    )
    output = lm.model.generate(
        input_ids=inputs.to(lm.device), attention_mask=mask.to(lm.device), generation_config=plain
    )
    return list(output[:, width:].cpu().numpy().astype(np.int32))
