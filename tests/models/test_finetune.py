"""Fine-tuning: what is trained on, in which order, and that the way it is cut up changes nothing."""

from __future__ import annotations

import importlib
import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model_state_dict

from mnemoscope import models
from mnemoscope.matrices import MATRICES
from mnemoscope.models.batches import pad
from mnemoscope.models.callbacks import perplexity
from mnemoscope.records import TrainingStep

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


@pytest.fixture(name="module")
def finetune_module():
    """The module of `models.finetune`, which the function of the same name hides."""
    return importlib.import_module("mnemoscope.models.finetune")


@pytest.fixture(name="seen")
def seen_batches(module, monkeypatch):
    """The records of every micro-batch, in order: `train_tiny` begins record i with token 3 + i."""
    batches, real = [], module.pack

    def pack(rows):
        batches.append([row["input_ids"][1] - 3 for row in rows])
        return real(rows)

    monkeypatch.setattr(module, "pack", pack)
    return batches


def weights_of(lm):
    return {name: tensor.numpy() for name, tensor in get_peft_model_state_dict(lm.model).items()}


def adapter_bytes(folder):
    return (folder / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("n", "batch", "epochs", "steps"),
    [(12, 4, 1, 3), (13, 4, 1, 4), (13, 4, 3, 12), (3, 8, 2, 2), (10, 4, 2.5, 8), (12, 4, 0.5, 2), (1, 64, 0.1, 1)],
)
def test_total_steps_by_hand(n, batch, epochs, steps):
    """An epoch has as many steps as batches, the short last one counted; a part of a step is a step."""
    assert models.total_steps(n, batch, epochs) == steps


@pytest.mark.parametrize(
    ("steps", "wanted", "given"),
    [
        (1000, 100, 100),
        (201, 100, 100),
        (200, 100, 20),
        (60, 100, 6),
        (4, 100, 0),
        (6, 100, 1),
        (1, 100, 0),
        (10, 0, 0),
    ],
)
def test_warmup_by_hand(steps, wanted, given):
    """Warm-up is what was asked for where that is under half the run, else a tenth of the run."""
    assert models.warmup(steps, wanted) == given


@pytest.mark.parametrize(
    ("n", "length", "batch", "device", "parts"),
    [
        (64, 50, 64, CPU, 4),  # 3200 tokens: 3.2 parts of 1000, and 4 is the next divisor of 64
        (64, 30, 64, CPU, 2),  # 1920 tokens: 1.9
        (64, 15, 64, CPU, 1),  # 960 tokens: 0.96
        (128, 1000, 8, CPU, 8),  # a part is at least a record
        (64, 40, 64, CUDA, 1),  # 2560 tokens: 0.3 parts of 8192
        (65, 60, 64, CPU, 1),  # a record is left over, and it cannot be cut in two
        (66, 60, 64, CPU, 2),
        (67, 60, 64, CPU, 2),  # three left would fill 3 parts, but 3 does not divide 64
        (5, 400, 8, CPU, 4),  # the only batch holds 5
    ],
)
def test_micro_batches_by_hand(n, length, batch, device, parts):
    """A part holds up to 1000 tokens on a CPU and 8192 on a GPU; parts divide the batch, and none is left empty."""
    assert models.micro_batches(np.full(n, length), batch, device=device) == parts


@given(st.integers(1, 300), st.integers(1, 80), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_micro_batches_leave_no_part_empty(n, batch, length):
    """The number of parts divides the batch and is never above the records of any batch of an epoch."""
    parts = models.micro_batches(np.full(n, length), batch, device=CPU)
    assert batch % parts == 0
    assert all(min(batch, n - start) >= parts for start in range(0, n, batch))


@pytest.mark.parametrize(("n", "batch"), [(14, 4), (13, 4), (9, 4), (3, 8), (1, 4), (11, 6), (8, 4)])
def test_an_epoch_holds_every_record_once(seen, opened, tmp_path, n, batch):
    """Each epoch trains on every record exactly once, however uneven its last batch is."""
    lm = opened()
    # long records, so that the batch is really cut into parts
    rows = models.rows_of([np.full(400, 3 + i, dtype=np.int32) for i in range(n)])
    parts = models.micro_batches(rows.lengths, batch, device=CPU)
    models.add_lora(lm, matrices=("q",), rank=1, alpha=2, dropout=0, seed=1)
    recipe = models.Recipe(1e-3, batch, parts, epochs=2, warmup_steps=0, save_steps=99, seed=3)
    steps = models.finetune(lm, rows, rows.take([]), recipe, work=tmp_path / "work", out=tmp_path / "out", facts={})
    flat = [record for part in seen for record in part]
    assert Counter(flat[:n]) == Counter(flat[n:]) == Counter(range(n))
    assert len(steps) == models.total_steps(n, batch, 2)


def test_asked_micro_batches_do_not_repeat_records(seen, train, tmp_path):
    """A number of micro-batches that the user gives does not change which records are trained on."""
    parts = models.micro_batches(np.full(14, 30), 4, device=CPU, wanted=4)  # 14 records in batches of 4: 2 are left
    assert parts == 2
    train(tmp_path / "work", tmp_path / "out", micro_batches=parts, epochs=1)
    assert Counter(record for part in seen for record in part) == Counter(range(14))


def test_two_seeds_give_two_orders(seen, train, tmp_path):
    """Equal seeds draw the batches in one order, two seeds in two, and two epochs differ."""
    orders = []
    for i, seed in enumerate((5, 5, 6)):
        seen.clear()
        train(tmp_path / f"work{i}", tmp_path / f"out{i}", seed=seed)
        orders.append([list(part) for part in seen])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][: len(orders[0]) // 3] != orders[0][len(orders[0]) // 3 : 2 * len(orders[0]) // 3]


def test_equal_seeds_give_equal_adapters(train, tmp_path):
    """Equal seeds give the same bytes, dropout included; another seed gives others."""
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        torch.rand(3)  # what was drawn before does not matter
        train(tmp_path / "work", tmp_path / name, seed=seed)
    assert adapter_bytes(tmp_path / "a") == adapter_bytes(tmp_path / "b")
    assert adapter_bytes(tmp_path / "a") != adapter_bytes(tmp_path / "c")
    for name in ("adapter_config.json", "mnemoscope.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_micro_batches_do_not_matter(train, tmp_path):
    """One, two and four micro-batches give the same adapter and the same losses but for rounding."""
    found = []
    for parts in (1, 2, 4):  # batches of 8 and 6
        lm, steps = train(tmp_path / "work", tmp_path / "out", micro_batches=parts, dropout=0, batch_size=8, epochs=4)
        found.append((weights_of(lm), [step.loss for step in steps]))
    for weights, losses in found[1:]:
        assert losses == pytest.approx(found[0][1], rel=1e-5)
        for name, value in found[0][0].items():
            residual = weights[name] - value
            assert np.linalg.norm(residual) < 1e-5 * np.linalg.norm(value), name
            assert abs(residual.mean()) < 1e-5 * np.abs(value).mean(), name


def test_training_does_what_it_says(train, tmp_path):
    """The loss is the mean cross-entropy of the step's tokens, and falls; the rate warms up and decays to nothing."""
    _, steps = train(tmp_path / "work", tmp_path / "out", dropout=0, epochs=6)
    assert [step.step for step in steps] == list(range(1, 25))
    assert steps[-1].epoch == 6
    assert steps[-1].loss < 0.9 * steps[0].loss
    # warm-up of 2 to 1e-2, then linear over the other 22; a step is logged with the rate it was made with
    assert [step.learning_rate for step in steps[:4]] == pytest.approx([0, 5e-3, 1e-2, 1e-2 * 21 / 22])
    assert steps[-1].learning_rate == pytest.approx(1e-2 / 22)
    assert not (tmp_path / "work").exists()


def test_the_first_loss_is_that_of_the_base(opened, train, tmp_path):
    """Before any step the adapter does nothing, so the first loss is the base model's over all tokens of the batch."""
    _, steps = train(tmp_path / "work", tmp_path / "out", dropout=0.1, batch_size=14)
    rows = models.rows_of([np.arange(3 + i, 9 + i + 5 * (i % 3), dtype=np.int32) for i in range(14)])
    traces, _ = models.trace(opened(), rows, models.plan_batches(rows.lengths))
    assert steps[0].loss == pytest.approx(-traces.columns["logprob"].astype(np.float64).mean(), rel=1e-5)


def test_padding_is_masked_by_length():
    """The pad token inside a record is trained on like any other; padding and start tokens are not."""
    batch = pad([{"input_ids": [0, 5, 1, 6, 1]}, {"input_ids": [0, 1]}])  # 1 is end and pad token
    assert batch["labels"].tolist() == [[-100, 5, 1, 6, 1], [-100, 1, -100, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch["input_ids"][0].tolist() == [0, 5, 1, 6, 1]


def test_a_record_of_end_tokens_is_learnt(opened, tmp_path):
    """A model trained on end tokens, which are its pad tokens too, learns to give them."""
    lm, rows = opened(), models.rows_of([np.array([7, 1, 1, 1, 1, 1], np.int32)] * 4)
    models.add_lora(lm, matrices=MATRICES, rank=4, alpha=16, dropout=0, seed=1)
    recipe = models.Recipe(1e-2, 4, 2, epochs=20, warmup_steps=0, save_steps=99, seed=3)
    steps = models.finetune(lm, rows, rows.take([]), recipe, work=tmp_path / "work", out=tmp_path / "out", facts={})
    assert steps[-1].loss < steps[0].loss / 3
    (new,) = models.generate(lm, [np.array([7], np.int32)], [5])
    assert new.tolist() == [1] * 5


def test_heldout_perplexity_at_the_end_of_every_epoch(opened, train, tmp_path):
    """The perplexity of the held-out records stands in the last step of each epoch, and is that of their trace."""
    lm, steps = train(tmp_path / "work", tmp_path / "out")
    assert [step.step for step in steps if step.heldout_perplexity is not None] == [4, 8, 12]
    rows = models.rows_of([np.arange(3, 9, dtype=np.int32), np.arange(8, 24, dtype=np.int32)])
    other = opened()
    models.attach(other, tmp_path / "out")
    traces, _ = models.trace(other, rows, models.plan_batches(rows.lengths))
    want = np.exp(-traces.columns["logprob"].astype(np.float64).mean())
    assert perplexity(lm, rows) == pytest.approx(want, rel=1e-6)
    train(tmp_path / "work", tmp_path / "half", epochs=0.5)


def test_heldout_perplexity_in_a_broken_epoch(train, tmp_path):
    """A whole epoch ends with a measurement also where the training goes on for a part of another."""
    _, steps = train(tmp_path / "work", tmp_path / "out", epochs=1.1)
    assert [step.step for step in steps if step.heldout_perplexity is not None] == [4, 5]


def test_measuring_does_not_change_the_training(opened, tmp_path):
    """Training with and without held-out records gives the same adapter bit for bit, dropout included."""
    rows = models.rows_of([np.arange(3 + i, 12 + i, dtype=np.int32) for i in range(10)])
    recipe = models.Recipe(1e-2, 4, 2, epochs=3, warmup_steps=1, save_steps=99, seed=3)
    for name, heldout in (("with", rows.take([0, 3])), ("without", rows.take([]))):
        lm = opened()
        models.add_lora(lm, matrices=("q", "v"), rank=2, alpha=4, dropout=0.3, seed=1)
        steps = models.finetune(lm, rows, heldout, recipe, work=tmp_path / "work", out=tmp_path / name, facts={})
        assert any(step.heldout_perplexity for step in steps) == (name == "with")
        assert not lm.model.training
    assert adapter_bytes(tmp_path / "with") == adapter_bytes(tmp_path / "without")


def test_progress_tells_all_tokens_once(train, tmp_path):
    """The ticks of a training add up to its tokens but for rounding, and every loss is told."""
    done, notes = [], []

    def tick(tokens, note=None):
        done.append(tokens)
        notes.extend([note] * (note is not None))

    _, steps = train(tmp_path / "work", tmp_path / "out", tick=tick)
    total = 3 * sum(6 + 5 * (i % 3) for i in range(14))
    assert sum(done) == pytest.approx(total, abs=len(steps))
    assert notes == [f"loss {step.loss:.3f}" for step in steps]


def test_the_adapter_says_how_it_was_trained(train, tmp_path, json_of):
    """The folder holds the facts that were given, and neither checkpoints nor pickles."""
    train(tmp_path / "work", tmp_path / "out")
    facts = json_of(tmp_path / "out" / "mnemoscope.json")
    assert (facts["matrices"], facts["seed"]) == (["q", "v"], 5)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_history_by_hand(module):
    """One row an optimizer step, with the perplexity measured at it; other entries of the log are left out."""
    log = [
        {"step": 1, "epoch": 0.5, "loss": 3.0, "grad_norm": 1.0, "learning_rate": 0.1},
        {"step": 2, "heldout_perplexity": 9.0},
        {"step": 2, "epoch": 1.0, "loss": 2.0, "grad_norm": 1.0, "learning_rate": 0.05},
        {"step": 2, "epoch": 1.0, "train_loss": 2.5, "train_runtime": 1.0},
    ]
    assert module.history(json.loads(json.dumps(log))) == [
        TrainingStep(1, 0.5, 3.0, 0.1, None),
        TrainingStep(2, 1.0, 2.0, 0.05, 9.0),
    ]


def test_the_device_is_the_models(module, train, tmp_path, monkeypatch):
    """A model opened on the CPU is trained there, also on a machine that has a GPU."""

    class Asked(Exception):
        pass

    def arguments(**options):
        raise Asked(options["use_cpu"])

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module, "TrainingArguments", arguments)
    with pytest.raises(Asked) as caught:
        train(tmp_path / "work", tmp_path / "out")
    assert caught.value.args == (True,)
