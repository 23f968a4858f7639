"""Texts of regular tokens that a model finds improbable: it draws them itself, at a high temperature.

Improbable canaries are remembered best (Meeus et al. 2025, arXiv:2502.14921). They are made of tokens that every text
may hold, because an adapter does not train the embeddings that new tokens would need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import LogitsProcessorList, SuppressTokensLogitsProcessor, TemperatureLogitsWarper

from mnemoscope.errors import ModelError
from mnemoscope.models.load import body_and_head
from mnemoscope.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mnemoscope.models.load import LanguageModel

BATCH = 32
TRIES = 50
"""Batches drawn at most for each batch that is wanted."""


def perplexing_texts(lm: LanguageModel, n: int, tokens: int, seed: int, *, temperature: float = 1.7) -> list[str]:
    """`n` different texts of `tokens` tokens each, drawn from the model after its start token.

    Kept are those that the tokenizer cuts into the very tokens that were drawn. They are one line of printable
    characters, begin and end with one that is no space, and hold no special token. Temperature and forbidden tokens
    are applied as transformers does, without top-k or top-p.

    Args:
        lm: the model, without an adapter.
        n: how many texts; none is drawn for 0.
        tokens: of each text.
        seed: of the draw.
        temperature: logits are divided by it; above 1 words come that the model does not expect.

    Raises:
        ModelError: nearly all that the model draws is cut into other tokens.
    """
    if not n:
        return []
    warp = LogitsProcessorList(
        [TemperatureLogitsWarper(temperature), SuppressTokensLogitsProcessor(_irregular(lm), device=str(lm.device))]
    )
    generator = torch.Generator().manual_seed(derive(seed, "perplexing"))
    found: dict[str, None] = {}
    for _ in range(TRIES * -(-n // BATCH)):
        if len(found) >= n:
            break
        found |= dict.fromkeys(_kept(lm, _draw(lm, BATCH, tokens, warp, generator)))
    if len(found) < n:
        raise ModelError(
            f"only {len(found)} of {n} perplexing texts of {lm.name} keep their tokens when read again: "
            "ask for fewer or shorter ones, or for other kinds of canaries"
        )
    return list(found)[:n]


def _irregular(lm: LanguageModel) -> list[int]:
    """Tokens that may not come: special ones, parts of characters, and what is not printable in one line."""
    coded = lm.model.config.vocab_size
    known = len(lm.tokenizer)
    texts = lm.tokenizer.batch_decode([[i] for i in range(min(known, coded))], clean_up_tokenization_spaces=False)
    special = set(lm.tokenizer.all_special_ids) | set(lm.tokenizer.added_tokens_decoder)
    bad = [i for i, text in enumerate(texts) if i in special or not text.isprintable() or "\ufffd" in text or not text]
    return [*bad, *range(known, coded)]  # a model may have more rows than its tokenizer has tokens


@torch.inference_mode()
def _draw(
    lm: LanguageModel, n: int, tokens: int, warp: LogitsProcessorList, generator: torch.Generator
) -> NDArray[np.int64]:
    """Token ids without the start token, shape (n, tokens)."""
    body, head = body_and_head(lm.model)
    ids = torch.full((n, 1), lm.start_id, device=lm.device)
    cache = None
    for _ in range(tokens):
        output = body(input_ids=ids[:, -1:], past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        logits = head(output.last_hidden_state[:, -1]).float()  # (n, V)
        warped: torch.Tensor = warp(ids, logits)  # type: ignore[arg-type]  # its types are of an older torch
        # drawn on the CPU, whose generator is the same on every machine
        chosen = torch.multinomial(warped.softmax(-1).cpu(), 1, generator=generator)
        ids = torch.cat([ids, chosen.to(lm.device)], dim=1)
    return np.asarray(ids[:, 1:].cpu().numpy(), dtype=np.int64)


def _kept(lm: LanguageModel, drawn: NDArray[np.int64]) -> list[str]:
    """The texts of those rows that come back from their text."""
    texts = lm.tokenizer.batch_decode(drawn.tolist(), clean_up_tokenization_spaces=False)
    again = lm.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    rows = zip(texts, again, drawn.tolist(), strict=True)
    return [text for text, ids, own in rows if ids == own and text == text.strip()]
