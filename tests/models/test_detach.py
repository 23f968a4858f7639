"""Taking an adapter off: the base is whole again, and the next adapter does not know of the last one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from peft import IA3Config, get_peft_model

from mnemoscope import models
from mnemoscope.matrices import parse_matrices
from mnemoscope.traces import COLUMNS


def state(model):
    """Names, kinds, flags and values of everything a model holds."""
    modules = [(name, type(module), module.training) for name, module in model.named_modules()]
    weights = [(name, weight.requires_grad, weight.grad) for name, weight in model.named_parameters()]
    hooks = [name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks]
    return modules, weights, hooks, model.config.to_dict(), "peft_config" in vars(model)


def same_weights(one, other):
    """Whether two models hold the same bits under the same names."""
    return all(
        name == twin and torch.equal(weight, value)
        for (name, weight), (twin, value) in zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    )


def columns(lm, tokens):
    """All columns of a trace."""
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    return {name: traces.columns[name] for name in COLUMNS}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("matrices", ["q", "all"])
def test_the_base_is_back(opened, rows, perturb, dtype, matrices):
    """After an adapter that did something the model is the opened one again: every name, flag, bit and trace."""
    lm, base, tokens = opened(dtype), opened(dtype), rows([9, 1, 14])
    before, modules = columns(lm, tokens), dict(lm.model.named_modules())
    models.add_lora(lm, matrices=parse_matrices(matrices), rank=4, alpha=8, dropout=0.1, seed=2)
    perturb(lm).model.train()
    lm.model(input_ids=torch.tensor([[0, 5, 6]]), labels=torch.tensor([[0, 5, 6]])).loss.backward()
    assert not np.array_equal(columns(lm, tokens)["logprob"], before["logprob"])
    models.detach(lm)
    assert state(lm.model) == state(base.model)
    assert same_weights(lm.model, base.model)
    assert dict(lm.model.named_modules()) == modules  # the very same objects: nothing was loaded twice
    after = columns(lm, tokens)
    assert all(np.array_equal(after[name], before[name]) for name in COLUMNS)
    assert models.adapter_hash(lm) is None


def test_without_an_adapter_nothing_happens(opened):
    """A model that has none stays the same object."""
    lm = opened()
    model = lm.model
    models.detach(lm)
    assert lm.model is model


def test_another_kind_of_adapter_comes_off(opened, rows):
    """Also an adapter that is no LoRA leaves the base behind."""
    lm, tokens = opened(), rows([6])
    before = columns(lm, tokens)
    lm.model = get_peft_model(
        lm.model, IA3Config(task_type="CAUSAL_LM", target_modules=["v_proj"], feedforward_modules=[])
    )
    models.detach(lm)
    assert np.array_equal(columns(lm, tokens)["logprob"], before["logprob"])
    assert state(lm.model) == state(opened().model)


def test_the_next_adapter_is_a_fresh_one(opened, perturb):
    """Equal seeds draw the adapter that a newly opened model gets; PEFT sees no second one and warns of none."""
    lm, fresh = opened(), opened()
    models.add_lora(lm, matrices=("k", "up"), rank=5, alpha=3, dropout=0.2, seed=9)
    perturb(lm)
    models.detach(lm)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (lm, fresh):
            models.add_lora(one, matrices=("q", "v"), rank=2, alpha=4, dropout=0.1, seed=3)
    assert models.adapter_hash(lm) == models.adapter_hash(fresh)
    assert list(lm.model.peft_config) == ["default"]
    assert state(lm.model)[:3] == state(fresh.model)[:3]
    assert models.trainable_parameters(lm) == models.trainable_parameters(fresh)


def fine_tuned(lm, rows, folder, seed):
    """The files of an adapter trained on `lm`, and how its training went."""
    models.add_lora(lm, matrices=("q", "v"), rank=3, alpha=6, dropout=0.1, seed=seed)
    recipe = models.Recipe(1e-2, 4, 2, 1, 0, 100, seed)
    out = folder / "adapter"
    steps = models.finetune(lm, rows, rows.take([0]), recipe, work=folder / "work", out=out, facts={"seed": seed})
    return {path.name: path.read_bytes() for path in out.iterdir()}, steps


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_training_twice_on_one_base(opened, rows, tmp_path, dtype):
    """A second training on the same loaded base writes, byte for byte, what a newly opened one gets from that seed."""
    used, fresh, slots = opened(dtype), opened(dtype), rows([5, 9, 14, 6, 8, 11])
    first, _ = fine_tuned(used, slots, tmp_path / "first", seed=4)
    models.detach(used)
    second, steps = fine_tuned(used, slots, tmp_path / "second", seed=8)
    want, wanted_steps = fine_tuned(fresh, slots, tmp_path / "fresh", seed=8)
    assert second == want
    assert steps == wanted_steps
    assert first["adapter_model.safetensors"] != second["adapter_model.safetensors"]
    tokens = rows([7, 12], seed=1)
    ours, theirs = columns(used, tokens), columns(fresh, tokens)
    assert all(np.array_equal(ours[name], theirs[name]) for name in COLUMNS)
    models.detach(used)
    assert np.array_equal(columns(used, tokens)["logprob"], columns(opened(dtype), tokens)["logprob"])
