"""The loss in chunks against the loss of transformers and plain autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnemoscope import models
from mnemoscope.matrices import MATRICES
from mnemoscope.models import columns
from mnemoscope.models import loss as chunked
from mnemoscope.models.batches import pad


@pytest.fixture(name="adapted")
def adapted_model(opened, perturb):
    """A model whose adapter does something, in training mode without dropout."""
    lm = opened()
    models.add_lora(lm, matrices=MATRICES, rank=3, alpha=6, dropout=0, seed=4)
    return perturb(lm, scale=0.2).model.train()


def batch_of(rows, lengths):
    return pad([{"input_ids": [0, *map(int, ids)]} for ids in rows(lengths).ids])


def gradients(model, value):
    """Gradients of all LoRA matrices."""
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return dict(zip(named, torch.autograd.grad(value, list(named.values())), strict=True))


@pytest.mark.parametrize(("chunk", "cached"), [(1, 1), (7, 10**6), (160, 600), (160, 10**6)])
def test_value_and_gradient_are_those_of_autograd(adapted, rows, monkeypatch, chunk, cached):
    """The summed loss is transformers' mean times the labelled tokens, and so are its gradients, for any chunk."""
    monkeypatch.setattr(chunked, "ROWS", (chunk, chunk))
    monkeypatch.setattr(columns, "CACHED", cached)
    batch = batch_of(rows, [9, 1, 14, 5])
    n = int((batch["labels"] != -100).sum())
    assert n == 29  # 9 + 1 + 14 + 5: every token of every record, start tokens and padding left out
    plain = adapted(**batch).loss * n
    ours = chunked.summed_loss(adapted, batch)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    want, got = gradients(adapted, plain), gradients(adapted, ours)
    assert want.keys() == got.keys()
    for name, gradient in want.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(got[name], gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))


def test_a_scaled_loss_has_scaled_gradients(adapted, rows):
    """Dividing the sum by the tokens of the effective batch divides its gradients."""
    batch = batch_of(rows, [6, 8])
    once = gradients(adapted, chunked.summed_loss(adapted, batch))
    tenth = gradients(adapted, chunked.summed_loss(adapted, batch) / 10)
    for name, gradient in once.items():
        torch.testing.assert_close(tenth[name] * 10, gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))


def test_the_loss_is_the_sum_of_its_records(adapted, rows):
    """Records in one batch have the loss of the same records apart: padding counts nothing."""
    drawn = rows([3, 17, 8]).ids
    alone = [chunked.summed_loss(adapted, pad([{"input_ids": [0, *map(int, ids)]}])).item() for ids in drawn]
    assert chunked.summed_loss(adapted, batch_of(rows, [3, 17, 8])).item() == pytest.approx(sum(alone), rel=1e-5)


def test_the_loss_is_what_the_trace_measures(opened, rows):
    """The summed loss of a record is minus the sum of its traced log-probabilities."""
    lm, tokens = opened(), rows([5, 12])
    traces, _ = models.trace(lm, tokens, ((0, 1),))
    with torch.no_grad():
        loss = chunked.summed_loss(lm.model, batch_of(rows, [5, 12]))
    assert loss.item() == pytest.approx(-float(traces.columns["logprob"].astype(np.float64).sum()), rel=1e-6)


def test_nothing_labelled(adapted):
    """A batch of start tokens alone has loss zero and gradients of zero."""
    value = chunked.summed_loss(adapted, pad([{"input_ids": [0]}, {"input_ids": [0]}]))
    assert value.item() == 0
    assert all(not gradient.any() for gradient in gradients(adapted, value).values())


def test_bfloat16_is_summed_in_float32(opened, rows):
    """In bfloat16 the loss of many tokens is that of the trace to a tenth of a percent: the sum is not rounded."""
    lm, tokens = opened("bfloat16"), rows([60] * 12)
    traces, _ = models.trace(lm, tokens, (tuple(range(12)),))
    with torch.no_grad():
        loss = chunked.summed_loss(lm.model, batch_of(rows, [60] * 12))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(-float(traces.columns["logprob"].astype(np.float64).sum()), rel=1e-3)
