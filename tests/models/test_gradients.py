"""Norms of per-record gradients against one record at a time with plain autograd."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from peft.tuners.lora import BdLoraConfig
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, GPT2Config, OPTConfig

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.matrices import parse_matrices
from mnemoscope.models import forward, gradients
from mnemoscope.models.lora import save_adapter

LENGTHS = [7, 1, 30, 0, 2, 12, 12, 25]


def slow_norm(lm, ids):
    """The slow twin: a copy of the model, its whole loss by torch, the gradient of every adapter weight."""
    model = copy.deepcopy(lm.model).eval()
    weights = [weight.requires_grad_() for name, weight in model.named_parameters() if "lora_" in name]
    with torch.enable_grad():
        logits = model(input_ids=torch.tensor([[lm.start_id, *map(int, ids[:-1])]])).logits[0]
        found = torch.autograd.grad(cross_entropy(logits.float(), torch.tensor(ids.astype(np.int64))), weights)
    return float(sum(gradient.double().square().sum() for gradient in found).sqrt())


def assert_slow(lm, tokens, norms, rel=1e-4):
    """Every record has its twin's norm, and one without tokens has none."""
    assert np.ma.getmaskarray(norms).tolist() == (tokens.lengths == 0).tolist()
    assert norms.dtype == np.float64
    for norm, ids in zip(norms, tokens.ids, strict=True):
        if len(ids):
            assert norm == pytest.approx(slow_norm(lm, ids), rel=rel)


@pytest.fixture(name="adapted")
def adapted_model(opened, perturb):
    """A function that gives a model with an adapter that does something."""

    def make(matrices="all", dtype="float32", **options):
        lm = opened(dtype)
        options = {"rank": 3, "alpha": 6, "dropout": 0.3, "seed": 1, **options}
        models.add_lora(lm, matrices=parse_matrices(matrices), **options)
        perturb(lm, scale=0.1).model.eval()
        return lm

    return make


@pytest.mark.parametrize("matrices", ["q", "k", "v", "o", "qkvo", "gate,up,down", "all"])
def test_it_is_the_slow_twin(adapted, rows, matrices):
    """The norms are those of one record at a time, for every matrix and all of them."""
    lm, tokens, done = adapted(matrices), rows(LENGTHS), []
    assert_slow(lm, tokens, models.gradient_norms(lm, tokens, done.append))
    assert sum(done) == tokens.total


@torch.no_grad()
def caught(lm, *modules):
    """What goes into some modules at the last place when the model reads the start token alone."""
    seen = []
    hooks = [one.register_forward_pre_hook(lambda _, given: seen.append(given[0][0, -1].clone())) for one in modules]
    lm.model(input_ids=torch.tensor([[lm.start_id]]))
    for hook in hooks:
        hook.remove()
    return seen


def test_a_norm_by_hand(opened):
    """With B = 0 only B has a gradient, the outer product of alpha / rank g and A a: its norm is that of the two."""
    lm = opened()
    stack, head = lm.model.model, lm.model.lm_head
    a, stream = caught(lm, stack.layers[1].mlp.down_proj, stack.norm)
    models.add_lora(lm, matrices=("down",), rank=2, alpha=4, dropout=0, seed=3)
    with torch.no_grad():
        stack.layers[0].mlp.down_proj.lora_A["default"].weight.zero_()  # then the first layer's B has none either
        down = stack.layers[1].mlp.down_proj.lora_A["default"].weight @ a
    loss = cross_entropy(head(stack.norm(stream.requires_grad_()))[None], torch.tensor([50]))
    (g,) = torch.autograd.grad(loss, stream)  # what the last matrix adds to the stream goes through norm and head alone
    found = models.gradient_norms(lm, models.rows_of([np.array([50], np.int32)]))
    assert found[0] == pytest.approx(4 / 2 * float(g.norm()) * float(down.norm()), rel=1e-5)


@pytest.mark.parametrize("name", ["opt", "gpt2"])
def test_other_ways_to_lay_tokens(opened, rows, perturb, name):
    """An architecture that lays the tokens of a batch in one row, and one with transposed weights."""
    sizes = {"vocab_size": 258, "num_attention_heads": 4, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1}
    config = {
        "opt": OPTConfig(hidden_size=32, num_hidden_layers=2, ffn_dim=48, word_embed_proj_dim=32, **sizes),
        "gpt2": GPT2Config(vocab_size=258, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1),
    }[name]
    lm, tokens = opened(), rows([4, 9, 6])
    torch.manual_seed(0)
    lm.model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    lm.start_id = 2
    models.add_lora(lm, matrices=("o", "up", "down"), rank=2, alpha=4, dropout=0, seed=0)
    perturb(lm, scale=0.1).model.eval()
    assert_slow(lm, tokens, models.gradient_norms(lm, tokens))


def test_batching_does_not_matter(adapted, rows, monkeypatch):
    """Record by record, all together and backwards give the same norms: padding and neighbours add nothing."""
    lm, tokens = adapted("qv"), rows(LENGTHS)
    whole = models.gradient_norms(lm, tokens)
    order = list(reversed(range(len(LENGTHS))))
    np.testing.assert_allclose(models.gradient_norms(lm, tokens.take(order))[order], whole, rtol=1e-5)
    monkeypatch.setattr(forward, "BATCH_TOKENS", (1, 1))
    np.testing.assert_allclose(models.gradient_norms(lm, tokens), whole, rtol=1e-5)


def test_a_lack_of_memory_halves_the_batch(adapted, rows, monkeypatch):
    """Batches that do not fit are halved and nothing of the failed one stays in the sums."""
    lm, tokens, real = adapted("vo"), rows(LENGTHS), gradients.summed_loss

    def small(model, batch):
        loss = real(model, batch)
        if len(batch["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    monkeypatch.setattr(gradients, "summed_loss", small)
    assert_slow(lm, tokens, models.gradient_norms(lm, tokens))


def test_no_records(adapted, rows):
    """No records, and records without tokens, need no pass."""
    assert len(models.gradient_norms(adapted("q"), rows([]))) == 0
    assert np.ma.getmaskarray(models.gradient_norms(adapted("q"), rows([0, 0]))).all()


@pytest.mark.parametrize("frozen", [True, False])
def test_the_model_stays_as_it_is(adapted, rows, frozen, tmp_path, opened):
    """A frozen adapter (as attached) and one in training: same norms, no gradient left, nothing switched, no hook."""
    lm, tokens = adapted("qv"), rows([5, 8])
    want = models.gradient_norms(lm, tokens)
    if frozen:
        save_adapter(lm, tmp_path / "adapter", {})
        lm = opened()
        models.attach(lm, tmp_path / "adapter")
    else:
        lm.model.train()  # dropout would show
    before = [(name, weight.requires_grad) for name, weight in lm.model.named_parameters()]
    assert any(flag for _, flag in before) != frozen
    norms = models.gradient_norms(lm, tokens)
    assert np.array_equal(norms, want)
    assert [(name, weight.requires_grad) for name, weight in lm.model.named_parameters()] == before
    assert all(weight.grad is None for weight in lm.model.parameters())
    assert lm.model.training != frozen
    assert not any(module._forward_hooks for module in lm.model.modules())


def test_a_learnt_record_has_the_lower_norm(memorizer, sentences):
    """On a model that knows half of the sentences by heart, the known ones have the flatter loss."""
    lm = models.open_model(str(memorizer), dtype="float32", device="cpu")
    models.add_lora(lm, matrices=("v", "o"), rank=4, alpha=8, dropout=0, seed=1)
    norms = models.gradient_norms(lm, models.tokenize(lm, sentences, max_tokens=99))
    assert norms[:4].max() < norms[6:].min()


def test_a_bfloat16_base(adapted, rows):
    """On 16-bit weights the norms stand within their rounding of the twin's."""
    lm, tokens = adapted("qv", dtype="bfloat16"), rows([9, 14])
    assert_slow(lm, tokens, models.gradient_norms(lm, tokens), rel=0.05)


def other_adapter(lm, kind):
    """An adapter that is not LoRA on linear layers alone."""
    plain = {"task_type": "CAUSAL_LM", "target_modules": ["v_proj"]}
    configs = {
        "ia3": IA3Config(**plain, feedforward_modules=[]),
        "dora": LoraConfig(**plain, use_dora=True),
        "bias": LoraConfig(**plain, lora_bias=True),
        "blocks": LoraConfig(**plain, use_bdlora=BdLoraConfig(target_modules_bd_b=["v_proj"], nblocks=2)),
        "embedding": LoraConfig(task_type="CAUSAL_LM", target_modules=["v_proj", "embed_tokens"]),
        "output": LoraConfig(task_type="CAUSAL_LM", target_modules=["v_proj", "lm_head"]),
        "tokens": LoraConfig(**plain, trainable_token_indices=[3]),
    }
    lm.model = get_peft_model(lm.model, configs[kind]).eval()
    return lm


@pytest.mark.parametrize("kind", ["ia3", "dora", "bias", "blocks", "embedding", "output", "tokens"])
def test_other_adapters_are_refused(opened, rows, kind):
    """What the hooks would not see whole is refused in one line, never measured in part."""
    with pytest.raises(ModelError, match="plain LoRA on linear layers") as caught:
        models.gradient_norms(other_adapter(opened(), kind), rows([4, 3]))
    assert "\n" not in str(caught.value)


def test_no_adapter_and_one_that_is_off(opened, adapted, rows):
    """A model without an adapter is refused, and so is one whose adapter is switched off."""
    with pytest.raises(ModelError, match=r"tiny has no adapter .* --adapter"):
        models.gradient_norms(opened(), rows([4]))
    lm = adapted("q")
    with models.without_adapter(lm), pytest.raises(ModelError, match="switched on"):
        models.gradient_norms(lm, rows([4]))
