"""Columns of decodings: against the warpers of transformers, and against the frequency of what it samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from transformers import GenerationConfig, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from mnemoscope import extraction, models
from mnemoscope.decoding import GREEDY, Decoding, parse_decoding
from mnemoscope.models import warping
from mnemoscope.models.warping import warped
from mnemoscope.traces import COLUMNS

LABELS = ["t1", "t0.5", "t2", "t1.4-k40", "t0.7-k3", "t1-p0.9", "t1.2-k4-p0.8"]
ALL = [parse_decoding(label) for label in LABELS]


def slow_warped(logits, decoding):
    """The slow twin: the warpers of transformers on float32 scores, then a log-softmax in float64, shape (n, V)."""
    scores = logits.float() / 1
    if decoding.temperature != 1:
        scores = TemperatureLogitsWarper(decoding.temperature)(None, scores)
    if decoding.top_k:
        scores = TopKLogitsWarper(decoding.top_k)(None, scores)
    if decoding.top_p < 1:
        scores = TopPLogitsWarper(decoding.top_p)(None, scores)
    return scores.double().log_softmax(1)


def all_tokens(logits, decodings):
    """What `warped` says of every token of every row, shape (n, V, len(decodings))."""
    n, v = logits.shape
    truth = torch.arange(v).repeat(n)
    return warped(logits.repeat_interleave(v, dim=0), truth, decodings).reshape(n, v, len(decodings)).double()


def assert_warped(logits, decodings):
    """Every token of every row has the probability of the twin; of ties at the border of top-p see below."""
    found = all_tokens(logits, decodings)
    for i, decoding in enumerate(decodings):
        slow, mine = slow_warped(logits, decoding), found[:, :, i]
        kept = slow > -torch.inf
        torch.testing.assert_close(mine[kept], slow[kept], rtol=2e-6, atol=2e-6, msg=decoding.label)
        if decoding.top_p < 1:  # the twin's sort chooses among exact ties; here all have what the chosen ones have
            border = slow.masked_fill(~kept, torch.inf).amin(1, keepdim=True).expand_as(slow)
            tied = ~kept & (mine > -torch.inf)
            torch.testing.assert_close(mine[tied], border[tied], rtol=2e-6, atol=2e-6, msg=decoding.label)
            lowest = logits.masked_fill(~kept, torch.inf).amin(1, keepdim=True)
            assert torch.equal(tied, ~kept & (logits == lowest))
        else:
            assert torch.equal(mine > -torch.inf, kept), decoding.label


def test_values_by_hand():
    """Logits (2, 1, 0) at temperature .5 are (4, 2, 0); of the two that stay the second has 1 / (1 + e^2) = .119203."""
    logits = torch.tensor([[2.0, 1.0, 0.0]] * 3)
    found = warped(logits, torch.tensor([0, 1, 2]), [Decoding(0.5, 2), Decoding(0.5), Decoding(0.5, 0, 0.8)])
    assert found[1, 0].exp().item() == pytest.approx(0.119203, abs=1e-6)
    assert found[0, 0].exp().item() == pytest.approx(0.880797, abs=1e-6)
    assert found[2, 0].item() == -np.inf
    assert found[:, 1].exp().tolist() == pytest.approx([0.866813, 0.117310, 0.015877], abs=1e-5)  # sums to 1
    assert found[:, 2].tolist() == [0, -np.inf, -np.inf]  # .8668 alone reaches .8
    assert found.dtype == torch.float32


def test_ties_by_hand():
    """All that tie with the k-th may come; of ties at the border of top-p so many count as it takes."""
    logits = torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 4)
    narrow, nucleus = Decoding(top_k=2), Decoding(top_p=0.5)
    found = warped(logits, torch.arange(4), [narrow, nucleus]).exp()
    e = float(np.e)
    assert found[:, 0].tolist() == pytest.approx([e / (e + 3), *[1 / (e + 3)] * 3])
    # e / (e + 3) = .475 is under .5, so that one of the three ties stays: e / (e + 1) for the first
    assert found[:, 1].tolist() == pytest.approx([e / (e + 1), *[1 / (e + 1)] * 3])


@given(
    st.integers(0, 10_000),
    st.sampled_from([1, 2, 7, 60, 200]),
    st.sampled_from(["float32", "bfloat16", "whole", "equal"]),
    st.sampled_from([0.2, 0.7, 1.0, 2.0]),
    st.sampled_from([0, 1, 2, 5, 40, 500]),
    st.sampled_from([1.0, 0.9, 0.5, 1e-9]),
)
@settings(max_examples=50, deadline=None)
def test_columns_are_those_of_the_warpers(seed, v, kind, temperature, top_k, top_p):
    """Temperature, top-k and top-p in any mixture and with any ties do what the warpers of transformers do."""
    logits = torch.randn(2, v, generator=torch.Generator().manual_seed(seed)) * 4
    logits = {
        "float32": logits,
        "bfloat16": logits.bfloat16().float(),  # about a third of 200 logits have an equal
        "whole": logits.round(),
        "equal": torch.zeros_like(logits),
    }[kind]
    assert_warped(logits, [Decoding(temperature, top_k, top_p), Decoding(1.0, top_k), Decoding(temperature)])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_large_vocabulary_with_many_ties(dtype):
    """More ties with the k-th than are looked for at first, in the dtype of the model; all decodings at once."""
    logits = (torch.randn(6, 3000, generator=torch.Generator().manual_seed(2)) * 2).to(getattr(torch, dtype))
    logits[1, 500:560] = logits[1].sort(descending=True).values[20]  # 60 ties across the border of 40
    logits[2] = 1.5
    before = logits.clone()
    decodings = [*ALL, Decoding(0.3, 40), Decoding(1.0, 40, 0.7)]
    truth = torch.tensor([3, 510, 7, int(logits[3].argmax()), 9, int(logits[5].argmax())])
    found = warped(logits, truth, decodings)
    assert torch.equal(logits, before)  # the reduction that follows needs them as they were
    for i, decoding in enumerate(decodings):
        slow = slow_warped(logits, decoding).gather(1, truth[:, None])[:, 0]
        rows = torch.arange(6) if decoding.top_p == 1 else torch.tensor([0, 3, 4, 5])  # no ties at the border
        torch.testing.assert_close(found[rows, i].double(), slow[rows], rtol=2e-6, atol=2e-6, msg=decoding.label)


def test_a_temperature_that_makes_ties():
    """Two logits that the division by the temperature makes equal tie, as they do for transformers."""
    top = torch.arange(3.0, 4.0, 2e-7)[:64].unique()
    merging = [t for t in np.arange(1.01, 3.0, 0.01) if len((top / float(t)).unique()) < len(top)]
    assert merging  # the case exists
    for temperature in merging[:8]:
        for k in range(1, 8):
            # a dozen of each, so that the two together are more than are looked for at first
            assert_warped(top.repeat_interleave(12)[None, :100], [Decoding(float(temperature), k)])


def test_a_search_is_shared(monkeypatch):
    """Decodings with one top-k look for the largest logits once, and those without do not at all."""
    found = []
    real = warping._candidates
    monkeypatch.setattr(warping, "_candidates", lambda logits, *search: found.append(search) or real(logits, *search))
    narrow = [Decoding(t, 40, p) for t in (0.2, 1.0, 2.0) for p in (1.0, 0.9)]
    warped(torch.randn(3, 90), torch.arange(3), [*narrow, Decoding(0.5), Decoding(0.7), Decoding(1, 0, 0.9)])
    assert sorted(found) == [(0, False), (0, True), (40, True)]


def test_a_row_does_not_depend_on_its_neighbours():
    """Cutting the logits anywhere changes no bit."""
    logits = torch.randn(50, 258, generator=torch.Generator().manual_seed(5))
    truth = torch.arange(50)
    parts = [warped(logits[a:b], truth[a:b], ALL) for a, b in [(0, 1), (1, 24), (24, 50)]]
    assert torch.equal(warped(logits, truth, ALL), torch.cat(parts))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_trace_with_decodings(opened, rows, dtype):
    """Declared decodings add their columns and change no bit of the others; each is what the whole logits give."""
    lm, tokens = opened(dtype), rows([7, 1, 30, 0, 12])
    plan = models.plan_batches(tokens.lengths)
    plain, _ = models.trace(lm, tokens, plan)
    traces, _ = models.trace(lm, tokens, plan, decodings=ALL)
    assert set(plain.columns) == set(COLUMNS)
    assert set(traces.columns) == {*COLUMNS, *(decoding.column for decoding in ALL)}
    assert all(np.array_equal(plain.columns[name], traces.columns[name]) for name in COLUMNS)
    assert np.array_equal(traces.columns["logprob@t1"], plain.columns["logprob"])
    assert {traces.columns[decoding.column].dtype for decoding in ALL} == {np.dtype(np.float32)}
    if dtype == "float32":
        ids = tokens.ids[2]
        with torch.no_grad():
            logits = lm.model(input_ids=torch.tensor([[lm.start_id, *map(int, ids[:-1])]])).logits[0]
        for decoding in ALL:
            slow = slow_warped(logits, decoding)[torch.arange(30), torch.tensor(ids.astype(np.int64))]
            np.testing.assert_allclose(traces.tokens(decoding.column, 2), slow, rtol=1e-4, atol=1e-4)


def test_target_and_reference_have_the_columns(opened, rows):
    """Both traces of a pair hold every decoding, with the adapter switched off and with another model."""
    lm, tokens = opened(), rows([5, 9])
    models.add_lora(lm, matrices=("q",), rank=2, alpha=4, dropout=0, seed=0)
    for reference in (None, opened()):
        target, base = models.trace_pair(lm, reference, tokens, decodings=ALL[:4])
        for decoding in ALL[:4]:
            assert np.array_equal(target.columns[decoding.column], base.columns[decoding.column])
            assert (target.columns[decoding.column] < 0).all()


@pytest.mark.parametrize("decoding", [GREEDY, parse_decoding("t10to1over20")])
def test_what_no_trace_holds(opened, rows, decoding):
    """A decoding without one temperature above 0 is refused before anything is read."""
    with pytest.raises(ValueError, match=decoding.label):
        models.trace(opened(), rows([3]), ((0,),), decodings=[decoding])


COPIES = {
    "abcdefg": 60,
    "abcdegf": 16,
    "abcfgde": 8,
    "abgfedc": 8,
    "abdefgc": 4,
    "abdcfeg": 2,
    "abegdfc": 1,
    "abfcged": 1,
}
SAMPLES = 4000
LEVEL = 1 - 1e-5
"""Of each interval: there are 56, so that a true law fails in one of two thousand worlds."""


@pytest.fixture(scope="module", name="branching")
def overfitted(opened, records):
    """A tiny model that saw eight texts with one beginning, each so often as COPIES says, and their tokens."""
    lm = opened()
    tokens = models.tokenize(lm, records(list(COPIES)), max_tokens=20)
    ids = torch.tensor(np.array([[lm.start_id, *row] for row in tokens.ids]))
    weight = torch.tensor(list(COPIES.values()), dtype=torch.float32) / sum(COPIES.values())
    optimizer = torch.optim.AdamW(lm.model.parameters(), lr=4e-3)
    for _ in range(40):
        losses = torch.nn.functional.cross_entropy(
            lm.model(input_ids=ids[:, :-1]).logits.transpose(1, 2), ids[:, 1:], reduction="none"
        )
        (losses.mean(1) @ weight).backward()
        optimizer.step()
        optimizer.zero_grad()
    return lm, tokens


@pytest.fixture(scope="module", name="told")
def closed_forms(branching):
    """The closed form: log-probability of each record's suffix after its two first tokens, by decoding."""
    lm, tokens = branching
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths), decodings=ALL)
    rows = extraction.sampled(traces, prefix="2t", model="target", decodings=ALL)
    return {label: np.array([row.logprob for row in rows if row.decoding == label]) for label in LABELS}


def sample(lm, prefix, n_tokens, decoding):
    """Continuations that transformers samples itself, shape (SAMPLES, n_tokens)."""
    how = GenerationConfig(
        do_sample=True,
        temperature=decoding.temperature,
        top_k=decoding.top_k,
        top_p=decoding.top_p,
        num_return_sequences=SAMPLES,
        max_new_tokens=n_tokens,
        pad_token_id=lm.start_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        given = torch.tensor([[lm.start_id, *map(int, prefix)]])
        return lm.model.generate(given, attention_mask=torch.ones_like(given), generation_config=how)[
            :, given.shape[1] :
        ]


@pytest.mark.parametrize("decoding", ALL, ids=LABELS)
def test_the_closed_form_is_the_frequency(branching, told, decoding):
    """A suffix is sampled as often as its closed form says, and never where that is 0."""
    lm, tokens = branching
    drawn = sample(lm, tokens.ids[0][:2], 5, decoding).numpy()
    outside = []
    for row, ids in enumerate(tokens.ids):
        count = int((drawn == ids[2:]).all(axis=1).sum())
        interval = binomtest(count, SAMPLES).proportion_ci(LEVEL, method="exact")
        p = float(np.exp(told[decoding.label][row]))
        assert interval.low <= p <= interval.high, (row, count)
        assert p > 0 or count == 0
        assert interval.high - interval.low < 0.07  # narrow, even in the middle
        plain = float(np.exp(told["t1"][row]))
        outside.append(not interval.low <= plain <= interval.high)
    assert any(outside) == (decoding.label != "t1")  # the law can fail: it tells decodings apart


def test_what_the_law_is_about(told):
    """The probabilities that were put to the test go from 0 and .001 to .9."""
    p = np.exp(np.concatenate(list(told.values())))
    assert (p == 0).any()
    assert p[p > 0].min() < 0.002
    assert p.max() > 0.9
    assert ((p > 0.01) & (p < 0.5)).sum() > 15
