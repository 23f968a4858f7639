"""What makes a deployed `generate()` differ from what a trace speaks of.

A trace tells exactly what greedy decoding and sampling give back under conditions that the checkpoint's own settings
may break: nothing but temperature, top-k and top-p touches the logits, and a token's probability depends on nothing
but the tokens before it. mnemoscope itself generates without those settings; whoever deploys the model may not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel

_TRUNCATIONS: Mapping[str, object] = {"min_p": 0, "typical_p": 1, "epsilon_cutoff": 0, "eta_cutoff": 0, "top_h": None}
"""Sampling settings beyond those of a decoding, and the value at which each does nothing (as None does for all)."""

_DEFAULT_TOP_K = 50
"""What transformers takes when a checkpoint samples and names no top_k."""

_PENALTY = "it changes logits by the text so far, so what a trace says holds only where a query switches it off"
_FORBIDDEN = "it forbids or forces tokens, so what a trace says holds only where a query switches it off"
_ENDING = "it keeps the end token back, which a trace does not, so verdicts on an end token may differ"
_SEARCH = "it compares several continuations, so it may give back what greedy decoding does not, or the reverse"
_DRAFT = "a second reading checks drafted tokens, which in 16-bit arithmetic may turn a near tie the other way"

_SETTINGS: Mapping[str, tuple[object, str]] = {
    "num_beams": (1, _SEARCH),
    "num_beam_groups": (1, _SEARCH),
    "constraints": (None, _SEARCH),
    "force_words_ids": (None, _SEARCH),
    "penalty_alpha": (0, "contrastive search weighs tokens by more than their probability, which no trace tells"),
    "dola_layers": (None, "it contrasts the logits of several layers, which no trace tells"),
    "guidance_scale": (1, "it mixes two distributions into one, which no trace tells"),
    "watermarking_config": (None, "a watermark shifts the probabilities of tokens, which no trace tells"),
    "repetition_penalty": (1, _PENALTY),
    "encoder_repetition_penalty": (1, _PENALTY),
    "no_repeat_ngram_size": (0, _PENALTY),
    "encoder_no_repeat_ngram_size": (0, _PENALTY),
    "sequence_bias": (None, _PENALTY),
    "bad_words_ids": (None, _FORBIDDEN),
    "suppress_tokens": (None, _FORBIDDEN),
    "begin_suppress_tokens": (None, _FORBIDDEN),
    "forced_bos_token_id": (None, _FORBIDDEN),
    "forced_eos_token_id": (None, _FORBIDDEN),
    "min_length": (0, _ENDING),
    "min_new_tokens": (0, _ENDING),
    "exponential_decay_length_penalty": (None, "the longer the text, the likelier its end, which no trace tells"),
    "stop_strings": (None, "text ends at one of them, also in the middle of a record that a trace calls given back"),
    "prompt_lookup_num_tokens": (None, _DRAFT),
    "assistant_early_exit": (None, _DRAFT),
    "use_mtp": (False, _DRAFT),
}
"""Settings of a checkpoint, the value at which each does nothing (as None does for all), and what another one means."""

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_LENGTH_DEPENDENT = ("dynamic", "longrope")


def generation_traps(lm: LanguageModel) -> list[str]:
    """Settings of the checkpoint under which its deployed `generate()` does otherwise than a trace says.

    One sentence each, with the setting, its value and what it means for the verdicts; empty where there is nothing to
    say. The conditions are those under which one pass tells what decoding gives (Carlini et al. 2023,
    arXiv:2202.07646; Hayes et al. 2024, arXiv:2410.19482): no other change of the logits, no context that moves.
    """
    settings, config = _own_settings(lm), lm.model.config.get_text_config()
    return [
        *_sampling(settings),
        *_generation(settings),
        *_positions(config),
        *_window(config),
        *_experts(config),
        *_quantised(lm.model.config),
    ]


def _own_settings(lm: LanguageModel) -> dict[str, Any]:
    """The checkpoint's generation settings as they lie in its folder: the opened model has been freed of them.

    Where it has no file for them, transformers takes those that older checkpoints keep in config.json.
    """
    folder = Path(lm.model.config._name_or_path)
    found = [path for name in ("generation_config.json", "config.json") if (path := folder / name).is_file()]
    return dict(json.loads(found[0].read_text(encoding="utf-8"))) if found else {}


def _sampling(settings: Mapping[str, Any]) -> list[str]:
    """That `generate()` samples by default; without do_sample the settings of sampling do nothing."""
    if not settings.get("do_sample"):
        return []
    names = {"temperature": 1.0, "top_k": _DEFAULT_TOP_K, "top_p": 1.0}
    told = [f"{name} {default if (value := settings.get(name)) is None else value}" for name, default in names.items()]
    found = [
        f"generate() without arguments samples (do_sample=True, {', '.join(told)}), so greedy verdicts speak of an "
        "attacker who asks for do_sample=False."
    ]
    if beyond := [f"{name}={value}" for name, value in _active(settings, _TRUNCATIONS).items()]:
        found.append(
            f"generate() without arguments also cuts its choice by {', '.join(beyond)}, which no decoding of a trace "
            "has, so probabilities of sampling speak of an attacker who switches that off."
        )
    return found


def _generation(settings: Mapping[str, Any]) -> list[str]:
    """What else the settings change, whether the deployed model samples or not."""
    active = _active(settings, {name: idle for name, (idle, _) in _SETTINGS.items()})
    if settings.get("do_sample") or (settings.get("top_k") or _DEFAULT_TOP_K) <= 1:
        active.pop("penalty_alpha", None)  # contrastive search is a form of greedy search among two tokens or more
    return [f"The checkpoint sets {name}={_short(value)}: {_SETTINGS[name][1]}." for name, value in active.items()]


def _active(settings: Mapping[str, Any], idle: Mapping[str, object]) -> dict[str, Any]:
    """The settings that do something, of those in `idle`."""
    return {name: settings[name] for name, neutral in idle.items() if settings.get(name) not in (None, neutral, [], {})}


def _short(value: object) -> str:
    """A value for a sentence; a long list by its number of entries."""
    text = json.dumps(value) if isinstance(value, (list, dict)) else str(value)
    return text if len(text) <= 40 or not isinstance(value, (list, dict)) else f"({len(value)} entries)"


def _positions(config: Any) -> list[str]:
    """Rotary embeddings that depend on how long the text has become."""
    rope = getattr(config, "rope_parameters", None) or {}
    # one for all layers, or one for each kind of layer
    kinds = [rope, *(one for one in rope.values() if isinstance(one, dict))]
    names = {str(one.get("rope_type")) for one in kinds}
    return [
        f"The model's rope_type={name} gives places another meaning once a text is longer than it was trained on, so "
        "beyond that length a prefix alone has other probabilities than inside its record."
        for name in sorted(names.intersection(_LENGTH_DEPENDENT))
    ]


def _window(config: Any) -> list[str]:
    """A window of attention that is shorter than the texts that the model reads."""
    window, reads = getattr(config, "sliding_window", None), getattr(config, "max_position_embeddings", None)
    if not window or not reads or window >= reads or getattr(config, "use_sliding_window", True) is False:
        return []
    return [
        f"The model's sliding_window={window} is shorter than the {reads} tokens it reads: in a longer record "
        "what stood before the window has no say, so a long prefix gives back what its last tokens do."
    ]


def _experts(config: Any) -> list[str]:
    """Routing to experts."""
    given = config.to_dict()  # whose names are those of the checkpoint: as attributes the others lead to the same
    return [
        f"The model routes tokens among experts ({name}={given[name]}): a rounding that sends a token elsewhere moves "
        "its probabilities by far more than a near tie, so a generation may leave the trace where none is marked."
        for name in _EXPERTS
        if (given.get(name) or 0) > 1
    ]


def _quantised(config: Any) -> list[str]:
    """Weights in few bits, whose products depend on what else is in the batch or on how many tokens are read."""
    given = getattr(config, "quantization_config", None) or {}
    how = given if isinstance(given, dict) else given.to_dict()
    if how.get("load_in_8bit"):
        threshold = how.get("llm_int8_threshold", 6.0)
        return [
            f"The weights are in 8 bit (load_in_8bit=True, llm_int8_threshold={threshold}): outliers are set apart by "
            "batch, so a text's probabilities depend on what is read beside it, and verdicts may differ near a tie."
        ]
    if how.get("load_in_4bit"):
        return [
            "The weights are in 4 bit (load_in_4bit=True): one token is multiplied by another kernel than many, so "
            "verdicts may differ near a tie, and they say nothing of the same model in full precision."
        ]
    return []
