"""A local model as the judge of reformulation: no sampling, one forward pass a batch of questions.

The answer is read off the distribution of the next token, so it can always be given, is the same every time, and
comes with a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from mnemoscope.errors import ModelError
from mnemoscope.models.forward import each_batch, plan_batches
from mnemoscope.models.load import body_and_head
from mnemoscope.models.question import Tick, Verdict, ask
from mnemoscope.models.tokens import rows_of

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel

ANSWER = "\nAnswer:"
"""Ends the question for a model without a chat format, which would otherwise go on with it."""


def judge_local(lm: LanguageModel, pairs: Sequence[tuple[str, str]], tick: Tick = lambda _: None) -> list[Verdict]:
    """What `lm` says of each pair: whether the second text tells the same as the first, in other words or not.

    `same` is the probability of "yes" where only "yes" and "no" are allowed, in the spellings of `answer_ids`.

    Args:
        lm: the judge; its chat format is used where it has one.
        pairs: first and second text, each.
        tick: told the pairs done.

    Raises:
        ModelError: a question is longer than the model reads or does not fit into memory, or yes and no cannot be told
            apart by their first tokens.
    """
    yes, no = answer_ids(lm.tokenizer)
    prompts = [framed(lm.tokenizer, ask(first, second)) for first, second in pairs]
    tokens = rows_of([_ids(lm, prompt) for prompt in prompts])
    _check_context(lm, int(tokens.lengths.max(initial=0)))
    same = np.zeros(len(pairs))
    plan = plan_batches(tokens.lengths, device=lm.device)
    for rows, found in each_batch(tokens, plan, lambda ids: _batch(lm, ids, yes, no), lambda _: None):
        same[list(rows)] = found
        tick(len(rows))
    return [
        Verdict(prompt, "yes" if share > 0.5 else "no", float(share))
        for prompt, share in zip(prompts, same, strict=True)
    ]


def framed(tokenizer: Any, question: str) -> str:
    """The question in the model's chat format, with thinking aloud switched off; else with `ANSWER` after it."""
    if not tokenizer.chat_template:
        return question + ANSWER
    turn = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    return str(text)


def answer_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Tokens that an answer of "yes" or of "no" begins with.

    Lower case, capitalised and upper case, with and without a space before; of these the spellings that are one token,
    or the first tokens where none is. A token that begins both answers tells nothing and is left out.

    Raises:
        ModelError: no token is left for one of them.
    """
    yes, no = _beginnings(tokenizer, "yes"), _beginnings(tokenizer, "no")
    both = yes & no
    if not yes - both or not no - both:
        raise ModelError("the judge's tokenizer cannot tell yes from no by the first token: choose another model")
    return sorted(yes - both), sorted(no - both)


def _beginnings(tokenizer: Any, word: str) -> set[int]:
    spellings = [space + case for space in ("", " ") for case in (word, word.capitalize(), word.upper())]
    coded = [ids for ids in tokenizer(spellings, add_special_tokens=False)["input_ids"] if ids]
    return {ids[0] for ids in coded if len(ids) == 1} or {ids[0] for ids in coded}


def _ids(lm: LanguageModel, prompt: str) -> NDArray[np.int32]:
    """Token ids of the prompt; a chat format brings its own start token."""
    start = [] if lm.tokenizer.chat_template else [lm.start_id]
    ids = lm.tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
    return np.array([*start, *ids], dtype=np.int32)


def _check_context(lm: LanguageModel, longest: int) -> None:
    context = getattr(lm.model.config, "max_position_embeddings", None)
    if context is not None and longest > context:
        raise ModelError(
            f"the longest question to the judge has {longest} tokens, and {lm.name} reads {context}: "
            "choose a judge that reads more"
        )


@torch.inference_mode()
def _batch(lm: LanguageModel, ids: list[NDArray[np.int32]], yes: list[int], no: list[int]) -> NDArray[np.float64]:
    """Probability of yes among yes and no after each prompt, shape (B,).

    Padding stands at the end, where nothing that counts can see it and no place is shifted.
    """
    rows = [torch.from_numpy(row.astype(np.int64)) for row in ids]
    lengths = torch.tensor([len(row) for row in rows])
    inputs = pad_sequence(rows, batch_first=True, padding_value=lm.start_id)  # (B, T)
    mask = (torch.arange(inputs.shape[1]) < lengths[:, None]).long()  # (B, T)
    body, head = body_and_head(lm.model)
    hidden = body(input_ids=inputs.to(lm.device), attention_mask=mask.to(lm.device), use_cache=False).last_hidden_state
    last = hidden[torch.arange(len(rows)), lengths - 1]  # (B, D)
    logits = head(last).double()  # (B, V)
    odds = logits[:, yes].logsumexp(dim=1) - logits[:, no].logsumexp(dim=1)
    return np.asarray(odds.sigmoid().cpu().numpy(), dtype=np.float64)
