"""Opening a model: dtype and why, device, start token."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

from mnemoscope import models
from mnemoscope.errors import ConfigError, ModelError
from mnemoscope.models import load


def rewritten(tiny, folder, **changed):
    """A copy of the tiny folder with other tokenizer settings; None removes one."""
    shutil.copytree(tiny, folder)
    path = folder / "tokenizer_config.json"
    settings = {**json.loads(path.read_text()), **changed}
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return str(folder)


def test_an_opened_model_says_what_it_is(tiny):
    """An opened model is ready to measure and names its weights, dtype, device and start token."""
    lm = models.open_model(str(tiny), dtype="float32", device="cpu")
    assert (lm.name, lm.start_id, lm.start_token) == ("tiny", 0, "<s>")
    assert (lm.dtype, lm.dtype_reason, lm.device.type) == (torch.float32, "asked for", "cpu")
    assert not lm.model.training
    facts = lm.facts()
    assert facts["parameters"] == sum(p.numel() for p in lm.model.parameters())
    assert (facts["dtype"], facts["weights_sha256"]) == ("float32", lm.weights_sha256)
    models.add_lora(lm, matrices=("q",), rank=2, alpha=4, dropout=0, seed=0)
    assert lm.facts() == facts  # the facts are those of the base
    json.dumps(facts)


@pytest.mark.parametrize("asked", [None, "1024"])
def test_few_kernels_are_kept_unless_the_user_says_otherwise(tiny, monkeypatch, asked):
    """oneDNN would keep gigabytes of kernels, some for every shape; the user's own value goes before ours."""
    name, ours = load.KERNELS
    monkeypatch.delenv(name, raising=False)
    if asked:
        monkeypatch.setenv(name, asked)
    models.open_model(str(tiny), dtype="float32", device="cpu")
    assert os.environ[name] == (asked or ours)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_weight_has_the_asked_dtype(tiny, dtype):
    """The weights are in the dtype that was asked for, whatever they were saved in."""
    lm = models.open_model(str(tiny), dtype=dtype, device="cpu")
    assert {weight.dtype for weight in lm.model.parameters()} == {getattr(torch, dtype)} == {lm.dtype}


@pytest.mark.parametrize(("bfloat16", "chosen"), [(1.0, torch.bfloat16), (1.9, torch.float32), (9.0, torch.float32)])
def test_auto_takes_the_faster_and_says_why(monkeypatch, bfloat16, chosen):
    """On a CPU auto takes bfloat16 where it is more than 1.5 times as fast, and says that it was measured."""
    monkeypatch.setattr(load, "_seconds", lambda dtype: bfloat16 if dtype is torch.bfloat16 else 2.0)
    dtype, reason = load._dtype("auto", torch.device("cpu"))
    assert dtype is chosen
    assert ("faster" if chosen is torch.bfloat16 else "no fast bfloat16") in reason
    assert reason.endswith("(measured)")


@pytest.mark.parametrize("native", [True, False])
def test_auto_on_a_gpu(monkeypatch, native):
    """On a GPU auto takes bfloat16 where it is native, not emulated, and says so."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native and not including_emulation)
    dtype, reason = load._dtype("auto", torch.device("cuda"))
    assert dtype is (torch.bfloat16 if native else torch.float32)
    assert "this GPU" in reason


def test_auto_gives_a_reason(tiny):
    """A model opened without any wish names dtype and reason."""
    lm = models.open_model(str(tiny))
    assert lm.dtype in (torch.float32, torch.bfloat16)
    assert len(lm.dtype_reason) > 10


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dtype": "int8"}, "--dtype 'int8' is not known: use auto, float32, bfloat16, float16"),
        ({"dtype": "fp32"}, "--dtype 'fp32'"),
        ({"device": "cuda"}, "torch sees no CUDA device"),
        ({"device": "cuda:1"}, "torch sees no CUDA device"),
        ({"device": "toaster"}, "--device 'toaster' is no device"),
        ({"start_token": "<|none|>"}, "start token '<|none|>' is not in the tokenizer's vocabulary"),
    ],
)
def test_options_that_are_not_allowed(tiny, monkeypatch, options, told):
    """An unknown dtype, device or start token, or a GPU that is not there, is refused in one line."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError) as caught:
        models.open_model(str(tiny), **{"dtype": "float32", "device": "cpu", **options})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_start_token(tiny, tmp_path):
    """The start token is the asked one, else the beginning token, else the end token; without any it must be named."""
    options = {"dtype": "float32", "device": "cpu"}
    assert models.open_model(str(tiny), start_token="A", **options).start_token == "A"
    no_bos = rewritten(tiny, tmp_path / "no-bos", bos_token=None)
    assert models.open_model(no_bos, **options).start_token == "</s>"
    neither = rewritten(tiny, tmp_path / "neither", bos_token=None, eos_token=None)
    with pytest.raises(ModelError, match="--start-token"):
        models.open_model(neither, **options)
    assert models.open_model(neither, start_token="B", **options).start_token == "B"


def test_settings_that_are_no_model(tiny, tmp_path):
    """Settings that cannot be read, or of an unknown kind, are refused in one line."""
    for name, text in (("torn", "{"), ("unknown", '{"model_type": "nonesuch"}')):
        folder = shutil.copytree(tiny, tmp_path / name)
        (folder / "config.json").write_text(text)
        with pytest.raises(ModelError, match=f"{name} does not open") as caught:
            models.open_model(str(folder), dtype="float32", device="cpu")
        assert "\n" not in str(caught.value)


def test_a_model_without_a_tokenizer(tiny, tmp_path):
    """A folder without a tokenizer is refused in one line."""
    folder = shutil.copytree(tiny, tmp_path / "bare")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError):
        models.open_model(str(folder), dtype="float32", device="cpu")


def test_tiny_models_are_equal_for_equal_seeds(tiny, tmp_path):
    """The tiny model of a seed is always the same; another seed gives another."""
    again, other = models.write_tiny(tmp_path / "again"), models.write_tiny(tmp_path / "other", seed=1)
    hashes = [models.open_model(str(f), dtype="float32", device="cpu").weights_sha256 for f in (tiny, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
