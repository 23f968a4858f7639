"""Packed rows: every record once, apart from its neighbours, with the loss and the gradients of padded rows."""

from __future__ import annotations

import importlib
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model_state_dict
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MptConfig,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
)

from mnemoscope import models
from mnemoscope.models import batches
from mnemoscope.models.loss import summed_loss

SMALL = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SMALL, "intermediate_size": 48, "num_key_value_heads": 2}
CONFIGS = {
    "llama": LlamaConfig(**WIDE),
    "qwen2": Qwen2Config(**WIDE),
    "mistral, a window of 4": MistralConfig(**WIDE, sliding_window=4),
    "qwen3": Qwen3Config(**WIDE, head_dim=8),
    "neox": GPTNeoXConfig(**SMALL, intermediate_size=48),
    "gpt2": GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=256),
}
APART = {
    "bloom": BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4),  # its bias follows the mask
    "mpt": MptConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=4),
    "mamba": MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4),  # carries a state along
    "opt": OPTConfig(**SMALL, ffn_dim=48, word_embed_proj_dim=32, max_position_embeddings=256),  # its mask is its own
}


def slots(lengths, seed=0):
    """Training slots of these lengths, their start token counted."""
    rng = np.random.default_rng(seed)
    return [{"input_ids": [0, *map(int, rng.integers(1, 97, n - 1))]} for n in lengths]


def made(config, attention="eager"):
    torch.manual_seed(1)
    how = {} if config.model_type == "mamba" else {"attn_implementation": attention}
    model = AutoModelForCausalLM.from_config(config, **how)
    return SimpleNamespace(model=model.eval(), device=torch.device("cpu"))


def records_in(batch):
    """The records of a packed batch, cut where positions begin anew; padding has no labels and is left out."""
    for ids, positions, labels in zip(batch["input_ids"], batch["position_ids"], batch["labels"], strict=True):
        starts = [*np.flatnonzero(positions.numpy() == 0), len(ids)]
        for i, (start, end) in enumerate(itertools.pairwise(starts)):
            last = i == len(starts) - 2
            if last and end - start > 1 and (labels[start + 1 : end] == -100).all():
                continue
            yield ids[start:end].tolist(), labels[start:end].tolist(), positions[start:end].tolist()


@given(st.lists(st.integers(2, 300), min_size=1, max_size=70))
@settings(max_examples=100, deadline=None)
def test_every_record_stands_in_one_row(lengths):
    """Each record is there once and whole, its positions count from 0, and all but its start token is a label."""
    rows = slots(lengths)
    found = [entry for entry in records_in(batches.pack(rows)) if len(entry[0]) > 1]
    assert sorted(ids for ids, _, _ in found) == sorted(row["input_ids"] for row in rows)
    for ids, labels, positions in found:
        assert labels == [-100, *ids[1:]]
        assert positions == list(range(len(ids)))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=70))
@settings(max_examples=100, deadline=None)
def test_a_row_is_no_longer_than_it_must_be(lengths):
    """The rows differ by no more than the longest record, and hold as much as it and as ROW, if there are two."""
    batch = batches.pack(slots(lengths))
    rows, width = batch["input_ids"].shape
    longest, total = max(lengths), sum(lengths)
    assert rows * width - total <= (rows - 1) * longest
    assert width <= total // rows + longest
    assert rows == 1 or total / rows >= max(batches.ROW, longest)
    assert int((batch["labels"] != -100).sum()) == total - len(lengths)


def test_packing_by_hand():
    """Lengths 60, 50, 40, 30, 80, 19 with rows of 128 at least: two rows, 80 + 40 + 19 and 60 + 50 + 30."""
    batch = batches.pack(slots([60, 50, 40, 30, 80, 19]))
    assert batch["input_ids"].shape == (2, 140)
    assert [int(n) for n in (batch["position_ids"] == 0).sum(1)] == [4, 3]  # the first row ends in padding
    assert (batch["labels"] != -100).sum(1).tolist() == [79 + 39 + 18, 59 + 49 + 29]
    assert batch["position_ids"][0, 120:].tolist() == [*range(19), 0]


def test_as_many_rows_as_the_records_fill():
    """16 records of 50 tokens fill 4 rows of 200; in 6 rows, as many as 128 tokens a row allow, 100 places are empty.

    Six rows of 60, 60 and 60 are full, and shorter, so that attention costs less than in fewer rows.
    """
    assert batches.pack(slots([50] * 16))["input_ids"].shape == (4, 200)
    assert batches.pack(slots([60] * 18))["input_ids"].shape == (6, 180)


def test_sentences_leave_little_padding():
    """Batches of 16 sentences, whose padded form would be half padding, are at most a tenth padding."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        lengths = np.maximum(3, rng.gamma(4, 7.5, 16).astype(int))
        assert batches.pack(slots(lengths))["input_ids"].numel() < 1.1 * lengths.sum()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_are_those_of_padded_rows(name, attention):
    """A packed batch has the loss and the gradients of the padded one, in every architecture that packs."""
    lm = made(CONFIGS[name], attention)
    assert batches.packs(lm)
    rows = slots([2, 40, 90, 31, 7, 64, 1, 25])
    for weight in lm.model.get_output_embeddings().parameters():
        weight.requires_grad_(False)  # tied or not, the output layer is frozen in fine-tuning
    named = {name: weight for name, weight in lm.model.named_parameters() if weight.requires_grad}
    results = []
    for make in (batches.pad, batches.pack):
        loss = summed_loss(lm.model, make(rows))
        results.append((loss.item(), torch.autograd.grad(loss, list(named.values()), allow_unused=True)))
    (padded, want), (packed, got) = results
    assert packed == pytest.approx(padded, rel=1e-5)
    for weight, one, other in zip(named, want, got, strict=True):
        if one is not None:
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * float(one.abs().max()), msg=weight)


@pytest.mark.parametrize("name", APART)
def test_a_model_that_mixes_records_does_not_pack(name):
    """Architectures whose records would see the one before keep them in rows of their own."""
    assert not batches.packs(made(APART[name]))


@pytest.mark.parametrize("fault", ["sees its neighbours", "counts on"])
def test_a_model_that_ignores_positions_does_not_pack(fault):
    """Seen: a record that attends to the one before it, and one whose learnt positions count on from it."""
    lm = made(CONFIGS["gpt2"])
    real = lm.model.transformer.forward

    def body(input_ids, position_ids, **options):
        if fault == "counts on":  # each record masked off, as it should be, but at the positions of the row
            shifted = lm.model.transformer.wpe.weight
            lengths = torch.arange(input_ids.shape[1])
            plus = shifted[lengths] - shifted[position_ids[0]]
            embedded = lm.model.transformer.wte(input_ids) + plus
            return real(inputs_embeds=embedded, position_ids=position_ids, **options)
        return real(input_ids=input_ids, **options)

    lm.model.transformer.forward = body
    assert not batches.packs(lm)


def test_looking_leaves_the_model_and_the_draws_alone(opened):
    """`packs` neither draws random numbers nor leaves the model in another mode."""
    lm = opened()
    models.add_lora(lm, matrices=("q",), rank=2, alpha=2, dropout=0.5, seed=1)
    for mode in (True, False):
        lm.model.train(mode)
        before = torch.random.get_rng_state()
        assert batches.packs(lm)
        assert lm.model.training is mode
        assert torch.equal(before, torch.random.get_rng_state())


def test_training_is_the_same_packed_or_padded(train, tmp_path, monkeypatch):
    """Without dropout, a model that does not pack gets the same adapter, but for rounding."""
    module = importlib.import_module("mnemoscope.models.finetune")
    found = []
    for able in (True, False):
        monkeypatch.setattr(module, "packs", lambda _, able=able: able)
        lm, steps = train(tmp_path / "work", tmp_path / "out", dropout=0, batch_size=7)
        found.append((get_peft_model_state_dict(lm.model), [step.loss for step in steps]))
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)
    for name, value in found[1][0].items():
        assert float((found[0][0][name] - value).norm()) < 1e-4 * float(value.norm()), name
