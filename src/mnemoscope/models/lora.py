"""LoRA by role: q, k, v, o, gate, up, down, whatever the architecture calls them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError

from mnemoscope.errors import ModelError
from mnemoscope.models.weights import raw_bytes

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel

NAMES = {
    "q": ("q_proj", "q_lin", "query", "wq"),
    "k": ("k_proj", "k_lin", "key", "wk"),
    "v": ("v_proj", "v_lin", "value", "wv"),
    "o": (
        "o_proj",
        "out_proj",
        "out_lin",
        "wo",
        "attention.dense",
        "self_attention.dense",
        "self_attn.dense",
        "attn.c_proj",
    ),
    "gate": ("gate_proj", "mlp.w1", "feed_forward.w1"),
    "up": ("up_proj", "fc1", "mlp.w3", "feed_forward.w3", "dense_h_to_4h", "mlp.c_fc"),
    "down": ("down_proj", "fc2", "mlp.w2", "feed_forward.w2", "dense_4h_to_h", "mlp.c_proj"),
}
"""How architectures call each role: the last part of a module's name, or the last two where one is ambiguous."""

FUSED = {
    "c_attn": "qkv", "query_key_value": "qkv", "qkv_proj": "qkv", "Wqkv": "qkv", "in_proj": "qkv",
    "gate_up_proj": ("gate", "up"),
}  # fmt: skip
"""Modules that hold several roles in one matrix."""

PROMPTS = (
    "PROMPT_TUNING",
    "P_TUNING",
    "PREFIX_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "ADAPTION_PROMPT",
    "CARTRIDGE",
    "CPT",
)
"""Adapters that add tokens instead of changing matrices."""

SIDECAR = "mnemoscope.json"
"""Beside the adapter: which weights it belongs to and how it was trained."""


@contextmanager
def quiet() -> Iterator[None]:
    """PEFT reads an attribute that transformers is about to rename: nothing a user could act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        yield


def module_names(model: Any, roles: tuple[str, ...]) -> dict[str, list[str]]:
    """Full names of the linear modules of each role, in model order.

    Raises:
        ModelError: a role is fused with others in this architecture, or is not in every layer.
    """
    names = [name for name, module in model.named_modules() if getattr(getattr(module, "weight", None), "ndim", 0) == 2]
    layers = model.config.num_hidden_layers
    found = {}
    for role in roles:
        found[role] = [name for name in names if any(f".{name}".endswith(f".{end}") for end in NAMES[role])]
        if len(found[role]) != layers:
            raise ModelError(_why_not(model, names, role, len(found[role]), layers))
    return found


def _why_not(model: Any, names: list[str], role: str, n: int, layers: int) -> str:
    kind = model.config.model_type
    last = {name.rpartition(".")[2] for name in names}
    for fused, roles in FUSED.items():
        if fused in last and role in roles:
            together = ", ".join(roles)
            return (
                f"{kind} keeps {together} in one matrix ({fused}): {role!r} alone cannot be adapted yet, leave it out"
            )
    return f"{kind} has {n} modules that are {role!r} in {layers} layers: leave {role!r} out of --matrices"


def add_lora(
    lm: LanguageModel,
    *,
    matrices: tuple[str, ...],
    rank: int,
    alpha: float,
    dropout: float,
    seed: int,
    rslora: bool = False,
) -> None:
    """Wrap the model with a fresh LoRA adapter (B = 0), scaled by alpha / rank, or with `rslora` alpha / sqrt(rank).

    Raises:
        ModelError: the matrices are not all there.
    """
    found = module_names(lm.model, matrices)
    wanted = sorted(name for names in found.values() for name in names)
    torch.manual_seed(seed)  # PEFT draws A from the global generator
    config = LoraConfig(
        r=rank, lora_alpha=int(alpha) if alpha == int(alpha) else alpha, lora_dropout=dropout, bias="none",  # type: ignore[arg-type]
        task_type="CAUSAL_LM", use_rslora=rslora,
        target_modules=_shortest(lm.model, found, wanted),
    )  # fmt: skip
    with quiet():
        lm.model = get_peft_model(lm.model, config)
    _assert_adapted(lm.model, len(wanted))


def trainable_parameters(lm: LanguageModel) -> int:
    """Numbers that fine-tuning changes."""
    return sum(p.numel() for p in lm.model.parameters() if p.requires_grad)


def _shortest(model: Any, found: dict[str, list[str]], wanted: list[str]) -> list[str]:
    """The last parts of the names where these say it all, else the full names."""
    ends = sorted({name.rpartition(".")[2] for names in found.values() for name in names})
    matched = sorted(name for name, _ in model.named_modules() if name.rpartition(".")[2] in ends)
    return ends if matched == wanted else wanted


def _assert_adapted(model: Any, wanted: int) -> None:
    """PEFT stays silent when one of several names is not there."""
    adapted = sum(1 for name, _ in model.named_modules() if name.endswith(".lora_A"))
    if adapted != wanted:
        raise ModelError(f"{adapted} modules were adapted where {wanted} were asked for")


def save_adapter(lm: LanguageModel, folder: Path, facts: dict[str, Any]) -> None:
    """A plain PEFT folder: safetensors and JSON, equal for equal runs, without paths of this machine."""
    lm.model.save_pretrained(folder, save_embedding_layers=False)  # "auto" would ask the hub
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card names the local path
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = lm.name
    config["target_modules"] = sorted(config["target_modules"])  # PEFT writes a set, in hash order
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    facts = {"base_model": lm.name, "base_weights_sha256": lm.weights_sha256, "start_token": lm.start_token, **facts}
    facts |= {} if lm.load_in == "full" else {"load_in": lm.load_in}
    (folder / SIDECAR).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")


def attach(lm: LanguageModel, folder: Path) -> None:
    """Put a PEFT adapter on the model.

    Raises:
        ModelError: the folder is no adapter, belongs to other weights, or cannot be switched off.
    """
    facts = adapter_facts(folder)
    trained_on = facts.get("base_weights_sha256")
    if trained_on not in (None, lm.weights_sha256):
        raise ModelError(
            f"the adapter was trained on other weights ({facts['base_model']}, {trained_on[:12]}…) than those of "
            f"{lm.name} ({lm.weights_sha256[:12]}…): give the model it was trained on"
        )
    try:
        with quiet():
            lm.model = PeftModel.from_pretrained(lm.model, str(folder)).eval()
    except (ValueError, RuntimeError, KeyError, OSError, TypeError, SafetensorError) as error:
        raise ModelError(f"the adapter does not fit {lm.name}: {str(error).splitlines()[0]}") from None


def adapter_facts(folder: Path) -> dict[str, Any]:
    """What the folder says of its adapter: PEFT's settings, and mnemoscope's where it was trained by it.

    Raises:
        ModelError: the folder is no usable adapter.
    """
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{folder.name} has no adapter_config.json: give a folder saved by PEFT, or a run of mnemoscope finetune"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{folder.name} has no adapter_model.safetensors (pickled ones are never loaded): save it again with PEFT"
        )
    config = _json(folder / "adapter_config.json")
    if str(config.get("peft_type", "")).upper() in PROMPTS:
        raise ModelError(
            f"{folder.name} is a {config['peft_type']} adapter: its virtual tokens are not traced yet; give LoRA or a "
            "merged model with --reference BASE"
        )
    if config.get("bias", "none") != "none" or config.get("modules_to_save"):
        raise ModelError(
            f"{folder.name} also trains biases or whole modules, so switching it off would not give its base back: "
            "merge it, and audit it with --reference BASE"
        )
    sidecar = folder / SIDECAR
    own = _json(sidecar) if sidecar.is_file() else {}
    return {"rank": config.get("r"), "alpha": config.get("lora_alpha"), "targets": config.get("target_modules"), **own}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{path.parent.name}/{path.name} is damaged: save the adapter again")
    return value


def without_adapter(lm: LanguageModel, *, off: bool = True) -> AbstractContextManager[Any]:
    """Inside this context the model is its own base (where `off`; else nothing changes)."""
    context: AbstractContextManager[Any] = lm.model.disable_adapter() if off else nullcontext()
    return context


def detach(lm: LanguageModel) -> None:
    """Take the adapter off: the model is its own base again, as it was opened, and can be given a fresh adapter.

    A model without an adapter stays as it is.
    """
    if hasattr(lm.model, "peft_config"):
        lm.model = lm.model.unload().eval()
        for weight in lm.model.parameters():  # PEFT froze them; quantised ones are no floats and never had a gradient
            weight.requires_grad_(weight.is_floating_point())


def adapter_hash(lm: LanguageModel) -> str | None:
    """Hash of the adapter that is on the model; None where there is none."""
    if not hasattr(lm.model, "peft_config"):
        return None
    digest = hashlib.sha256(json.dumps(lm.model.active_peft_config.to_dict(), sort_keys=True, default=sorted).encode())
    for name, tensor in sorted(get_peft_model_state_dict(lm.model, save_embedding_layers=False).items()):
        digest.update(name.encode() + raw_bytes(tensor))
    return digest.hexdigest()
