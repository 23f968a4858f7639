"""Causal-LM loss without the logits of a whole batch.

The output layer is frozen in LoRA fine-tuning, so the gradient of the loss with respect to the hidden states can be
taken chunk by chunk in the forward pass: a batch x tokens x vocabulary tensor in float32 is never held. (torch's own
linear_cross_entropy sums a bfloat16 loss in bfloat16 when it chunks, which is off in the second digit.)
"""

from __future__ import annotations

from typing import Any

import torch

from mnemoscope.models.columns import few
from mnemoscope.models.load import body_and_head

IGNORED = -100
"""The label that is left out of the loss, as in torch."""

ROWS = (256, 2048)
"""Tokens whose logits are held at once on a CPU and on a GPU: enough to keep the matrix product efficient, 50 and
400 MB for a 50k vocabulary."""


def summed_loss(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sum of the cross-entropy over all labelled tokens of the batch, nats; the token at t is predicted from t - 1."""
    body, head = body_and_head(model)
    hidden = body(**{name: value for name, value in batch.items() if name != "labels"}, use_cache=False)
    labels = batch["labels"][:, 1:]
    told = labels != IGNORED
    loss: torch.Tensor = _Chunked.apply(hidden.last_hidden_state[:, :-1][told], head, labels[told])  # type: ignore[no-untyped-call]
    return loss


class _Chunked(torch.autograd.Function):
    """Sum of cross_entropy(head(hidden), labels); hidden (N, D), labels (N,)."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: Any, labels: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), device=hidden.device)
        gradients = [hidden.new_zeros((0, hidden.shape[1]))]
        rows = ROWS[hidden.device.type == "cuda"]
        for chunk, truth in zip(torch.split(hidden.detach(), rows), torch.split(labels, rows), strict=True):
            with torch.enable_grad():
                leaf = chunk.requires_grad_()
                logits = head(leaf)
            slope = logits.detach()
            total += _cross_entropy(slope, truth)
            gradients += torch.autograd.grad(logits, leaf, slope)
        ctx.save_for_backward(torch.cat(gradients))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return ctx.saved_tensors[0] * gradients[0], None, None


def _cross_entropy(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy, nats; the logits (n, V) are written over by its gradient, softmax less 1 at the true token.

    In place, because a fresh tensor of that size costs more page faults than arithmetic; a few tokens at a time, which
    stay in a CPU's cache; in float32.
    """
    loss = torch.zeros((), device=logits.device)
    for some, true in few(logits, truth):
        slope = some.float()  # `some` itself where it is float32 already
        logsumexp = slope.logsumexp(1, keepdim=True)
        loss += (logsumexp - slope.gather(1, true[:, None])).sum()
        slope.sub_(logsumexp).exp_().scatter_add_(1, true[:, None], torch.full_like(logsumexp, -1))
        some.copy_(slope)
    return loss
