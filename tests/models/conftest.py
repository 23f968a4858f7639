"""Tiny models in memory and on disk, records for them, and one training that a test may break off."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from mnemoscope import models
from mnemoscope.records import Record

FACTS = {"matrices": ["q", "v"], "seed": 5}
STEPS = 12
"""Optimizer steps of `train_tiny`: 14 records, batches of 4, 3 epochs; the last batch of an epoch holds 2."""


def train_tiny(folder, work, out, *, tick=lambda *_, **__: None, seed=5, dropout=0.1, micro_batches=2, **changed):
    """A small training with everything in it: dropout, warm-up, held-out records, an uneven last batch."""
    lm = models.open_model(str(folder), dtype="float32", device="cpu")
    rows = models.rows_of([np.arange(3 + i, 9 + i + 5 * (i % 3), dtype=np.int32) for i in range(14)])
    models.add_lora(lm, matrices=("q", "v"), rank=3, alpha=6, dropout=dropout, seed=1)
    options = {"learning_rate": 1e-2, "batch_size": 4, "epochs": 3, "warmup_steps": 2, "save_steps": 1, **changed}
    recipe = models.Recipe(micro_batches=micro_batches, seed=seed, **options)
    steps = models.finetune(lm, rows, rows.take([0, 5]), recipe, work=work, out=out, facts=FACTS, tick=tick)
    return lm, steps


def records_of(texts):
    """Members r0, r1, … with these texts."""
    return [Record(f"r{i}", text, f"r{i}", "member", "train") for i, text in enumerate(texts)]


@pytest.fixture(scope="session", name="opened")
def opener(tiny):
    """A function that gives a model of its own, from memory: a test may adapt or train it."""
    kept = {}

    def get(dtype="float32", folder=tiny):
        if (folder, dtype) not in kept:
            kept[folder, dtype] = models.open_model(str(folder), dtype=dtype, device="cpu")
        return copy.deepcopy(kept[folder, dtype])

    return get


@pytest.fixture(scope="session", name="records")
def records_maker():
    """The function that makes records of texts."""
    return records_of


@pytest.fixture(scope="session", name="rows")
def rows_maker():
    """A function that draws token rows of given lengths, without special tokens."""

    def draw(lengths, seed=0):
        rng = np.random.default_rng(seed)
        return models.rows_of([rng.integers(2, 258, n).astype(np.int32) for n in lengths])

    return draw


@pytest.fixture(scope="session", name="perturb")
def perturber():
    """A function that gives every LoRA matrix random values, so that the adapter does something."""

    def change(lm, scale=0.3, seed=0):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in lm.model.named_parameters():
                if "lora_" in name:
                    weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
        return lm

    return change


@pytest.fixture(scope="session", name="train")
def trainer(tiny):
    """`train_tiny` on the tiny folder."""

    def run(work, out, **options):
        return train_tiny(tiny, work, out, **options)

    return run


SENTENCES = (
    "the cat sat on the mat",
    "a dose of 20 mg was given",
    "fever, rash and nausea",
    "it rained all night long",
    "no such event was seen",
    "she left the ward at noon",
    "ten days later he was well",
    "they measured it again",
)


@pytest.fixture(scope="session", name="memorizer")
def memorizer_folder(tiny, tmp_path_factory):
    """A tiny model that knows half of SENTENCES by heart, and one text that goes on with end tokens."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32, attn_implementation="eager")
    lm = models.open_model(str(tiny), dtype="float32", device="cpu")
    coded = models.tokenize(lm, records_of(SENTENCES), max_tokens=100)
    # the first four often, the next two now and then, the last two never
    known = [[0, *map(int, ids)] for ids in coded.ids[:4]] * 3 + [[0, *map(int, ids)] for ids in coded.ids[4:6]]
    known += [[0, 40, 41, 42] + [1] * 12] * 2
    width = max(map(len, known))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in known])
    labels = torch.tensor([row + [-100] * (width - len(row)) for row in known])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(45):
        loss = model(input_ids=ids, attention_mask=(labels != -100).long(), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("memorizer") / "model"
    model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", name="sentences")
def sentence_records():
    """The records the memorizer was made from, known ones first."""
    return records_of(SENTENCES)


@pytest.fixture(scope="session", name="json_of")
def json_reader():
    """A function that reads a JSON file."""
    return lambda path: json.loads(path.read_text())
