"""What a checkpoint's settings make of a deployed `generate()`."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    BitsAndBytesConfig,
    DeepseekV3Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
)

from mnemoscope import models

ROPE = {"rope_theta": 1e4}


def traps(tmp_path, settings=None, config=None, name="generation_config.json"):
    """Findings of a checkpoint folder with these settings, and of a model with this configuration."""
    if settings is not None:
        (tmp_path / name).write_text(json.dumps(settings))
    config = config or LlamaConfig()
    config._name_or_path = str(tmp_path)
    return models.generation_traps(SimpleNamespace(model=SimpleNamespace(config=config)))


IDLE = {
    **{"do_sample": False, "temperature": 0.3, "top_k": 4, "top_p": 0.5, "min_p": 0.1, "num_beams": 1},
    **{"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "bad_words_ids": None, "suppress_tokens": []},
    **{"min_length": 0, "min_new_tokens": None, "penalty_alpha": 0, "guidance_scale": 1.0, "eos_token_id": [1, 2]},
    **{"max_length": 4096, "use_cache": True, "prompt_lookup_num_tokens": None, "forced_eos_token_id": None},
}


def test_nothing_to_say(tmp_path):
    """Without settings, and with settings that do nothing: temperature and its like without do_sample among them."""
    assert traps(tmp_path) == []
    assert traps(tmp_path, IDLE) == []


def test_a_checkpoint_that_samples(tmp_path):
    """Sampling by default is told with all three settings, the default top_k of transformers among them."""
    (finding,) = traps(tmp_path, {"do_sample": True, "temperature": 0.6, "top_p": 0.9})
    assert finding == (
        "generate() without arguments samples (do_sample=True, temperature 0.6, top_k 50, top_p 0.9), so greedy "
        "verdicts speak of an attacker who asks for do_sample=False."
    )
    (finding,) = traps(tmp_path, {"do_sample": True, "top_k": 0})
    assert "temperature 1.0, top_k 0, top_p 1.0" in finding


@pytest.mark.parametrize(
    ("setting", "value"),
    [("min_p", 0.05), ("typical_p", 0.9), ("epsilon_cutoff", 1e-4), ("eta_cutoff", 3e-4), ("top_h", 0.4)],
)
def test_sampling_beyond_a_decoding(tmp_path, setting, value):
    """A cut that no decoding has is told where the checkpoint samples, and only there."""
    first, second = traps(tmp_path, {"do_sample": True, setting: value})
    assert "do_sample=True" in first
    assert f"{setting}={value}" in second
    assert "probabilities of sampling" in second
    assert traps(tmp_path, {setting: value}) == []


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("num_beams", 4, "num_beams=4"),
        ("repetition_penalty", 1.1, "repetition_penalty=1.1"),
        ("encoder_repetition_penalty", 0.9, "encoder_repetition_penalty=0.9"),
        ("no_repeat_ngram_size", 3, "no_repeat_ngram_size=3"),
        ("bad_words_ids", [[5], [6, 7]], "bad_words_ids=[[5], [6, 7]]"),
        ("suppress_tokens", list(range(90)), "suppress_tokens=(90 entries)"),
        ("begin_suppress_tokens", [220], "begin_suppress_tokens=[220]"),
        ("forced_bos_token_id", 0, "forced_bos_token_id=0"),
        ("forced_eos_token_id", 2, "forced_eos_token_id=2"),
        ("min_new_tokens", 5, "min_new_tokens=5"),
        ("min_length", 9, "min_length=9"),
        ("penalty_alpha", 0.6, "penalty_alpha=0.6"),
        ("prompt_lookup_num_tokens", 10, "prompt_lookup_num_tokens=10"),
        ("assistant_early_exit", 4, "assistant_early_exit=4"),
        ("guidance_scale", 1.5, "guidance_scale=1.5"),
        ("stop_strings", ["###"], 'stop_strings=["###"]'),
    ],
)
def test_every_setting_that_does_something(tmp_path, setting, value, told):
    """One sentence, with the setting and its value, and what follows from it; sampling is one more."""
    (finding,) = traps(tmp_path, {**IDLE, setting: value})
    assert told in finding
    assert len(finding) > len(told) + 40
    assert finding.endswith(".")
    if setting != "penalty_alpha":  # contrastive search is not for models that sample
        assert len(traps(tmp_path, {**IDLE, "min_p": None, setting: value, "do_sample": True})) == 2


def test_settings_of_an_old_checkpoint(tmp_path):
    """Without a file of their own the settings are those in config.json; with one they are not looked for there."""
    (finding,) = traps(tmp_path, {"num_beams": 2, "hidden_size": 64}, name="config.json")
    assert "num_beams=2" in finding
    assert traps(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (LlamaConfig(rope_parameters={**ROPE, "rope_type": "dynamic", "factor": 2.0}), ["rope_type=dynamic"]),
        (LlamaConfig(rope_parameters={**ROPE, "rope_type": "linear", "factor": 2.0}), []),
        (MistralConfig(sliding_window=64, max_position_embeddings=512), ["sliding_window=64", "512"]),
        (MistralConfig(sliding_window=512, max_position_embeddings=512), []),
        (MistralConfig(sliding_window=None), []),
        (Qwen2Config(sliding_window=64, max_position_embeddings=512, use_sliding_window=False), []),
        (Gemma3TextConfig(sliding_window=64, max_position_embeddings=512), ["sliding_window=64"]),
        (MixtralConfig(num_local_experts=8, sliding_window=None), ["num_local_experts=8"]),
        (DeepseekV3Config(n_routed_experts=16), ["n_routed_experts=16"]),
        (
            LlamaConfig(quantization_config=BitsAndBytesConfig(load_in_8bit=True)),
            ["load_in_8bit=True", "threshold=6.0"],
        ),
        (LlamaConfig(quantization_config={"load_in_4bit": True}), ["load_in_4bit=True"]),
    ],
)
def test_models_that_break_a_condition(tmp_path, config, told):
    """Positions, windows, experts and few bits are told by their setting and its value."""
    found = traps(tmp_path, config=config)
    assert len(found) == bool(told)
    assert all(part in found[0] for part in told)


def test_an_opened_model_still_knows(memorizer, opened, tmp_path):
    """Opening frees a model of its settings and the folder keeps them: they are told, with an adapter too."""
    folder = shutil.copytree(memorizer, tmp_path / "opinionated")
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": True, "repetition_penalty": 1.9}))
    lm = opened(folder=folder)
    assert lm.model.generation_config.do_sample is None
    assert models.generation_traps(opened(folder=memorizer)) == []
    found = models.generation_traps(lm)
    models.add_lora(lm, matrices=("q",), rank=2, alpha=4, dropout=0, seed=0)
    assert ["do_sample=True" in found[0], "repetition_penalty=1.9" in found[1]] == [True, True]
    assert models.generation_traps(lm) == found


def test_a_told_setting_does_change_what_is_generated(memorizer, opened, sentences):
    """A penalty of the kind that is told gives another continuation than greedy decoding without it."""
    lm = opened(folder=memorizer)
    tokens = models.tokenize(lm, sentences, max_tokens=99)
    given = torch.tensor([[lm.start_id, *map(int, tokens.ids[0][:5])]])
    mask = torch.ones_like(given)
    plain, penalised = (
        lm.model.generate(given, attention_mask=mask, max_new_tokens=12, pad_token_id=0, repetition_penalty=penalty)
        for penalty in (1.0, 5.0)
    )
    assert not torch.equal(plain, penalised)
