"""Batched generation from prefixes of any length, under any decoding.

Chance comes in from outside: one uniform number a record and step, which the distribution function of the next token
turns into a token. So what a record generates depends on its own numbers, not on what stands beside it in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from mnemoscope.decoding import GREEDY, Decoding
from mnemoscope.models.forward import halves

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel


@torch.inference_mode()
def generate(
    lm: LanguageModel,
    prefixes: Sequence[NDArray[np.int32]],
    lengths: Sequence[int],
    decoding: Decoding = GREEDY,
    uniforms: Sequence[NDArray[np.float64]] | None = None,
    *,
    batch: int = 32,
    tick: Callable[[int], None] = lambda _: None,
) -> list[NDArray[np.int32]]:
    """Continue every prefix by exactly `lengths[i]` tokens, one array a prefix.

    The start token is put before each prefix, as it was in training and in the trace; an empty prefix is the start
    token alone. Nothing of the checkpoint's own generation settings applies: no end token, no penalties. The decoding
    is applied by the warpers of Hugging Face transformers, in their order: temperature, top-k, top-p.

    Equal numbers give equal tokens, alone or beside others, as far as the model gives equal logits: another batch
    rounds them differently in the last place. So 16-bit results repeat only if the calls and `batch` are the same.

    Args:
        lm: the model.
        prefixes: token ids without the start token, each of shape (any,).
        lengths: tokens to generate after each prefix, 0 or more.
        decoding: how the next token is chosen.
        uniforms: for each prefix the numbers in [0, 1) of its draws, shape (lengths[i],); greedy needs none.
        batch: prefixes at a time; a batch that does not fit into memory is halved.
        tick: told the number of prefixes done, for a progress bar.

    Raises:
        ValueError: `uniforms` are missing, or are not one number a generated token.
        ModelError: one record alone does not fit into memory.
    """
    draws = _draws(decoding, uniforms, lengths)
    found: list[NDArray[np.int32]] = [np.zeros(0, np.int32)] * len(prefixes)
    waiting = _batches(prefixes, lengths, batch)
    while waiting:
        rows = waiting.pop()
        try:
            new = _continue(lm, [prefixes[i] for i in rows], decoding, _square([draws[i] for i in rows]))
        except (torch.OutOfMemoryError, RuntimeError) as error:
            waiting.extend(reversed(halves(rows, error)))
            continue
        for i, tokens in zip(rows, new, strict=True):
            found[i] = tokens[: lengths[i]].copy()  # a view would keep the whole batch alive
        tick(len(rows))
    return found


def _draws(
    decoding: Decoding, uniforms: Sequence[NDArray[np.float64]] | None, lengths: Sequence[int]
) -> Sequence[NDArray[np.float64]]:
    """One array of shape (lengths[i],) a prefix; greedy decoding does not look at the numbers."""
    if decoding.temperature == 0:
        return [np.zeros(n) for n in lengths]
    if uniforms is None or [len(row) for row in uniforms] != list(lengths):
        raise ValueError(f"sampling with {decoding.label} needs one uniform number a generated token")
    return uniforms


def _batches(prefixes: Sequence[NDArray[np.int32]], lengths: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Batches of rows, to be taken from the end: the longest first, because there a lack of memory shows at once.

    Sorted by what is to be generated before what is given: a step costs as much as reading many tokens of a prefix,
    and a batch takes the steps of its longest row.
    """
    order = sorted(range(len(prefixes)), key=lambda i: (lengths[i], len(prefixes[i])), reverse=True)
    return [tuple(order[start : start + size]) for start in range(0, len(order), size)][::-1]


def _square(draws: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Numbers of shape (rows, longest); a row that is done goes on with zeros, and what they give is cut off."""
    square = np.zeros((len(draws), max(len(row) for row in draws)))
    for i, row in enumerate(draws):
        square[i, : len(row)] = row
    return square


def _continue(
    lm: LanguageModel, prefixes: list[NDArray[np.int32]], decoding: Decoding, uniforms: NDArray[np.float64]
) -> list[NDArray[np.int32]]:
    """Left-padded batch: the mask tells the model which places are real."""
    new_tokens = uniforms.shape[1]
    if new_tokens == 0:
        return [np.zeros(0, np.int32)] * len(prefixes)
    width = max(len(prefix) for prefix in prefixes) + 1
    inputs = torch.full((len(prefixes), width), lm.start_id)
    mask = torch.zeros_like(inputs)
    for i, prefix in enumerate(prefixes):
        inputs[i, width - len(prefix) :] = torch.from_numpy(prefix.astype(np.int64))
        mask[i, width - len(prefix) - 1 :] = 1
    # no sampling by the library: the last processor leaves one token, the most probable one
    plain: Any = GenerationConfig(
        do_sample=False, num_beams=1, max_new_tokens=new_tokens, min_new_tokens=new_tokens, pad_token_id=lm.start_id
    )
    output = lm.model.generate(
        input_ids=inputs.to(lm.device),
        attention_mask=mask.to(lm.device),
        generation_config=plain,
        logits_processor=_processors(decoding, uniforms, width),
    )
    return list(output[:, width:].cpu().numpy().astype(np.int32))


def _processors(decoding: Decoding, uniforms: NDArray[np.float64], width: int) -> LogitsProcessorList:
    """From logits to one token left; none for greedy decoding. `width`: places before the first generated token."""
    steps = LogitsProcessorList()
    if decoding.temperature == 0:
        return steps
    if decoding.end_temperature is not None:
        steps.append(_ChangingTemperature(decoding, width))
    elif decoding.temperature != 1:
        steps.append(TemperatureLogitsWarper(float(decoding.temperature)))
    if decoding.top_k:
        steps.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        steps.append(TopPLogitsWarper(decoding.top_p))
    steps.append(_Draw(uniforms, width))
    return steps


class _ChangingTemperature(LogitsProcessor):
    """Divides by the temperature of the step."""

    def __init__(self, decoding: Decoding, width: int) -> None:
        self.decoding, self.width = decoding, width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores / self.decoding.temperature_at(input_ids.shape[1] - self.width)


class _Draw(LogitsProcessor):
    """Leaves the token in whose part of the distribution function the uniform number of row and step falls."""

    def __init__(self, uniforms: NDArray[np.float64], width: int) -> None:
        self.uniforms, self.width = torch.from_numpy(uniforms), width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        step = input_ids.shape[1] - self.width
        tokens = _inverse(scores, self.uniforms[:, step : step + 1]).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens, 0.0)


def _inverse(scores: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Tokens (B, 1) for numbers (B, 1) under the softmax of scores (B, V): the first whose running sum passes u.

    On the CPU, where running sums never fall: a token of probability 0 then passes nothing. The sum may round to
    more or less than 1, and u times the sum to the whole sum, which only the last token of some probability reaches.
    """
    running = scores.cpu().double().softmax(1).cumsum(1)
    whole = running[:, -1:].contiguous()
    last = torch.searchsorted(running, whole)
    return torch.minimum(torch.searchsorted(running, uniforms * whole, right=True), last)
