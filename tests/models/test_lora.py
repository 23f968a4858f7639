"""LoRA by role: what is adapted, what is written, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    Qwen2Config,
)

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.matrices import MATRICES, parse_matrices
from mnemoscope.models.lora import module_names, save_adapter
from mnemoscope.models.loss import summed_loss

LAYERS, WIDTH = 2, 32
PLAIN = {
    "vocab_size": 258,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
OPT = {
    "vocab_size": 258, "hidden_size": WIDTH, "ffn_dim": 48, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "word_embed_proj_dim": WIDTH, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
GPT2 = {
    "vocab_size": 258, "n_embd": WIDTH, "n_inner": 48, "n_layer": LAYERS, "n_head": 4,
    "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
GATED = {role: f"{role}_proj" for role in MATRICES}
ARCHITECTURES = {
    "qwen2": (Qwen2Config(**PLAIN, num_key_value_heads=2), GATED),
    "mistral": (MistralConfig(**PLAIN, num_key_value_heads=2), GATED),
    "gemma": (GemmaConfig(**PLAIN, num_key_value_heads=1, head_dim=8), GATED),
    "opt": (
        OPTConfig(**OPT),
        {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj", "up": "fc1", "down": "fc2"},
    ),
    "opt without affine norms": (OPTConfig(**OPT, layer_norm_elementwise_affine=False), {"q": "q_proj", "up": "fc1"}),
    "phi": (
        PhiConfig(**PLAIN),
        {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "dense", "up": "fc1", "down": "fc2"},
    ),
    "gpt2": (GPT2Config(**GPT2), {"o": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}),
    "gpt_neox": (
        GPTNeoXConfig(**PLAIN),
        {"o": "attention.dense", "up": "dense_h_to_4h", "down": "dense_4h_to_h"},
    ),
    "phi3": (Phi3Config(**PLAIN), {"o": "o_proj", "down": "down_proj"}),
}


@pytest.fixture(name="built")
def builder(opened):
    """A function that gives a language model of a named architecture with random weights."""

    def build(name):
        torch.manual_seed(0)
        lm = opened()
        lm.model = AutoModelForCausalLM.from_config(ARCHITECTURES[name][0], attn_implementation="eager").eval()
        return lm

    return build


@pytest.fixture(name="saved")
def saved_adapter(opened, perturb, tmp_path):
    """A model with an adapter that does something, and the folder the adapter was saved to."""
    lm = opened()
    models.add_lora(lm, matrices=("q", "v", "up"), rank=3, alpha=6, dropout=0.05, seed=1)
    perturb(lm).model.eval()
    save_adapter(lm, tmp_path / "adapter", {"seed": 7, "matrices": ["q", "v", "up"]})
    return lm, tmp_path / "adapter"


@pytest.mark.parametrize("rank", [1, 4])
@pytest.mark.parametrize("text", ["q", "k", "vo", "qkvo", "gate,up", "all"])
def test_trainable_parameters_are_the_formula(opened, text, rank):
    """A matrix of d inputs and e outputs costs r (d + e) a layer, keys and values being narrow under grouped heads."""
    lm, matrices = opened(), parse_matrices(text)
    models.add_lora(lm, matrices=matrices, rank=rank, alpha=16, dropout=0, seed=0)
    d, narrow, inner, layers = 64, 32, 128, 2  # 4 query heads of 16, 2 key-value heads
    sizes = {"q": d + d, "o": d + d, "k": d + narrow, "v": d + narrow} | dict.fromkeys(
        ("gate", "up", "down"), d + inner
    )
    assert models.trainable_parameters(lm) == layers * rank * sum(sizes[role] for role in matrices)
    trained = [name for name, weight in lm.model.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * layers * len(matrices)  # A and B
    assert all("lora_" in name for name in trained)


def test_a_seed_draws_an_adapter(opened):
    """Equal seeds draw equal adapters, whatever was drawn before; two seeds draw two."""
    hashes = []
    for seed in (1, 1, 2):
        torch.rand(len(hashes))
        lm = opened()
        assert models.adapter_hash(lm) is None
        models.add_lora(lm, matrices=("q", "o"), rank=2, alpha=4, dropout=0, seed=seed)
        hashes.append(models.adapter_hash(lm))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_roles_have_their_modules(built, name):
    """Each role of an architecture is found once a layer, and exactly these modules are adapted."""
    lm, (_, names) = built(name), ARCHITECTURES[name]
    found = module_names(lm.model, tuple(names))
    for role, end in names.items():
        assert [module.endswith(f".{end}") for module in found[role]] == [True] * LAYERS
    assert len({module for modules in found.values() for module in modules}) == LAYERS * len(names)
    role = "o" if "o" in names else "q"
    models.add_lora(lm, matrices=(role,), rank=2, alpha=4, dropout=0, seed=0)
    adapted = [module.removesuffix(".lora_A") for module, _ in lm.model.named_modules() if module.endswith(".lora_A")]
    assert [module.removeprefix("base_model.model.") for module in adapted] == found[role]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_works_by_its_parts(built, rows, perturb, name):
    """Body and output layer taken apart give the log-probabilities and the loss of the whole model."""
    lm, tokens = built(name), rows([6, 9])
    lm.start_id = 2  # a token that no config calls padding
    role = next(iter(ARCHITECTURES[name][1]))

    def check():
        traces, _ = models.trace(lm, tokens, ((0, 1),))
        for i, ids in enumerate(tokens.ids):
            with torch.no_grad():
                logits = lm.model(input_ids=torch.tensor([[2, *map(int, ids[:-1])]])).logits[0]
            want = logits.double().log_softmax(1).numpy()[np.arange(len(ids)), ids]
            np.testing.assert_allclose(traces.tokens("logprob", i), want, atol=1e-5)
        return traces.columns["logprob"]

    plain = check()
    models.add_lora(lm, matrices=(role,), rank=2, alpha=4, dropout=0, seed=0)
    lm.model.eval()
    assert np.array_equal(check(), plain)
    perturb(lm)
    assert not np.array_equal(check(), plain)
    ids = torch.tensor(tokens.ids[1].astype(np.int64))[None]
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
    assert summed_loss(lm.model, batch).item() == pytest.approx(lm.model(**batch).loss.item() * 8, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "role", "fused"),
    [
        ("gpt2", "q", "c_attn"),
        ("gpt2", "v", "c_attn"),
        ("gpt_neox", "k", "query_key_value"),
        ("phi3", "v", "qkv_proj"),
        ("phi3", "gate", "gate_up_proj"),
        ("phi3", "up", "gate_up_proj"),
    ],
)
def test_fused_matrices_are_refused(built, name, role, fused):
    """A role that shares its matrix with others is refused in one line that names the matrix."""
    with pytest.raises(ModelError, match=rf"\({fused}\): '{role}' alone") as caught:
        models.add_lora(built(name), matrices=("o", role), rank=2, alpha=4, dropout=0, seed=0)
    assert "\n" not in str(caught.value)


def test_a_role_that_is_not_there(built):
    """A role that an architecture does not have, or not in every layer, is refused instead of adapted in part."""
    with pytest.raises(ModelError, match="opt has 0 modules that are 'gate' in 2 layers"):
        models.add_lora(built("opt"), matrices=("q", "gate"), rank=2, alpha=4, dropout=0, seed=0)
    lm = built("qwen2")
    lm.model.model.layers[1].mlp.up_proj = torch.nn.Identity()
    with pytest.raises(ModelError, match="1 modules that are 'up' in 2 layers"):
        models.add_lora(lm, matrices=("up",), rank=2, alpha=4, dropout=0, seed=0)


def test_a_saved_adapter_is_a_plain_folder(saved, json_of):
    """The folder holds settings, safetensors and what mnemoscope knows: no pickle, no path, sorted names."""
    lm, folder = saved
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "mnemoscope.json",
    ]
    config = json_of(folder / "adapter_config.json")
    assert config["target_modules"] == sorted(config["target_modules"])
    assert config["base_model_name_or_path"] == lm.name == "tiny"
    facts = json_of(folder / "mnemoscope.json")
    assert facts["base_weights_sha256"] == lm.weights_sha256
    assert (facts["seed"], facts["start_token"]) == (7, "<s>")
    for path in folder.glob("*.json"):
        assert str(folder.parent) not in path.read_text()
        assert "/" not in path.read_text()


def test_a_saved_adapter_comes_back(saved, opened, rows):
    """PEFT alone and `attach` read the folder, and both give the traces of the adapter that was saved, bit for bit."""
    lm, folder = saved
    tokens = rows([5, 9])
    want, _ = models.trace(lm, tokens, ((0, 1),))
    peft, ours = opened(), opened()
    peft.model = PeftModel.from_pretrained(peft.model, folder).eval()
    models.attach(ours, folder)
    for other in (peft, ours):
        got, _ = models.trace(other, tokens, ((0, 1),))
        assert np.array_equal(got.columns["logprob"], want.columns["logprob"])
    assert models.adapter_hash(ours) == models.adapter_hash(peft)
    facts = models.adapter_facts(folder)
    assert (facts["rank"], facts["alpha"], facts["targets"]) == (3, 6, ["q_proj", "up_proj", "v_proj"])


CHILD = """
import sys
from pathlib import Path
from runpy import run_path
run_path(sys.argv[1])["save_fresh"](sys.argv[2], Path(sys.argv[3]))
"""


def save_fresh(model, folder):
    """Write a fresh adapter of every matrix."""
    lm = models.open_model(str(model), dtype="float32", device="cpu")
    models.add_lora(lm, matrices=MATRICES, rank=2, alpha=4, dropout=0.1, seed=3)
    save_adapter(lm, folder, {"b": 1, "a": 2})


def test_a_saved_adapter_is_equal_in_every_process(tiny, tmp_path):
    """Equal runs write equal bytes, whatever order a process keeps its sets in."""
    save_fresh(tiny, tmp_path / "here")
    subprocess.run(
        [sys.executable, "-c", CHILD, __file__, str(tiny), str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=180,
        capture_output=True,
    )
    here, there = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert here == there


def refusal(opened, folder):
    """The one line with which the folder is refused."""
    with pytest.raises(ModelError) as caught:
        models.attach(opened(), folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(path: Path, **changed):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_other_weights_are_refused(saved, opened):
    """An adapter of other weights is refused with both hashes; one that says nothing of its base is not."""
    _, folder = saved
    other = opened()
    other.weights_sha256 = "0" * 64
    with pytest.raises(ModelError, match=r"other weights \(tiny, .*000000000000"):
        models.attach(other, folder)
    (folder / "mnemoscope.json").unlink()
    models.attach(other, folder)


@pytest.mark.parametrize("changed", [{"bias": "all"}, {"bias": "lora_only"}, {"modules_to_save": ["lm_head"]}])
def test_what_cannot_be_switched_off_is_refused(saved, opened, changed):
    """An adapter that trains biases or whole modules is refused: switched off it would not be its base."""
    rewrite(saved[1] / "adapter_config.json", **changed)
    assert "--reference" in refusal(opened, saved[1])


def test_an_adapter_without_safetensors(saved, opened):
    """Only safetensors are read: a folder with a pickle is refused."""
    (saved[1] / "adapter_model.safetensors").unlink()
    (saved[1] / "adapter_model.bin").write_bytes(b"never read")
    assert "adapter_model.safetensors" in refusal(opened, saved[1])


def test_a_folder_that_is_no_adapter(opened, tiny, tmp_path):
    """A model's folder, an empty one and none at all are no adapter."""
    for folder in (tiny, tmp_path, tmp_path / "none"):
        assert "adapter_config.json" in refusal(opened, folder)


def test_an_adapter_of_another_shape(saved, tmp_path):
    """An adapter whose matrices have another size is refused by name of the model."""
    wide = models.write_tiny(tmp_path / "wide", hidden=32)
    (saved[1] / "mnemoscope.json").unlink()
    lm = models.open_model(str(wide), dtype="float32", device="cpu")
    with pytest.raises(ModelError, match="does not fit wide"):
        models.attach(lm, saved[1])


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "mnemoscope.json"])
def test_a_torn_adapter(saved, opened, name):
    """An adapter with half a file is refused in one line."""
    path = saved[1] / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refusal(opened, saved[1])


def test_virtual_tokens_are_traced_or_refused(opened, rows, tmp_path):
    """A prompt-tuning adapter is refused, or its virtual tokens show in the trace: never a silent base."""
    tuned = get_peft_model(opened().model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    tuned.save_pretrained(tmp_path / "prompt")
    lm = opened()
    try:
        models.attach(lm, tmp_path / "prompt")
    except ModelError:
        return
    target, reference = models.trace_pair(lm, None, rows([8]))
    assert not np.array_equal(target.columns["logprob"], reference.columns["logprob"])


def test_an_adapted_output_layer_is_traced(opened, rows, tmp_path):
    """A foreign adapter on the output layer shows in the trace as in the whole model."""
    torch.manual_seed(0)
    config = LoraConfig(r=2, task_type="CAUSAL_LM", target_modules=["lm_head"], init_lora_weights=False)
    get_peft_model(opened().model, config).save_pretrained(tmp_path / "head", save_embedding_layers=False)
    lm, tokens = opened(), rows([8])
    models.attach(lm, tmp_path / "head")
    traces, _ = models.trace(lm, tokens, ((0,),))
    with torch.no_grad():
        logits = lm.model(input_ids=torch.tensor([[0, *map(int, tokens.ids[0][:-1])]])).logits[0]
    want = logits.double().log_softmax(1).numpy()[np.arange(8), tokens.ids[0]]
    np.testing.assert_allclose(traces.columns["logprob"], want, atol=1e-5)
    reference = models.trace_pair(lm, None, tokens)[1]
    assert not np.allclose(traces.columns["logprob"], reference.columns["logprob"], atol=1e-2)


def test_logits_that_are_changed_afterwards_are_refused(tiny, tmp_path):
    """An architecture that caps its logits after the output layer is refused when it is opened."""
    folder = tmp_path / "capped"
    config = Gemma2Config(**PLAIN, num_key_value_heads=2, head_dim=8, final_logit_softcapping=3.0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny / name, folder)
    with pytest.raises(ModelError, match="capped changes its logits"):
        models.open_model(str(folder), dtype="float32", device="cpu")
