"""Weights in 8 or 4 bits through bitsandbytes: quantised as they are loaded, or saved so."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import BitsAndBytesConfig

from mnemoscope.errors import ConfigError

if TYPE_CHECKING:
    import torch

LOADINGS = ("full", "8bit", "4bit")
"""How weights may be loaded; full: as they are saved."""


def check_loading(wanted: str | None) -> None:
    """Whether weights can be loaded so on this machine.

    Raises:
        ConfigError: the word is not known, or bitsandbytes is not installed.
    """
    if wanted is not None and wanted not in LOADINGS:
        raise ConfigError(f"--load-in {wanted!r} is not known: use {', '.join(LOADINGS)}")
    if wanted in (None, "full"):
        return
    try:
        importlib.import_module("bitsandbytes")
    except ImportError:
        raise ConfigError(
            f"--load-in {wanted} needs bitsandbytes, which is not installed. Run: pip install 'mnemoscope[bits]'"
        ) from None


def loading(folder: Path, name: str, wanted: str | None) -> str:
    """What is to be done to the weights in `folder` as they are loaded: full (nothing), 8bit or 4bit.

    A model that is saved in as many bits as are wanted stays as it is.

    Raises:
        ConfigError: it cannot be loaded so, or is saved in another quantisation.
    """
    check_loading(wanted)
    saved = saved_in(folder)
    if wanted is None or saved == wanted:
        return "full"
    if saved != "full":
        raise ConfigError(f"--load-in {wanted}, but {name} is saved quantised already ({saved}): leave --load-in out")
    return wanted


def saved_in(folder: Path) -> str:
    """full, or how a model's folder says that it is quantised."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return "full"  # whoever opens it says what is wrong
    return kind(config.get("quantization_config"))


def kind(given: Any) -> str:
    """8bit or 4bit of bitsandbytes in the way that we load them, any other quantisation by its name; full for none."""
    how: Mapping[str, Any] = given if isinstance(given, Mapping) else given.to_dict() if given else {}
    if how.get("load_in_8bit"):
        return "8bit"
    if how.get("load_in_4bit"):
        double = ", double quantisation" if how.get("bnb_4bit_use_double_quant") else ""
        code = how.get("bnb_4bit_quant_type")
        return "4bit" if code == "nf4" and not double else f"4bit {code}{double}"
    return str(getattr(how.get("quant_method"), "value", how.get("quant_method"))) if how else "full"


def settings(wanted: str, dtype: torch.dtype) -> dict[str, BitsAndBytesConfig]:
    """Options of from_pretrained.

    LLM.int8 (arXiv:2208.07339) for 8bit; for 4bit the nf4 of QLoRA (arXiv:2305.14314) without double quantisation.
    """
    if wanted == "full":
        return {}  # and not None: that would read quantised weights as if they were plain numbers
    if wanted == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": four}


def settle(model: Any) -> None:
    """Make the products of a quantised model those of its training too."""
    for module in model.modules():
        # with AVX512-BF16 a first product without gradient packs 4-bit weights for a kernel that has no gradient,
        # and a later training would go on with it
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def numbers(weight: torch.Tensor) -> int:
    """How many numbers a weight stands for; 4-bit weights are packed two a byte."""
    state = getattr(weight, "quant_state", None)
    return weight.numel() if state is None else math.prod(state.shape)
