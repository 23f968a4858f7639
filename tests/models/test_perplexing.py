"""Perplexing texts: regular tokens that survive being read again, drawn as declared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.models import perplexing


def ids_of(lm, texts):
    """Token ids of texts, without special tokens."""
    return lm.tokenizer(texts, add_special_tokens=False)["input_ids"]


def test_texts_keep_their_tokens(opened):
    """Every text has as many tokens as asked for, is one printable line, and is cut back into the same tokens."""
    lm = opened()
    texts = models.perplexing_texts(lm, 40, 12, seed=0)
    assert len(texts) == len(set(texts)) == 40
    for text, ids in zip(texts, ids_of(lm, texts), strict=True):
        assert len(ids) == 12
        assert models.decode(lm, np.array(ids)) == text == text.strip()
        assert text.isprintable()
        assert not {lm.tokenizer.bos_token_id, lm.tokenizer.eos_token_id} & set(ids)


def test_texts_that_change_are_left_out(opened, monkeypatch):
    """A row whose text the tokenizer cuts otherwise is never handed out."""
    lm = opened()
    regular = ids_of(lm, ["abcd", "efgh"])
    half, blank = (lm.tokenizer.get_vocab()[token] for token in ("Ã", "Ġ"))  # half a character, and a space
    rows = [regular[0], [*regular[0][:3], half], regular[1], [*regular[0][:3], blank], [blank] * 4]
    monkeypatch.setattr(perplexing, "_draw", lambda *_: np.array(rows))
    assert models.perplexing_texts(lm, 2, 4, seed=0) == ["abcd", "efgh"]
    with pytest.raises(ModelError, match="only 2 of 3 perplexing texts"):
        models.perplexing_texts(lm, 3, 4, seed=0)


def test_seeds(opened):
    """Equal seeds give equal texts whatever torch drew before; other seeds and temperatures give others."""
    lm = opened()
    first = models.perplexing_texts(lm, 5, 8, seed=1)
    torch.manual_seed(99)
    assert models.perplexing_texts(lm, 5, 8, seed=1) == first
    assert models.perplexing_texts(lm, 3, 8, seed=1) == first[:3]
    assert not set(models.perplexing_texts(lm, 5, 8, seed=2)) & set(first)
    assert models.perplexing_texts(lm, 5, 8, seed=1, temperature=0.5) != first
    state = torch.get_rng_state()
    models.perplexing_texts(lm, 1, 8, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert models.perplexing_texts(lm, 0, 8, seed=1) == []


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_first_token_has_the_declared_law(opened, temperature):
    """The first token comes with the probability of the regular tokens under this temperature, without top-k."""
    lm = opened()
    n = 600
    texts = models.perplexing_texts(lm, n, 3, seed=4, temperature=temperature)
    allowed = [i for i in range(len(lm.tokenizer)) if 33 <= ord(lm.tokenizer.decode([i])[:1] or "\0") < 127]
    with torch.inference_mode():
        logits = lm.model(input_ids=torch.tensor([[lm.start_id]])).logits[0, -1].double() / temperature
    chance = logits[allowed].softmax(0).numpy()
    seen = np.bincount([allowed.index(ids[0]) for ids in ids_of(lm, texts)], minlength=len(allowed))
    order = np.argsort(chance)[::-1]
    heaps = np.array_split(order, 8)  # from likely to unlikely
    expected = np.array([chance[heap].sum() for heap in heaps])
    # texts are kept apart from each other and from spaces at their ends, which the first token does not feel
    assert scipy_stats.chisquare([seen[heap].sum() for heap in heaps], n * expected / expected.sum()).pvalue > 1e-3


def test_hotter_is_more_perplexing(opened):
    """The mean log-probability of the texts falls with the temperature."""
    lm = opened()
    found = []
    for temperature in (0.5, 1.0, 2.0):
        texts = models.perplexing_texts(lm, 60, 8, seed=3, temperature=temperature)
        rows = models.rows_of([np.array(ids, dtype=np.int32) for ids in ids_of(lm, texts)])
        traces, _ = models.trace(lm, rows, models.plan_batches(rows.lengths))
        found.append(float(traces.columns["logprob"].mean()))
    assert found[0] > found[1] > found[2]
