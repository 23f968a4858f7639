"""Traces after known text against a slow twin that reads it all from scratch, and a second model beside the first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as kinds
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.models import context, forward
from mnemoscope.traces import COLUMNS

LENGTHS = [7, 1, 30, 0, 2, 12, 12, 1, 25]
SIZES = {"vocab_size": 258, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1}
ARCHITECTURES = {
    "qwen2": Qwen2Config(**SIZES, intermediate_size=48, num_key_value_heads=2),
    "sliding window": MistralConfig(**SIZES, intermediate_size=48, num_key_value_heads=2, sliding_window=9),
    "opt": OPTConfig(**SIZES, ffn_dim=48, word_embed_proj_dim=32),
    "gpt2": GPT2Config(vocab_size=258, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1),
    "gpt_neox": GPTNeoXConfig(**SIZES, intermediate_size=48),
}


def shots_like(n, seed=9):
    """Token ids of some known text."""
    return np.random.default_rng(seed).integers(2, 258, n).astype(np.int32)


@torch.no_grad()
def slow_logprobs(lm, shots, ids):
    """The slow twin: start, shots and record read from scratch, full logits, the record's own places in float64."""
    whole = [lm.start_id, *map(int, shots), *map(int, ids)]
    logp = lm.model(input_ids=torch.tensor([whole]), use_cache=False).logits[0].double().log_softmax(1)
    first = 1 + len(shots)
    return np.array([float(logp[place - 1, whole[place]]) for place in range(first, len(whole))])


def assert_slow(lm, shots, tokens, traces):
    """Every record has its twin's numbers, token for token."""
    for i, ids in enumerate(tokens.ids):
        assert traces.tokens("token_id", i).tolist() == ids.tolist()
        np.testing.assert_allclose(
            traces.tokens("logprob", i), slow_logprobs(lm, shots, ids), atol=1e-4, err_msg=str(i)
        )


def same(one, other):
    """Whether two traces are equal bit for bit."""
    return all(np.array_equal(one.columns[name], other.columns[name]) for name in COLUMNS)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_it_is_the_slow_twin(opened, rows, n):
    """A record after shots has the numbers of reading start, shots and record from scratch, its first token too."""
    lm, tokens, shots, done = opened(), rows(LENGTHS), shots_like(n), []
    traces = models.trace_after(lm, shots, tokens, done.append)
    assert_slow(lm, shots, tokens, traces)
    assert traces.mean("logprob").mask.tolist() == [length == 0 for length in LENGTHS]
    assert sum(done) == tokens.total


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_counts_its_places(opened, rows, name):
    """Places and masks are right whatever way an architecture counts them, in batches with much padding."""
    torch.manual_seed(0)
    lm, tokens, shots = opened(), rows([3, 14, 1, 6]), shots_like(11)
    lm.model = AutoModelForCausalLM.from_config(ARCHITECTURES[name], attn_implementation="eager").eval()
    with torch.no_grad():
        for weight in lm.model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1)  # small random models hardly look at their context
    lm.start_id = 2
    assert_slow(lm, shots, tokens, models.trace_after(lm, shots, tokens))


def test_without_shots_it_is_the_plain_trace(opened, rows):
    """No shots at all give the plain trace, bit for bit."""
    lm, tokens = opened(), rows(LENGTHS)
    plain, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    assert same(models.trace_after(lm, shots_like(0), tokens), plain)
    assert not np.allclose(models.trace_after(lm, shots_like(3), tokens).columns["logprob"], plain.columns["logprob"])


def test_the_start_token_stands_first(opened, rows):
    """The shots are read after the start token: another one gives other numbers, those of its twin."""
    lm, tokens, shots = opened(), rows([5, 9]), shots_like(4)
    first = models.trace_after(lm, shots, tokens)
    lm.start_id = 77
    other = models.trace_after(lm, shots, tokens)
    assert not np.allclose(first.columns["logprob"], other.columns["logprob"], atol=1e-3)
    assert_slow(lm, shots, tokens, other)


def test_batches_know_nothing_of_each_other(opened, rows, monkeypatch):
    """Record by record, in one batch, and backwards: no batch leaves anything behind for the next."""
    lm, tokens, shots = opened(), rows(LENGTHS), shots_like(20)
    whole = models.trace_after(lm, shots, tokens)
    order = list(reversed(range(len(LENGTHS))))
    backwards = models.trace_after(lm, shots, tokens.take(order)).take(np.array(order))
    monkeypatch.setattr(forward, "HELD", 1)
    alone = models.trace_after(lm, shots, tokens)
    for other in (backwards, alone):
        assert other.ids == whole.ids
        assert np.array_equal(other.columns["rank"], whole.columns["rank"])
        np.testing.assert_allclose(other.columns["logprob"], whole.columns["logprob"], atol=2e-5)
    assert same(alone, models.trace_after(lm, shots, tokens))


def test_shots_are_read_once(opened, rows, monkeypatch):
    """The model reads start and shots once, and then every batch from the last shot token on."""
    lm, tokens, shots, read = opened(), rows([4, 3, 2]), shots_like(30), []
    monkeypatch.setattr(forward, "HELD", 1)  # a batch a record
    lm.model.get_input_embeddings().register_forward_hook(lambda _, given, __: read.append(tuple(given[0].shape)))
    models.trace_after(lm, shots, tokens)
    assert read == [(1, 30), (1, 4), (1, 3), (1, 2)]


def test_the_adapter_reads_the_shots_too(opened, rows, perturb):
    """With an adapter shots and record are read through it; switched off they are the base's, bit for bit."""
    lm, tokens, shots = opened(), rows([6, 11]), shots_like(8)
    plain = models.trace_after(lm, shots, tokens)
    models.add_lora(lm, matrices=("k", "v"), rank=3, alpha=6, dropout=0.2, seed=1)
    perturb(lm).model.eval()
    assert_slow(lm, shots, tokens, models.trace_after(lm, shots, tokens))
    with models.without_adapter(lm):
        assert same(models.trace_after(lm, shots, tokens), plain)


def test_a_context_that_is_too_short(opened, rows):
    """Start, shots and longest record must fit: 512 places do, 513 are refused in one line with all numbers."""
    lm, tokens = opened(), rows([2, 31])
    models.trace_after(lm, shots_like(480), tokens)
    with pytest.raises(ModelError, match=r"481 tokens .* 31 need 513 .* tiny reads 512: give fewer --shots") as caught:
        models.trace_after(lm, shots_like(481), tokens)
    assert "\n" not in str(caught.value)
    assert len(models.trace_after(lm, shots_like(511), rows([]))) == 0


def test_a_lack_of_memory_halves_the_batch(opened, rows, monkeypatch):
    """Batches that do not fit are halved, with the numbers of their twins; one record that does not is refused."""
    lm, tokens, shots, real = opened(), rows(LENGTHS), shots_like(10), context.padded

    def small(most):
        def padded(ids, *rest):
            if len(ids) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(ids, *rest)

        monkeypatch.setattr(context, "padded", padded)

    small(2)
    assert_slow(lm, shots, tokens, models.trace_after(lm, shots, tokens))
    small(0)
    with pytest.raises(ModelError, match="--shots"):
        models.trace_after(lm, shots, tokens)


@given(st.lists(st.integers(0, 90), min_size=1, max_size=40), st.integers(0, 12000))
@settings(max_examples=60, deadline=None)
def test_a_plan_bounds_what_is_read_and_held(lengths, before):
    """A batch of two or more reads 2048 places and holds 8192 with the shots at most, and each row comes once."""
    plan = models.plan_batches(np.array(lengths, dtype=np.int64), before=before)
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    for batch in plan:
        places = lengths[batch[0]] + 1
        assert len(batch) == 1 or len(batch) * places <= 2048
        assert len(batch) == 1 or before == 0 or len(batch) * (before + places) <= 8192


def test_shots_by_hand(opened):
    """Each shot is followed by a blank line, and none begins with a start token; one token is one byte here."""
    lm = opened()
    shots = models.shots_of(lm, ["ab", "", "c\n"])
    assert models.decode(lm, shots) == "ab\n\n\n\nc\n\n\n"
    assert len(shots) == len("ab\n\n\n\nc\n\n\n")
    assert shots.dtype == np.int32
    assert models.shots_of(lm, []).tolist() == []


def word_model(folder):
    """A model with a tokenizer of another kind: one token a word, with a vocabulary of six."""
    words = ["[s]", "[?]", "the", "cat", "sat", "mat"]
    core = Tokenizer(kinds.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[?]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(4)
    sizes = {**SIZES, "vocab_size": 6, "num_attention_heads": 2, "intermediate_size": 16, "initializer_range": 0.3}
    LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=core, bos_token="[s]", unk_token="[?]").save_pretrained(folder)
    return folder


def test_two_models_with_two_tokenizers(tiny, records, tmp_path):
    """A second model is opened beside the first, and both trace the records in tokens of their own."""
    texts = records(["the cat sat", "the mat", "the dog"])
    first = models.open_model(str(tiny), dtype="float32", device="cpu")
    bytes_before, _ = models.trace(first, (cut := models.tokenize(first, texts, max_tokens=99)), ((0, 1, 2),))
    second = models.open_model(str(word_model(tmp_path / "words")), dtype="float32", device="cpu")
    tokens = models.tokenize(second, texts, max_tokens=99)
    assert [ids.tolist() for ids in tokens.ids] == [[2, 3, 4], [2, 5], [2, 1]]
    traces, _ = models.trace(second, tokens, ((0, 1, 2),))
    assert traces.ids == bytes_before.ids
    assert traces.tokens("char_end", 0).tolist() == [3, 7, 11]
    assert_slow(second, (), tokens, traces)
    assert_slow(second, [3, 3], tokens, models.trace_after(second, np.array([3, 3], np.int32), tokens))
    again, _ = models.trace(first, cut, ((0, 1, 2),))
    assert same(again, bytes_before)
    assert first.weights_sha256 != second.weights_sha256
