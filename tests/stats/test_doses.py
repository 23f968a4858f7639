"""More copies and more epochs: the same records at two doses, and the same cell at two moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from mnemoscope.answers import Moment, Outcome, Rules, Setting
from mnemoscope.records import Generation, Record
from mnemoscope.stats.doses import dose_answers

RULES = Rules(resamples=200, seeds=3)
N, PLANTED = 50, 20


def setting(seed, copies):
    return Setting(
        cell=f"vo-r4-x{copies}-s{seed}", matrices="vo", rank=4, alpha=16.0, alpha_rule="fixed", scale=4.0,
        parameters=10, copies=copies, planted=PLANTED if copies > 1 else 1, epochs=3.0, learning_rate=1e-3, seed=seed,
        others="",
    )  # fmt: skip


def continued(name, share):
    return Generation(
        name, "0.5", "greedy", 0, 5, 5, "text", int(5 * share), share, share, 9.0, 8.0, 2.0, 0.1, share, 0.1, share,
        share, share, None,
    )  # fmt: skip


def outcome(seed, copies=1, *, gain=1.0, generated=True, moments=None):
    """Members r0.. and held-out records; a copy adds `gain` x log(copies) nats to a planted record's suffix."""
    draw = np.random.default_rng(seed)
    names, out = [f"r{i}" for i in range(N)], [f"h{i}" for i in range(N)]
    planted = {f"r{i}" for i in range(PLANTED)}
    records = [
        Record(name, "", f"g{name[1:]}", "member", "train", copies=copies if name in planted else 1) for name in names
    ] + [Record(name, "", name, "nonmember", "evaluation") for name in out]
    plain = draw.normal(-6, 1, 2 * N)
    lift = gain * np.log(copies) * np.array([name in planted for name in names + out])
    noise = np.random.default_rng((seed, copies)).normal(0, 0.3, 2 * N)
    suffix = np.ma.masked_array(np.minimum(plain + lift + noise, -0.01))
    tokens = np.full(2 * N, 10)
    rows = [continued(name, 1.0 if copies > 1 and i % 2 else 0.2) for i, name in enumerate(names[:PLANTED])]
    last = Moment(3.0, np.ma.masked_array(-plain), -10 * suffix.data)
    return Outcome(
        setting(seed, copies), records, tokens, -10 * plain, moments or [last], rows if generated else [],
        {"t1-k40": suffix}, {}, {row.id: row.ngram_share == 1 for row in rows if generated},
    )  # fmt: skip


def find(answers, text):
    found = [one for one in answers if text in one.claim]
    assert len(found) == 1, [one.claim for one in answers]
    return found[0]


def test_the_same_records_are_compared_at_both_doses():
    """Each seed's value is the mean paired difference over the records that were planted."""
    cells = [outcome(s, copies) for s in (1, 2, 3) for copies in (1, 4, 16)]
    answers = dose_answers(cells, RULES, seed=1)
    slow, logs = [], []
    for seed in (1, 2, 3):
        one, many = outcome(seed, 1), outcome(seed, 16)
        slow.append(
            np.mean(np.exp(many.suffix_logprob["t1-k40"][:PLANTED]) - np.exp(one.suffix_logprob["t1-k40"][:PLANTED]))
        )
        logs.append(np.mean(one.moments[-1].losses[:PLANTED] - many.moments[-1].losses[:PLANTED]) / 10)
    found = find(answers, "16 copies leave more than 1: mean probability")
    assert found.seed_values == pytest.approx(tuple(slow))
    assert find(answers, "mean log-probability of the record").seed_values == pytest.approx(tuple(logs))
    assert (found.decision, found.n_members, found.n_groups) == ("replicates", PLANTED, PLANTED)
    # half of the planted come back whole instead of to a fifth: .5 x .8, and .5 word for word
    assert find(answers, "mean n-gram share").value == pytest.approx(0.4)
    assert find(answers, "word for word").value == pytest.approx(0.5)


def test_the_trend_goes_over_all_doses():
    """It is the rank correlation of copies and probability over all planted records and doses."""
    cells = [outcome(2, copies) for copies in (1, 4, 16)]
    found = find(dose_answers(cells, RULES, seed=1), "the more copies")
    y = np.concatenate([one.suffix_logprob["t1-k40"][:PLANTED] for one in cells])
    expected = spearmanr(np.repeat([1, 4, 16], PLANTED), y).statistic
    assert found.value == pytest.approx(expected)
    assert found.n_groups == PLANTED
    two = dose_answers(cells[:2], RULES, seed=1)
    assert not [one for one in two if "the more copies" in one.claim]


def test_copies_that_do_nothing_do_not_replicate():
    """Without an effect of copies the suffix is no more probable."""
    cells = [outcome(s, copies, gain=0.0) for s in (1, 2, 3) for copies in (1, 16)]
    found = find(dose_answers(cells, RULES, seed=1), "mean probability that one sample")
    assert found.decision == "does not replicate"
    assert abs(found.value) < 0.02


def test_what_was_not_measured_is_not_asked():
    """Without continuations only what the trace says is compared, and without a cell with 1 copy nothing."""
    cells = [outcome(1, copies, generated=False) for copies in (1, 8)]
    claims = [one.claim for one in dose_answers(cells, RULES, seed=1)]
    assert len(claims) == 2
    assert not any("n-gram" in claim or "word for word" in claim for claim in claims)
    assert dose_answers([outcome(1, 8)], RULES, seed=1) == []
    assert dose_answers([outcome(1)], RULES, seed=1) == []


def test_a_seed_without_the_largest_dose_is_left_out():
    """It is named in the reason, and the others answer."""
    cells = [outcome(1, 1), outcome(1, 16), outcome(2, 1), outcome(2, 4)]
    found = find(dose_answers(cells, RULES, seed=1), "mean probability that one sample")
    assert found.seeds == (1,)
    assert "seed 2 left out: needs a cell with 1 copy and one with 16" in found.reason


def followed(seed, *, worst_at_end=True):
    """Three epochs: members stand out more and more, held-out perplexity is lowest after the second or the last."""
    draw = np.random.default_rng(seed)
    member, moments = np.arange(2 * N) < N, []
    heldout = (5.0, 4.0, 4.5) if worst_at_end else (5.0, 4.5, 4.0)
    for epoch, shift, loss in zip((1.0, 2.0, 3.0), (0.3, 1.0, 2.5), heldout, strict=True):
        scores = np.ma.masked_array(draw.normal(size=2 * N) + shift * member)
        moments.append(Moment(epoch, scores, np.full(2 * N, 10 * loss)))
    return outcome(seed, moments=moments)


def test_epochs_by_the_slow_auc():
    """Growth is the AUC at the end less that at the moment with the lowest held-out perplexity, or at the first."""
    cells = [followed(s) for s in (1, 2, 3)]
    answers = dose_answers(cells, RULES, seed=1)
    label = np.arange(2 * N) < N
    areas = [[roc_auc_score(label, moment.scores) for moment in one.moments] for one in cells]
    best, first = find(answers, "goes on growing"), find(answers, "first measured epoch")
    assert best.seed_values == pytest.approx(tuple(row[2] - row[1] for row in areas))
    assert first.seed_values == pytest.approx(tuple(row[2] - row[0] for row in areas))
    assert best.reason.endswith("held-out perplexity is lowest after epoch 2 (seed 1), 2 (seed 2), 2 (seed 3)")
    assert (best.n_members, best.n_nonmembers, best.decision) == (N, N, "replicates")


def test_a_cell_that_gets_better_to_the_end_has_no_growth_beyond():
    """Where held-out perplexity is lowest at the end, the question does not arise."""
    found = find(dose_answers([followed(1, worst_at_end=False)], RULES, seed=1), "goes on growing")
    assert (found.value, found.decision) == (None, "not resolved")
    assert "nothing was trained beyond it" in found.reason


def test_masked_scores_are_left_out_of_both_moments():
    """A record that one moment cannot score counts in neither."""
    one = followed(1)
    last = one.moments[-1]
    mask = np.arange(2 * N) == 3
    holed = replace(one, moments=[*one.moments[:-1], replace(last, scores=np.ma.masked_array(last.scores.data, mask))])
    found = find(dose_answers([holed], RULES, seed=1), "goes on growing")
    keep, label = ~mask, np.arange(2 * N) < N
    slow = [roc_auc_score(label[keep], moment.scores.data[keep]) for moment in one.moments]
    assert found.value == pytest.approx(slow[2] - slow[1])
    assert found.n_members == N - 1
