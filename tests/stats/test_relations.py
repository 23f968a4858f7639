"""Perplexity against what comes back: the answers to the second question, and the rows of its figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import linregress, rankdata, spearmanr, ttest_1samp

from mnemoscope.answers import Moment, Outcome, Rules, Setting
from mnemoscope.records import Generation, Record
from mnemoscope.stats.marks import marks
from mnemoscope.stats.relations import relation_answers

RULES = Rules(resamples=100, seeds=3)
N = 60
"""Records of each of the three kinds."""


def setting(seed, **changes):
    base = Setting(
        cell=f"v-r8-x8-s{seed}", matrices="v", rank=8, alpha=16.0, alpha_rule="fixed", scale=2.0, parameters=10,
        copies=8, planted=N, epochs=3.0, learning_rate=1e-3, seed=seed, others="",
    )  # fmt: skip
    return replace(base, **changes)


def continued(i, share, base, target):
    return Generation(
        f"r{i}", "0.5", "greedy", 0, 5, 5, "text", int(5 * share), share, share, base, target, 2.0, 0.1, share, 0.1,
        share, share, share, None,
    )  # fmt: skip


def outcome(seed, *, planted=-0.8, heldout=0.0, tokens=None, **changes):
    """A cell whose shares follow fine-tuned log-perplexity with these slopes; the base model knows nothing of them."""
    draw = np.random.default_rng(seed)
    records = [
        Record(f"r{i}", "", f"g{i % 140}", "member" if i < 2 * N else "nonmember", "train", copies=8 if i < N else 1)
        for i in range(3 * N)
    ]
    target, base = draw.normal(size=3 * N), draw.normal(size=3 * N)
    slope = np.repeat([planted, planted, heldout], N)
    share = 1 / (1 + np.exp(-(slope * target + draw.normal(0, 0.5, 3 * N))))
    tokens = draw.integers(8, 40, 3 * N) if tokens is None else tokens
    rows = [continued(i, share[i], float(np.exp(base[i])), float(np.exp(target[i]))) for i in range(3 * N)]
    suffix = np.ma.masked_array(np.log(share), mask=np.arange(3 * N) == 1)
    suffix[0] = -np.inf
    return Outcome(
        setting(seed, **changes), records, tokens, base * tokens,
        [Moment(3.0, np.ma.masked_array(-target), target * tokens)], rows, {"t1-k40": suffix, "t1": suffix * 0}, {},
    )  # fmt: skip


def find(answers, text):
    found = [one for one in answers if text in f"{one.claim} | {one.statistic}"]
    assert len(found) == 1, [one.claim for one in found]
    return found[0]


FALLS = "the lower fine-tuned perplexity, the higher the n-gram share of planted records"


@pytest.fixture(scope="module")
def answers():
    return relation_answers([outcome(s) for s in (1, 2, 3)], RULES, seed=1)


def columns(one, rows):
    target = np.array([row.perplexity_target for row in one.generations])[rows]
    base = np.array([row.perplexity_base for row in one.generations])[rows]
    share = np.array([row.ngram_share for row in one.generations])[rows]
    return target, base, share


def test_values_are_the_mean_over_seeds_of_plain_correlations(answers):
    """Each seed's value is scipy's Spearman correlation, and R² that of scipy's regression on perplexity itself."""
    rho, squares = [], []
    for seed in (1, 2, 3):
        target, _, share = columns(outcome(seed), slice(0, N))
        rho.append(spearmanr(target, share).statistic)
        squares.append(linregress(target, share).rvalue ** 2)
    found, line = find(answers, f"{FALLS} (V"), find(answers, "R² of a straight line on fine-tuned perplexity")
    assert found.seed_values == pytest.approx(tuple(rho))
    assert line.seed_values == pytest.approx(tuple(squares))
    assert (found.value, line.value) == pytest.approx((np.mean(rho), np.mean(squares)))
    assert (found.n_members, found.n_nonmembers, found.seeds) == (N, 0, (1, 2, 3))


def test_the_prefix_alone_is_asked_where_it_was_measured(answers):
    """Its correlation is scipy's over the planted records that could be cut; no claim is made where it is not known."""
    assert not [one for one in answers if "of the prefix" in one.claim]
    seen = np.random.default_rng(5).normal(size=3 * N)
    losses = {
        "target": np.ma.masked_array(seen, mask=np.arange(3 * N) == 4),
        "base": np.ma.masked_array(-seen, mask=np.arange(3 * N) == 4),
    }
    one = replace(outcome(1), prefix_losses=losses)
    asked = [found for found in relation_answers([one], RULES, seed=1) if "of the prefix" in found.claim]
    assert len(asked) == 4
    found = next(a for a in asked if "fine-tuned perplexity of the prefix, the higher the n-gram share" in a.claim)
    rows = np.delete(np.arange(N), 4)
    assert found.value == pytest.approx(spearmanr(seen[rows], columns(one, rows)[2]).statistic)
    assert (found.n_members, found.family) == (N - 1, "perplexity, fine-tuned model, prefix alone")


def held_fixed(column, given):
    """What a least-squares regression of the column's ranks on the others' ranks leaves."""
    design = np.column_stack([np.ones(len(column)), *map(rankdata, given)])
    return rankdata(column) - design @ np.linalg.lstsq(design, rankdata(column), rcond=None)[0]


def test_length_and_base_perplexity_are_held_fixed(answers):
    """The partial correlation is that of what regressions on the ranks of both leave."""
    slow = []
    for one in (outcome(seed) for seed in (1, 2, 3)):
        target, base, share = columns(one, slice(0, N))
        left = [held_fixed(column, [one.tokens[:N], base]) for column in (target, share)]
        slow.append(np.corrcoef(*left)[0, 1])
    found = find(answers, f"{FALLS}, given length and base perplexity")
    assert found.seed_values == pytest.approx(tuple(slow))


def test_a_relation_that_is_there_is_found_and_the_control_differs(answers):
    """Shares that follow fine-tuned perplexity in trained records alone: both claims replicate, nothing held out."""
    found, control = find(answers, f"{FALLS} (V"), find(answers, "perplexity says more of the n-gram share")
    assert (found.decision, control.decision) == ("replicates", "replicates")
    assert found.value < found.high < 0
    assert abs(find(answers, "perplexity does not predict the n-gram share of held-out").value) < 0.15
    assert abs(find(answers, "base perplexity does not predict the n-gram share of planted records (V").value) < 0.15
    assert (control.n_members, control.n_nonmembers) == (N, N)


def test_predictability_alone_is_not_taken_for_memory():
    """Where held-out records show the same relation, the difference does not exclude 0."""
    found = relation_answers([outcome(s, heldout=-0.8) for s in (1, 2, 3)], RULES, seed=1)
    control = find(found, "perplexity says more of the n-gram share")
    assert control.low < 0 < control.high
    assert control.decision == "not resolved"


def test_without_a_relation_nothing_replicates():
    """Shares that follow nothing leave the paper's claim unreplicated."""
    found = relation_answers([outcome(s, planted=0.0) for s in (1, 2, 3)], RULES, seed=1)
    assert find(found, f"{FALLS} (V").decision != "replicates"


def test_one_seed_decides_nothing():
    """However clear it is in one seed, the rules ask for more."""
    found = relation_answers([outcome(1)], RULES, seed=1)
    assert {one.decision for one in found} == {"not resolved"}
    assert "1 seed where the rules ask for 3" in find(found, f"{FALLS} (V").reason


def test_the_suffix_says_that_it_is_tied(answers):
    """Its probability is a part of the record's perplexity; what can never be emitted ranks lowest, masked is out."""
    found = find(answers, "the higher the log-probability of the suffix of planted records, given length (V")
    assert "the two are tied" in found.reason
    one, rows = outcome(1), [i for i in range(N) if i != 1]
    y = np.maximum(np.ma.getdata(one.suffix_logprob["t1-k40"])[rows], -1e9)
    left = [held_fixed(c, [one.tokens[rows]]) for c in (columns(one, rows)[0], y)]
    assert found.seed_values[0] == pytest.approx(np.corrcoef(*left)[0, 1])
    assert found.n_members == N - 1


def test_a_log_probability_is_never_compared_without_its_length(answers):
    """It is a sum over tokens, and longer records have lower perplexity: alone it shows length, not memory."""
    suffix = [one for one in answers if "log-probability of the suffix" in one.claim]
    assert suffix
    assert all("given length" in one.claim and "artial" in one.statistic for one in suffix)


def test_r_squared_begins_at_0_where_the_correlation_may_be_0():
    """R² is above 0 in every resample, so without a relation its percentiles would never hold the truth."""
    found = relation_answers([outcome(s, planted=0.0) for s in (1, 2, 3)], RULES, seed=1)
    line = find(found, "R² of a straight line on fine-tuned perplexity")
    signed = [np.corrcoef(*columns(outcome(s, planted=0.0), slice(0, N))[::2])[0, 1] for s in (1, 2, 3)]
    assert line.seed_values == pytest.approx(np.square(signed))
    assert line.seed_p_value == pytest.approx(ttest_1samp(signed, 0).pvalue)
    assert line.low == 0
    assert line.decision != "replicates"
    assert line.seed_low == 0 < line.high  # t alone would go below


def test_claims_of_nearness_are_no_question_of_a_family(answers):
    """They rest on intervals alone: they have no p-value, so the others do not pay for them."""
    for one in answers:
        near = "does not predict" in one.claim or "next to nothing" in one.claim
        assert near == (one.p_value is None)
        assert near or one.p_adjusted >= one.p_value
    assert {one.question for one in answers} == {"perplexity"}
    assert len({one.claim for one in answers}) == len(answers)


def test_too_few_planted_records_have_a_reason():
    """A cell with one planted record says that it cannot say anything; without planted records nothing is asked."""
    few = outcome(1, planted=-0.8)
    records = [replace(record, copies=8 if i == 0 else 1) for i, record in enumerate(few.records)]
    few = replace(few, records=records, setting=setting(1, planted=1))
    found = find(relation_answers([few], RULES, seed=1), f"{FALLS} (V")
    assert (found.value, found.decision) == (None, "not resolved")
    assert found.reason == "needs 10 or more planted records that were measured, got 1"
    assert relation_answers([replace(few, setting=setting(1, copies=1, planted=1))], RULES, seed=1) == []
    assert relation_answers([replace(outcome(1), generations=[])], RULES, seed=1) == []


def test_the_cells_with_the_most_planted_records_are_asked():
    """Of several kinds the largest; of equally large ones each, those nearest to the paper's 8 copies first."""
    cells = [
        replace(outcome(1), setting=setting(1, cell=f"c{n}-{planted}", copies=n, planted=planted))
        for n, planted in ((2, N), (8, N), (32, N), (8, 20))
    ]
    asked = [one.claim for one in relation_answers(cells, RULES, seed=1)]
    alone = [one.claim for one in relation_answers(cells[1:2], RULES, seed=1)]
    kinds = [claim.partition(" (")[2] for claim in asked]
    assert list(dict.fromkeys(kinds)) == [f"V, rank 8, {n} copies, {N} planted)" for n in (8, 2, 32)]
    assert len(set(asked)) == len(asked) == 3 * len(alone)


def test_holm_counts_the_claims_of_all_copies():
    """A claim that is made at three numbers of copies pays for all three: the best of them is no free choice."""
    cells = [replace(outcome(s), setting=setting(s, cell=f"c{n}-{s}", copies=n)) for n in (2, 8, 32) for s in (1, 2)]
    counts = []
    for some in (cells, cells[2:4]):
        asked = [one for one in relation_answers(some, RULES, seed=1) if one.p_value is not None]
        family = [one for one in asked if one.family == "perplexity, fine-tuned model"]
        least = min(family, key=lambda one: one.p_value)
        assert least.p_adjusted == pytest.approx(len(family) * least.p_value)
        counts.append(len(family))
    assert counts[0] == 3 * counts[1] > 0


def test_equal_seeds_give_equal_answers():
    """The draws come from the seed, and another seed draws otherwise."""
    first, again, other = (relation_answers([outcome(1)], RULES, seed=s) for s in (1, 1, 2))
    assert again == first
    assert find(other, f"{FALLS} (V").low != find(first, f"{FALLS} (V").low


def test_marks_are_the_greedy_continuations():
    """One row a first draw of a member or held-out record, with None where the suffix has no finite probability."""
    one = outcome(4)
    records = [replace(one.records[0]), *one.records[1:-1], replace(one.records[-1], role="excluded", copies=0)]
    rows = [*one.generations, replace(one.generations[3], draw=1)]
    found = marks(replace(one, records=records, generations=rows))
    assert len(found) == 3 * N - 1
    assert [row.suffix_logprob for row in found[:2]] == [None, None]
    third = found[2]
    assert (third.cell, third.role, third.copies) == ("v-r8-x8-s4", "member", 8)
    assert third.suffix_logprob == pytest.approx(np.log(one.generations[2].ngram_share))
    assert (third.perplexity_target, third.tokens) == (one.generations[2].perplexity_target, one.tokens[2])
    assert found[-1].role == "nonmember"
