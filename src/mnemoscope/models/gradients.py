"""The norm of each record's own gradient, for a batch of records in one backward pass.

A LoRA matrix W that maps a to W a has, for one record, the gradient sum over its tokens of g a^T, where g is the
gradient of the record's loss with respect to W a. Records do not see each other inside a batch, so one backward pass
of the summed loss gives every record's g, and the a are what went into the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import get_peft_model_state_dict

from mnemoscope.errors import ModelError
from mnemoscope.models.batches import pad
from mnemoscope.models.forward import Tick, each_batch, plan_batches
from mnemoscope.models.loss import summed_loss

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.models.tokens import Tokens
    from mnemoscope.records import Scores

PLAIN = (".lora_A.weight", ".lora_B.weight")
"""How PEFT ends the names of an adapter's weights where it is LoRA on linear layers and nothing more."""


def gradient_norms(lm: LanguageModel, tokens: Tokens, tick: Tick = lambda _: None) -> Scores:
    """L2 norm, over all weights of the adapter, of the gradient of each record's mean loss.

    Nats a token per unit of weight, >= 0, shape (n_records,); masked where a record has no token. A record that the
    model has learnt has a flat loss, so members tend to the lower norms (GradNorm_x in LoRA-Leak, arXiv:2507.18302).
    Dropout is off, and neither weights nor their `requires_grad` and `grad` change.

    Raises:
        ModelError: there is no adapter, it is not plain LoRA on linear layers, or a record does not fit into memory.
    """
    matrices = _matrices(lm)
    plan = plan_batches(tokens.lengths, device=lm.device)
    norms = np.zeros(len(tokens))
    with _evaluating(lm.model):
        for rows, found in each_batch(tokens, plan, lambda ids: _batch(lm, matrices, ids), tick):
            norms[list(rows)] = found
    return np.ma.masked_array(norms, mask=tokens.lengths == 0)


def _matrices(lm: LanguageModel) -> list[Any]:
    """The linear modules A and B of the active adapter, in model order; together they hold all its weights."""
    if not hasattr(lm.model, "peft_config"):
        raise ModelError(f"{lm.name} has no adapter whose gradient could be taken: give one with --adapter")
    config = lm.model.active_peft_config
    names = list(get_peft_model_state_dict(lm.model, save_embedding_layers=False))
    ends = tuple(f".lora_{side}.{lm.model.active_adapter}" for side in "AB")
    found = [module for name, module in lm.model.named_modules() if name.endswith(ends)]
    variants = any(getattr(module, "lora_variant", None) for module in lm.model.modules())
    if variants or len(found) != len(names) or not all(name.endswith(PLAIN) for name in names):
        raise _not_plain(str(getattr(config.peft_type, "value", config.peft_type)))
    return found


def _not_plain(kind: str) -> ModelError:
    return ModelError(
        f"a record's gradient is known for plain LoRA on linear layers that are switched on, and this {kind} adapter "
        "is something else: leave out the attacks that need the gradient"
    )


def _batch(lm: LanguageModel, matrices: list[Any], ids: list[NDArray[np.int32]]) -> NDArray[np.float64]:
    """Norms of some records, shape (B,)."""
    rows = pad([{"input_ids": [lm.start_id, *map(int, row)]} for row in ids])
    batch = {name: value.to(lm.device) for name, value in rows.items()}
    squares = torch.zeros(len(ids), dtype=torch.float64, device=lm.device)
    watched = [_Watched(matrix, batch["input_ids"].numel(), squares) for matrix in matrices]
    with _hooks(lm, watched) as embedded, torch.enable_grad():
        loss = summed_loss(lm.model, batch)
        torch.autograd.grad(loss, embedded)  # only towards the embedding: no weight's gradient is worked out or kept
    if any(one.times != 1 for one in watched):
        raise _not_plain("LORA")
    # a record's weights in the sum are all 1 where its mean has 1 / n
    norms: NDArray[np.float64] = squares.sqrt().cpu().numpy() / [len(row) for row in ids]
    return norms


class _Watched:
    """A linear module that adds the squared norm of each record's gradient of its weight to `squares` (B,)."""

    def __init__(self, module: Any, places: int, squares: torch.Tensor) -> None:
        self.module, self.places, self.squares, self.times = module, places, squares, 0

    def forward(self, _: Any, given: tuple[torch.Tensor, ...], product: torch.Tensor) -> None:
        read = given[0].detach()
        if read.numel() != self.places * read.shape[-1]:  # experts and output layers see only some of the tokens
            raise _not_plain("LORA")
        product.register_hook(lambda gradient: self.backward(read, gradient))  # type: ignore[no-untyped-call]

    def backward(self, read: torch.Tensor, gradient: torch.Tensor) -> None:
        self.times += 1
        n = len(self.squares)  # some architectures lay all tokens in one row: (B * T, d) for (B, T, d)
        a, g = read.reshape(n, -1, read.shape[-1]).float(), gradient.reshape(n, -1, gradient.shape[-1]).float()
        self.squares += torch.bmm(g.mT, a).square().sum((1, 2), dtype=torch.float64)  # padding has g = 0


@contextmanager
def _hooks(lm: LanguageModel, watched: list[_Watched]) -> Iterator[list[torch.Tensor]]:
    """Inside, the matrices are watched, and the list holds the embedded tokens once the model has read them."""
    embedded: list[torch.Tensor] = []

    def root(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    handles = [one.module.register_forward_hook(one.forward) for one in watched]
    handles.append(lm.model.get_input_embeddings().register_forward_hook(root))
    try:
        yield embedded
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
