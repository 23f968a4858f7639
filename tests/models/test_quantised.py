"""Weights in 8 and 4 bits: near the full ones and not equal, and all that touches weights works on them."""

from __future__ import annotations

import importlib
import json
import logging
import shutil
import sys

import numpy as np
import pytest
import torch
from transformers import BitsAndBytesConfig

from mnemoscope import models
from mnemoscope.errors import ConfigError, ModelError
from mnemoscope.matrices import MATRICES
from mnemoscope.models import quantised
from mnemoscope.models.loss import summed_loss
from mnemoscope.traces import COLUMNS

bnb = pytest.importorskip("bitsandbytes", reason="bitsandbytes is missing: pip install 'mnemoscope[bits]'")
LENGTHS = [9, 1, 14, 23, 6]
BITS = ("8bit", "4bit")


def opened_in(folder, bits, dtype="float32"):
    """The model, loaded so."""
    return models.open_model(str(folder), dtype=dtype, device="cpu", load_in=bits)


@pytest.fixture(name="fitted")
def fitted_model(tiny):
    """A function that opens the tiny model and puts a fresh adapter on all matrices."""

    def get(bits, dtype="float32", matrices=MATRICES):
        lm = opened_in(tiny, bits, dtype)
        models.add_lora(lm, matrices=matrices, rank=3, alpha=6, dropout=0, seed=2)
        return lm

    return get


def columns(lm, tokens):
    """All columns of a trace."""
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    return {name: traces.columns[name] for name in COLUMNS}


def same(one, other):
    """Whether two traces are equal bit for bit."""
    return all(np.array_equal(one[name], other[name]) for name in COLUMNS)


def base_bytes(lm):
    """The bits of every weight and scale but the adapter's, by name."""
    state = lm.model.state_dict()
    return {n.replace("base_layer.", ""): t.clone() for n, t in state.items() if "lora_" not in n}


def test_fewer_bits_are_farther_off(tiny, rows):
    """8-bit weights give nearly the full log-probabilities and not the same; 4-bit ones are several times farther."""
    tokens = rows(LENGTHS)
    full, eight, four = (columns(opened_in(tiny, bits), tokens)["logprob"] for bits in (None, *BITS))
    near, far = (float(np.abs(found - full).mean()) for found in (eight, four))
    assert 0.001 < near < 0.05
    assert 4 * near < far < 0.5
    assert np.array_equal(columns(opened_in(tiny, "full"), tokens)["logprob"], full)


@pytest.mark.parametrize("bits", BITS)
def test_a_quantised_model_says_what_it_is(tiny, bits):
    """The facts name the bits and count the numbers that packed weights stand for; nothing else is another."""
    full, lm = opened_in(tiny, None), opened_in(tiny, bits)
    assert lm.facts() == {**full.facts(), "load_in": bits}
    assert (lm.load_in, lm.bits, full.load_in, full.bits) == (bits, bits, "full", "full")
    kinds = {type(module) for name, module in lm.model.named_modules() if name.endswith("_proj")}
    assert kinds == {bnb.nn.Linear8bitLt if bits == "8bit" else bnb.nn.Linear4bit}
    assert type(lm.model.lm_head) is torch.nn.Linear
    assert not lm.model.training
    assert len(models.generation_traps(lm)) == 1
    json.dumps(lm.facts())


def test_4_bit_is_nf4_in_the_chosen_dtype(tiny):
    """4bit is the nf4 of QLoRA with single scales, and multiplies in the dtype of the rest."""
    config = opened_in(tiny, "4bit", "bfloat16").model.config.quantization_config
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", False)
    assert config.bnb_4bit_compute_dtype is torch.bfloat16


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_comes_and_goes(tiny, rows, perturb, bits, dtype):
    """A fresh adapter changes no bit, a trained one does, and neither switched off nor taken off is it left behind."""
    lm, tokens = opened_in(tiny, bits, dtype), rows(LENGTHS)
    before, weights = columns(lm, tokens), base_bytes(lm)
    models.add_lora(lm, matrices=MATRICES, rank=3, alpha=6, dropout=0, seed=2)
    assert same(columns(lm, tokens), before)
    perturb(lm)
    target, reference = models.trace_pair(lm, None, tokens)
    assert same(reference.columns, before)
    assert not np.array_equal(target.columns["logprob"], before["logprob"])
    models.detach(lm)
    assert same(columns(lm, tokens), before)
    after = base_bytes(lm)
    assert weights.keys() == after.keys()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def trained(folder, bits, place):
    """An adapter trained on the quantised model, with how it went, the model and the model's weights before."""
    lm = opened_in(folder, bits)
    before = base_bytes(lm)
    models.add_lora(lm, matrices=("q", "v", "down"), rank=3, alpha=6, dropout=0.1, seed=1)
    rows = models.rows_of([np.arange(3 + i, 9 + i + 5 * (i % 3), dtype=np.int32) for i in range(8)])
    recipe = models.Recipe(1e-2, 4, 2, 4, 1, 100, 5)
    out = place / "adapter"
    steps = models.finetune(lm, rows, rows.take([0, 5]), recipe, work=place / "work", out=out, facts={"seed": 5})
    return lm, steps, {path.name: path.read_bytes() for path in out.iterdir()}, before


@pytest.mark.parametrize("bits", BITS)
def test_fine_tuning(tiny, tmp_path, bits):
    """The loss falls, the base keeps every bit, and equal seeds write equal files, which say how it was loaded."""
    lm, steps, files, before = trained(tiny, bits, tmp_path / "one")
    assert steps[-1].loss < 0.9 * steps[0].loss
    assert steps[-1].heldout_perplexity < steps[1].heldout_perplexity
    models.detach(lm)
    after = base_bytes(lm)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert json.loads(files["mnemoscope.json"])["load_in"] == bits
    assert trained(tiny, bits, tmp_path / "two")[2] == files
    full = trained(tiny, None, tmp_path / "full")[2]
    assert "load_in" not in json.loads(full["mnemoscope.json"])
    assert full["adapter_model.safetensors"] != files["adapter_model.safetensors"]


@pytest.mark.parametrize("bits", BITS)
def test_a_saved_adapter_reads_as_the_trained_one(tiny, rows, tmp_path, bits):
    """An adapter that was trained on quantised weights gives the same bits when it is put on them again."""
    lm, *_ = trained(tiny, bits, tmp_path)
    again, tokens = opened_in(tiny, bits), rows(LENGTHS)
    models.attach(again, tmp_path / "adapter")
    assert same(columns(again, tokens), columns(lm, tokens))


@pytest.mark.parametrize("bits", BITS)
def test_gradient_norms_are_those_of_each_record(fitted, rows, perturb, bits):
    """One pass over a batch gives the norm that every record's own backward pass gives."""
    lm, tokens = perturb(fitted(bits), scale=0.1), rows(LENGTHS)
    weights = [weight for name, weight in lm.model.named_parameters() if "lora_" in name]
    wanted = []
    for ids in tokens.ids:
        row = torch.tensor([[lm.start_id, *map(int, ids)]])
        labels = row.clone()
        loss = summed_loss(lm.model, {"input_ids": row, "attention_mask": torch.ones_like(row), "labels": labels})
        found = torch.autograd.grad(loss / len(ids), weights)
        wanted.append(float(torch.stack([one.square().sum() for one in found]).sum().sqrt()))
    assert models.gradient_norms(lm, tokens).tolist() == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("bits", BITS)
def test_generating_agrees_with_the_trace(fitted, rows, perturb, bits):
    """What greedy decoding continues a prefix with is what the trace calls the most probable token, up to rounding."""
    lm, (prefix, *_) = perturb(fitted(bits)), rows([7]).ids
    (new,) = models.generate(lm, [prefix], [12])
    whole = models.rows_of([np.concatenate([prefix, new])])
    assert (columns(lm, whole)["gap"][len(prefix) :] > -1e-2).all()


def test_no_kernel_without_gradient(tiny, monkeypatch):
    """On CPUs with AVX512-BF16 bitsandbytes would pack 4-bit weights for a kernel that cannot train: not here."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    assert bnb.nn.Linear4bit(8, 8).support_avx512bf16_for_cpu
    lm = opened_in(tiny, "4bit")
    found = [module for module in lm.model.modules() if isinstance(module, bnb.nn.Linear4bit)]
    assert found
    assert not any(module.support_avx512bf16_for_cpu for module in found)


def test_nothing_is_said_at_every_product(tiny, rows, caplog):
    """bitsandbytes would warn before each 8-bit product that its input is not float16."""
    logging.getLogger("bitsandbytes").setLevel(logging.NOTSET)
    importlib.reload(models)
    columns(opened_in(tiny, "8bit"), rows([5]))
    assert not [record for record in caplog.records if record.name.startswith("bitsandbytes")]


@pytest.mark.parametrize("bits", BITS)
def test_a_model_that_is_saved_quantised(tiny, rows, tmp_path, bits):
    """It opens as it is, also where that is asked for by name, and is never quantised or widened once more."""
    lm, tokens, folder = opened_in(tiny, bits), rows(LENGTHS), tmp_path / "saved"
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    for asked in (None, bits):
        again = opened_in(folder, asked)
        assert (again.load_in, again.bits) == ("full", bits)  # nothing was done to the weights: their hash says it all
        assert same(columns(again, tokens), columns(lm, tokens))
        assert again.facts()["parameters"] == lm.facts()["parameters"]
    assert again.weights_sha256 != lm.weights_sha256
    for other in {"full", *BITS} - {bits}:
        with pytest.raises(ConfigError, match=rf"--load-in {other}, but saved is saved quantised already \({bits}\)"):
            opened_in(folder, other)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "full"),
        ({}, "full"),
        (BitsAndBytesConfig(load_in_8bit=True), "8bit"),
        (quantised.settings("4bit", torch.float32)["quantization_config"], "4bit"),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}, "4bit fp4"),
        (
            BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
            "4bit nf4, double quantisation",
        ),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
    ],
)
def test_kinds(given, kind):
    """Only what we would make ourselves goes by our names."""
    assert quantised.kind(given) == kind


@pytest.mark.parametrize("bits", BITS)
def test_without_bitsandbytes(tiny, monkeypatch, bits):
    """Its absence is told in one line before anything is read; full weights do not need it."""
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ImportError):
        importlib.import_module("bitsandbytes")
    for folder in (tiny, "no/such/model"):
        with pytest.raises(ConfigError) as caught:
            opened_in(folder, bits)
        assert str(caught.value) == (
            f"--load-in {bits} needs bitsandbytes, which is not installed. Run: pip install 'mnemoscope[bits]'"
        )
    assert opened_in(tiny, "full").bits == "full"


def test_sizes_that_fill_no_block(tmp_path, rows):
    """4-bit weights come in blocks of 64; a matrix of another size is counted and multiplied like any."""
    folder, tokens = models.write_tiny(tmp_path / "narrow", hidden=24), rows([5])
    full, four = opened_in(folder, None), opened_in(folder, "4bit")
    assert four.facts()["parameters"] == full.facts()["parameters"]
    assert columns(four, tokens)["logprob"] == pytest.approx(columns(full, tokens)["logprob"], abs=0.5)


def test_an_unknown_word(tiny):
    """Only the three words are known."""
    with pytest.raises(ConfigError, match=r"--load-in 'int8' is not known: use full, 8bit, 4bit"):
        opened_in(tiny, "int8")


def test_a_quantisation_that_does_not_open(tiny, tmp_path):
    """Weights of another quantisation whose package is missing are refused in one line."""
    folder = shutil.copytree(tiny, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="other does not open") as caught:
        opened_in(folder, None)
    assert "\n" not in str(caught.value)
