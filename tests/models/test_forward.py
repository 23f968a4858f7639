"""Traces against a slow twin, and against every way of batching."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import models
from mnemoscope.errors import ModelError
from mnemoscope.matrices import MATRICES, parse_matrices
from mnemoscope.models import columns, forward
from mnemoscope.traces import COLUMNS

LENGTHS = [7, 1, 30, 2, 12, 12, 1, 25]


def spacing(value, dtype):
    """One unit in the last place of a number in `dtype`, found by stepping to its neighbour away from zero."""
    x = torch.tensor(abs(float(value))).to(dtype)
    return float(torch.nextafter(x, torch.tensor(torch.inf, dtype=dtype)).double() - x.double())


@torch.no_grad()
def slow_trace(lm, ids):
    """The slow twin: full logits of one record, then every column by its definition in float64."""
    logits = lm.model(input_ids=torch.tensor([[lm.start_id, *map(int, ids[:-1])]])).logits[0]
    found = {name: [] for name in ("logprob", "gap", "gap_ulp", "rank", "mean_logprob", "std_logprob")}
    for row, true in zip(logits.double(), map(int, ids), strict=True):
        logp = torch.log_softmax(row, 0).numpy()
        p, others = np.exp(logp), np.delete(row.numpy(), true)
        mean = float(np.sum(p * logp))
        gap = float(row[true]) - others.max()
        found["logprob"].append(logp[true])
        found["rank"].append(1 + int(np.searchsorted(np.sort(-row.numpy()), -float(row[true]), side="left")))
        found["gap"].append(gap)
        found["gap_ulp"].append(gap / spacing(row.max(), lm.dtype))
        found["mean_logprob"].append(mean)
        found["std_logprob"].append(float(np.sqrt(np.sum(p * (logp - mean) ** 2))))
    return {name: np.array(values) for name, values in found.items()}


def residuals(one, other):
    """Largest and mean difference of the columns in nats and logits, over all tokens."""
    parts = [
        np.abs(one.columns[name].astype(np.float64) - other.columns[name])
        for name in ("logprob", "gap", "mean_logprob", "std_logprob")
    ]
    return max(part.max() for part in parts), max(part.mean() for part in parts)


def same(one, other):
    """Whether two traces are equal bit for bit."""
    return all(np.array_equal(one.columns[name], other.columns[name]) for name in COLUMNS)


@pytest.mark.parametrize(("held", "vocabulary", "cached"), [(5, 100, 1), (256, 1, 800), (1, 258, 10**6), (7, 10**6, 1)])
def test_blocks_do_not_matter(opened, rows, monkeypatch, held, vocabulary, cached):
    """However many tokens and logits are worked out at once, the columns are their definitions."""
    monkeypatch.setattr(columns, "HEAD_ROWS", (held, held))
    monkeypatch.setattr(columns, "VOCABULARY", vocabulary)
    monkeypatch.setattr(columns, "CACHED", cached)
    lm, tokens = opened(), rows(LENGTHS)
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    slow = [slow_trace(lm, ids) for ids in tokens.ids]
    for name in ("logprob", "gap", "rank", "mean_logprob", "std_logprob"):
        want = np.concatenate([found[name] for found in slow])
        np.testing.assert_allclose(traces.columns[name], want, rtol=1e-5, atol=1e-5)


def test_columns_are_their_definitions(opened, rows):
    """Every column of a float32 trace is what its definition gives on the full logits in float64."""
    lm, tokens = opened(), rows(LENGTHS)
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    for i, ids in enumerate(tokens.ids):
        slow = slow_trace(lm, ids)
        assert traces.tokens("token_id", i).tolist() == ids.tolist()
        assert traces.tokens("rank", i).tolist() == slow["rank"].tolist()
        for name in ("logprob", "gap", "mean_logprob", "std_logprob"):
            np.testing.assert_allclose(traces.tokens(name, i), slow[name], rtol=1e-5, atol=1e-5, err_msg=name)
        # a difference of 1e-6 in a gap is two units of a logit near 4
        np.testing.assert_allclose(traces.tokens("gap_ulp", i), slow["gap_ulp"], rtol=1e-5, atol=20)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_reductions_by_definition(dtype):
    """From given logits, gap and gap_ulp are exact and rank counts the logits strictly above."""
    kind = getattr(torch, dtype)
    logits = (torch.randn(40, 300, generator=torch.Generator().manual_seed(3)) * 4).to(kind)
    logits[3] = logits[3].abs().neg()  # a top logit below zero
    logits[4, 7] = logits[4].amax()  # a tie with the top
    truth = torch.arange(40) * 7
    truth[4] = 7
    truth[5] = logits[5].argmax()
    found = columns._reduce(logits.clone(), truth).double().numpy()
    for i, (row, true) in enumerate(zip(logits.double(), truth.tolist(), strict=True)):
        gap = float(row[true]) - np.delete(row.numpy(), true).max()
        assert found[i, 1] == np.float32(gap)
        assert found[i, 2] == pytest.approx(gap / spacing(row.max(), kind), rel=1e-6)
        assert found[i, 3] == 1 + int((row > row[true]).sum())
        assert found[i, 0] == pytest.approx(float(row.log_softmax(0)[true]), abs=1e-5)
    assert (found[4, 1], found[4, 3]) == (0, 1)  # a tie: greedy decoding might emit it, and nothing is above
    assert found[5, 1] > 0
    assert found[5, 3] == 1


def test_moments_of_a_known_distribution():
    """p = (.7, .2, .1) has mu = -.801819 and sigma = .703126."""
    found = columns._reduce(torch.log(torch.tensor([[0.7, 0.2, 0.1]])), torch.tensor([1]))[0]
    assert found[4].item() == pytest.approx(-0.801819, abs=1e-6)
    assert found[5].item() == pytest.approx(0.703126, abs=1e-6)
    assert found[0].item() == pytest.approx(np.log(0.2), abs=1e-6)


def test_a_reduction_does_not_depend_on_its_neighbours():
    """Rows are reduced alone: cutting the logits anywhere changes no bit."""
    logits = torch.randn(50, 258, generator=torch.Generator().manual_seed(5))
    truth = torch.arange(50)
    whole = columns._reduce(logits.clone(), truth)
    parts = [columns._reduce(logits[a:b].clone(), truth[a:b]) for a, b in [(0, 1), (1, 24), (24, 50)]]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(tuple((i,) for i in range(8)), id="alone"),
        pytest.param(((1, 6), (3, 0), (2, 7, 4, 5)), id="like lengths"),
        pytest.param(((2, 1), (6, 7, 3), (0, 4, 5)), id="much padding"),
    ],
)
def test_batching_does_not_matter(opened, rows, plan):
    """A record has the same numbers alone, in a batch and beside longer ones, on the maximum and on the mean."""
    lm, tokens = opened(), rows(LENGTHS)
    whole, _ = models.trace(lm, tokens, (tuple(range(8)),))
    other, used = models.trace(lm, tokens, plan)
    assert used == plan
    assert np.array_equal(whole.columns["rank"], other.columns["rank"])
    largest, mean = residuals(whole, other)
    assert largest < 2e-5
    assert mean < 2e-6


def test_tokens_after_a_record_have_no_say(opened, rows):
    """A token is judged by what stands before it: a longer text has the same numbers at its beginning."""
    lm, tokens = opened(), rows([20])
    short = models.rows_of([tokens.ids[0][:9]])
    whole, _ = models.trace(lm, tokens, ((0,),))
    part, _ = models.trace(lm, short, ((0,),))
    np.testing.assert_allclose(part.columns["logprob"], whole.columns["logprob"][:9], atol=1e-5)


def test_places_and_names_follow_the_records(opened, records):
    """Ids, character ends and byte counts of a trace are those of its tokens, in the order of the records."""
    lm = opened()
    tokens = models.tokenize(lm, records(["aß", "the longest of them", "b"]), max_tokens=50)
    traces, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    assert traces.ids == ("r0", "r1", "r2")
    assert traces.tokens("char_end", 0).tolist() == [1, 1, 2]  # two bytes of ß; it is complete with the last
    assert traces.tokens("char_end", 2).tolist() == [1]
    assert traces.text_bytes.tolist() == [3, 19, 1]


def test_no_records_and_short_ones(opened, rows):
    """No records give an empty trace; a record of one token is judged after the start token alone."""
    lm = opened()
    nothing, used = models.trace(lm, rows([]), models.plan_batches(rows([]).lengths))
    assert (len(nothing), used) == (0, ())
    one = rows([1])
    traces, _ = models.trace(lm, one, ((0,),))
    np.testing.assert_allclose(traces.columns["logprob"], slow_trace(lm, one.ids[0])["logprob"], atol=1e-5)


def test_a_record_without_tokens_is_masked(opened, rows):
    """A record without tokens has no number, and its neighbours keep theirs."""
    lm, tokens = opened(), rows([4, 0, 3])
    traces, _ = models.trace(lm, tokens, ((0, 1, 2),))
    assert traces.mean("logprob").mask.tolist() == [False, True, False]
    for i in (0, 2):
        np.testing.assert_allclose(traces.tokens("logprob", i), slow_trace(lm, tokens.ids[i])["logprob"], atol=1e-5)


def test_a_batch_of_empty_records(opened, rows):
    """A record without tokens may be alone in its batch."""
    traces, _ = models.trace(opened(), rows([3, 0]), ((0,), (1,)))
    assert traces.mean("logprob").mask.tolist() == [False, True]


@given(st.lists(st.integers(0, 90), max_size=40), st.sampled_from([1, 16, 64, 2048]))
@settings(max_examples=80, deadline=None)
def test_a_plan_holds_each_row_once(lengths, budget):
    """A plan holds each row once, longest first, and no batch of two or more exceeds its tokens with padding."""
    plan = models.plan_batches(np.array(lengths, dtype=np.int64), tokens=budget)
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    flat = [lengths[row] for batch in plan for row in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in plan:
        assert batch
        assert len(batch) == 1 or len(batch) * (lengths[batch[0]] + 1) <= budget


@pytest.fixture(name="small_memory")
def small_memory_maker(monkeypatch):
    """A function after which a batch of more than `most` rows does not fit; `judge` may tell models apart."""
    real = forward._batch

    def shrink(most, *, error=None, judge=lambda _: True):
        def batch(lm, ids, decodings):
            if len(ids) > most and judge(lm):
                raise error or torch.OutOfMemoryError("CUDA out of memory")
            return real(lm, ids, decodings)

        monkeypatch.setattr(forward, "_batch", batch)

    return shrink


@pytest.mark.parametrize("error", [None, RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_halves_the_batch(opened, rows, small_memory, error):
    """A batch that does not fit is halved until it does, and the traces are those of the finer plan."""
    lm, tokens = opened(), rows(LENGTHS)
    done = []
    small_memory(2, error=error)
    halved, used = models.trace(lm, tokens, ((0, 1, 2, 3, 4), (5, 6, 7)), done.append)
    assert used == ((0, 1), (2,), (3, 4), (5,), (6, 7))
    assert sum(done) == tokens.total  # every token is told once
    small_memory(99)
    plain, _ = models.trace(lm, tokens, used)
    assert same(halved, plain)


def test_target_and_reference_go_through_one_plan(opened, rows, small_memory):
    """Where only the target had to halve a batch, the reference goes through the finer plan as well."""
    target, reference, tokens = opened(), opened(), rows(LENGTHS)
    small_memory(3, judge=lambda lm: lm is target)
    of_target, of_reference = models.trace_pair(target, reference, tokens)
    assert same(of_target, of_reference)  # equal weights: any difference would be the plan's rounding


def test_a_record_that_never_fits(opened, rows, small_memory):
    """A single record that does not fit is the user's to mend, in one line that says how."""
    small_memory(0)
    with pytest.raises(ModelError, match="--max-tokens") as caught:
        models.trace(opened(), rows([4, 5]), ((0, 1),))
    assert "\n" not in str(caught.value)


def test_other_faults_pass_through(opened, rows, small_memory):
    """An error that is no lack of memory is not taken for one."""
    small_memory(1, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        models.trace(opened(), rows([4, 5]), ((0, 1),))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("matrices", ["q", "vo", "gate,up,down", "all"])
@pytest.mark.parametrize("rank", [1, 8])
def test_a_fresh_adapter_is_the_reference(opened, rows, dtype, matrices, rank):
    """An adapter with B = 0 gives the traces of its base bit for bit, so that every comparison is exactly zero."""
    lm, tokens = opened(dtype), rows(LENGTHS)
    plain, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    models.add_lora(lm, matrices=parse_matrices(matrices), rank=rank, alpha=16, dropout=0.1, seed=2)
    lm.model.eval()
    target, reference = models.trace_pair(lm, None, tokens)
    assert same(target, reference)
    assert same(reference, plain)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_that_does_something(opened, rows, perturb, dtype):
    """An adapter with B != 0 changes the target's traces, and switched off it is its base bit for bit."""
    lm, tokens = opened(dtype), rows(LENGTHS)
    plain, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    models.add_lora(lm, matrices=("q", "v"), rank=4, alpha=8, dropout=0.1, seed=2)
    perturb(lm).model.eval()
    target, reference = models.trace_pair(lm, None, tokens)
    assert not np.allclose(target.columns["logprob"], plain.columns["logprob"], atol=1e-2)
    assert same(reference, plain)
    with models.without_adapter(lm):
        off, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    with models.without_adapter(lm, off=False):
        on, _ = models.trace(lm, tokens, models.plan_batches(tokens.lengths))
    assert same(off, plain)
    assert same(on, target)


def test_merged_is_unmerged(opened, rows, perturb):
    """An adapter and the model it is merged into give the same float32 traces."""
    lm, tokens = opened(), rows(LENGTHS)
    models.add_lora(lm, matrices=MATRICES, rank=4, alpha=8, dropout=0, seed=2)
    perturb(lm, scale=0.1).model.eval()
    plan = models.plan_batches(tokens.lengths)
    apart, _ = models.trace(lm, tokens, plan)
    lm.model = lm.model.merge_and_unload()
    merged, _ = models.trace(lm, tokens, plan)
    largest, mean = residuals(apart, merged)
    assert largest < 1e-4
    assert mean < 1e-5
