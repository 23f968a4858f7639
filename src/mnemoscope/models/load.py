"""Opening a model: device, dtype and why, start token."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from mnemoscope.errors import ConfigError, ModelError
from mnemoscope.models import quantised, weights

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
"""Kernels that oneDNN keeps, where the user does not say otherwise. It makes some for every shape of a batch, and with
its own 1024 a bfloat16 fine-tuning on a CPU grew to 9 GB. One batch needs a few dozen."""


@contextmanager
def at_most_threads(n: int) -> Iterator[None]:
    """Compute on `n` threads, or on as many as now where those are fewer, inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(n, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(slots=True)
class LanguageModel:
    """A causal language model in evaluation mode, with all that identifies it."""

    name: str
    model: Any
    """The transformers model, or the PeftModel around it."""
    tokenizer: Any
    start_id: int
    """Every record starts with this token, so that its first token has a probability too."""
    weights_sha256: str
    """Of the base weights, before any adapter."""
    dtype: torch.dtype
    dtype_reason: str
    device: torch.device
    load_in: str = "full"
    """8bit or 4bit where the weights were quantised as they were loaded, else full."""

    @property
    def start_token(self) -> str:
        """The start token as text."""
        return str(self.tokenizer.convert_ids_to_tokens(self.start_id))

    @property
    def bits(self) -> str:
        """full, or how the weights are quantised, by us or as they were saved."""
        return quantised.kind(getattr(self.model.config, "quantization_config", None))

    def facts(self) -> dict[str, Any]:
        """What a manifest says of the model."""
        return {
            "name": self.name,
            "weights_sha256": self.weights_sha256,
            "parameters": sum(quantised.numbers(p) for n, p in self.model.named_parameters() if "lora_" not in n),
            "dtype": str(self.dtype).removeprefix("torch."),
            "dtype_reason": self.dtype_reason,
            "attention": self.model.config._attn_implementation,
            "start_token": self.start_token,
            **({} if self.load_in == "full" else {"load_in": self.load_in}),
        }


def open_model(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    start_token: str | None = None,
    load_in: str | None = None,
) -> LanguageModel:
    """Open a built-in model, a local folder, a .gguf file or a hub id.

    Args:
        name: which model.
        dtype: auto, float32, bfloat16 or float16.
        device: auto, cpu, cuda, cuda:1 …
        start_token: what records start with; None for the model's own (the built-in's override, else the
            tokenizer's beginning-of-sequence token, else its end-of-sequence token).
        load_in: 8bit or 4bit to quantise the linear layers but the output layer; full or None for the weights as saved.

    Raises:
        ModelError: the weights or the tokenizer cannot be used.
        ConfigError: dtype, device, start_token or load_in is not allowed, or load_in needs what is not installed.
    """
    transformers_logging.disable_progress_bar()  # ours shows what matters
    os.environ.setdefault(*KERNELS)  # read at the first product of the process
    quantised.check_loading(load_in)  # first: hashing large weights takes long
    source = weights.locate(name)
    bits = quantised.loading(source.folder, source.name, load_in)
    place = _device(device)
    number, reason = _dtype(dtype, place)
    model = _load(source.folder, number, place, bits).eval()
    tokenizer = _tokenizer(source.folder)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{source.name} has no fast tokenizer, so tokens cannot be placed in the text: add tokenizer.json"
        )
    start_id = _start_id(tokenizer, start_token or source.start_token)
    lm = LanguageModel(source.name, model, tokenizer, start_id, source.weights_sha256, number, reason, place, bits)
    _check_head(lm)
    return lm


def _load(folder: Path, dtype: torch.dtype, place: torch.device, bits: str) -> Any:
    # on a CPU torch's fused attention is slower than plain products on short records, above all backwards
    attention = "eager" if place.type == "cpu" else "sdpa"
    whole = bits == quantised.saved_in(folder) == "full"
    # quantised weights are made where they stay; a device without its number would not be the one that trains
    how = {} if whole else {"device_map": _map(place), **quantised.settings(bits, dtype)}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, attn_implementation=attention, **how
        )
    except (ValueError, OSError, KeyError, ImportError) as error:
        raise ModelError(
            f"{folder.name} does not open as a causal language model: {str(error).splitlines()[0]}"
        ) from None
    # a checkpoint may ship sampling or penalties here, and generate() would merge them into every call
    model.generation_config = GenerationConfig()
    if whole:
        return model.to(place)
    quantised.settle(model)
    return model


def _map(place: torch.device) -> dict[str, str]:
    return {"": f"cuda:{torch.cuda.current_device()}" if str(place) == "cuda" else str(place)}


def _tokenizer(folder: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (ValueError, OSError, KeyError):
        raise ModelError(f"{folder.name} has no tokenizer that opens: save one beside the model") from None


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"--device {wanted!r} is no device: use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda, but torch sees no CUDA device: use auto or cpu")
    return device


def _dtype(wanted: str, device: torch.device) -> tuple[torch.dtype, str]:
    if wanted != "auto":
        if wanted not in DTYPES:
            raise ConfigError(f"--dtype {wanted!r} is not known: use auto, {', '.join(DTYPES)}")
        return DTYPES[wanted], "asked for"
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        why = "this GPU multiplies bfloat16 natively" if fast else "this GPU has no native bfloat16"
    else:
        fast = _seconds(torch.float32) > 1.5 * _seconds(torch.bfloat16)
        why = "this CPU multiplies bfloat16 faster than float32" if fast else "this CPU has no fast bfloat16"
    return (torch.bfloat16 if fast else torch.float32), why + " (measured)" * (device.type == "cpu")


def _seconds(dtype: torch.dtype) -> float:
    """Best of five matrix products of 512 x 1024 x 1024, after one to warm up."""
    a, b = torch.ones(512, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _start_id(tokenizer: Any, wanted: str | None) -> int:
    if wanted is not None:
        known = tokenizer.get_vocab()
        if wanted not in known:
            raise ConfigError(f"start token {wanted!r} is not in the tokenizer's vocabulary: give one token of it")
        return int(known[wanted])
    for own in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if own is not None:
            return int(own)
    raise ModelError("the tokenizer has neither a beginning nor an end token: name one with --start-token")


def accelerator(device: torch.device) -> dict[str, str]:
    """The name of the GPU, where there is one: a fact of the machine."""
    return {"accelerator": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def body_and_head(model: Any) -> tuple[Any, Any]:
    """The transformer that gives hidden states, and the layer that makes them logits."""
    causal = model.get_base_model() if hasattr(model, "peft_config") else model
    return causal.base_model, causal.get_output_embeddings()


@torch.inference_mode()
def _check_head(lm: LanguageModel) -> None:
    """Traces apply the output layer themselves, chunk by chunk: prove on two tokens that nothing comes after it."""
    ids = torch.tensor([[lm.start_id, lm.start_id]], device=lm.device)
    body, head = body_and_head(lm.model)
    by_parts = head(body(input_ids=ids, use_cache=False).last_hidden_state)
    if not torch.equal(by_parts, lm.model(input_ids=ids, use_cache=False).logits):
        raise ModelError(
            f"{lm.name} changes its logits after the output layer (soft-capping or scaling), "
            "which the trace does not do yet: choose another architecture"
        )
