"""What every registered attack owes, whoever wrote it."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from mnemoscope import registry

ATTACKS = registry.attacks()
N = 40


@pytest.fixture(params=sorted(ATTACKS))
def attack(request):
    """Every attack in turn."""
    return ATTACKS[request.param]


def pairwise(members, nonmembers):
    """AUC by every pair of one member and one non-member."""
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in members for b in nonmembers]))


def inputs(traces, target, reference):
    """Traces for every need: the target, and the reference for all others."""
    other = traces(reference)
    return MappingProxyType(dict.fromkeys(registry.NEEDS, other) | {"target": traces(target)})


def losses(n, seed=0):
    """Log-probabilities of `n` records of 12 to 30 tokens, about -3 nats each."""
    rng = np.random.default_rng(seed)
    return [-rng.uniform(1, 5, rng.integers(12, 31)) for _ in range(n)]


def flat(scores):
    return scores.filled(np.nan).tolist()


def test_direction(attack, traces):
    """Members, whose log-probabilities the target raises, score higher than non-members."""
    reference = losses(2 * N)
    noise = np.random.default_rng(1).uniform(0.97, 1.03, 2 * N)
    target = [row * (0.4 if i < N else noise[i]) for i, row in enumerate(reference)]
    scores = attack.score(inputs(traces, target, reference))
    assert pairwise(scores[:N], scores[N:]) > 0.9


def test_texts_known_by_heart_rank_at_the_top(attack, traces):
    """A member that the target predicts with certainty is scored, and above every non-member."""
    reference = losses(2 * N)
    target = [row * (0 if i < N else 1) for i, row in enumerate(reference)]
    scores = attack.score(inputs(traces, target, reference))
    assert scores.count() == 2 * N
    assert scores[:N].min() > scores[N:].max()


def test_scores_are_finite_floats_of_the_right_shape(attack, traces):
    """One float64 a record, finite where it is not masked."""
    scores = attack.score(inputs(traces, losses(9, 1), losses(9, 1)))
    assert isinstance(scores, np.ma.MaskedArray)
    assert (scores.shape, scores.dtype, scores.count()) == ((9,), np.float64, 9)
    assert np.isfinite(scores.compressed()).all()


def test_order_of_records_does_not_matter(attack, traces):
    """A record has one score, wherever it stands and whoever stands beside it."""
    given = inputs(traces, [row * 0.8 for row in losses(20)], losses(20))
    scores = flat(attack.score(given))
    order = np.random.default_rng(0).permutation(20)
    shuffled = flat(attack.score({need: trace.take(order) for need, trace in given.items()}))
    np.testing.assert_allclose(shuffled, np.array(scores)[order], rtol=1e-9)
    alone = [
        flat(attack.score({need: trace.take(np.array([i])) for need, trace in given.items()}))[0] for i in range(20)
    ]
    np.testing.assert_allclose(alone, scores, rtol=1e-9)


def test_a_record_without_tokens_is_masked(attack, traces):
    """A record without tokens has no score, not 0, and does not disturb its neighbours."""
    rows = losses(3)
    whole = attack.score(inputs(traces, [row * 0.7 for row in rows], rows))
    gaps = [[], rows[0], [], rows[1], rows[2], []]
    scores = attack.score(inputs(traces, [np.array(row) * 0.7 for row in gaps], gaps))
    assert np.ma.getmaskarray(scores).tolist() == [True, False, True, False, False, True]
    np.testing.assert_allclose(scores.compressed(), whole.compressed(), rtol=1e-9)


def test_a_record_below_the_minimum_is_masked_with_a_reason(attack, traces):
    """Exactly the records with fewer tokens than the minimum are masked, and the reason names the minimum."""
    rows = [np.full(n, -1.5) for n in range(attack.min_tokens + 2)]
    scores = attack.score(inputs(traces, [row * 0.5 for row in rows], rows))
    assert np.ma.getmaskarray(scores).tolist() == [len(row) < attack.min_tokens for row in rows]
    assert str(attack.min_tokens) in attack.reason()


def test_no_records_have_no_scores(attack, traces):
    """An empty data set is no error."""
    assert attack.score(inputs(traces, [], [])).shape == (0,)


def test_equal_records_tie(attack, traces):
    """Members and non-members with the same traces have the same score: AUC .5."""
    row = [-1.5, -0.25, -3.0, -0.125, -2.0, -0.5, -1.0, -4.0]
    scores = attack.score(inputs(traces, [row] * 12, [[2 * value for value in row]] * 12))
    assert len(set(flat(scores))) == 1
    assert pairwise(scores[:6], scores[6:]) == 0.5


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if "reference" in attack.needs])
def test_a_target_that_learned_nothing_ties(name, traces):
    """An attack that compares with the reference gives every record one score where the two agree."""
    scores = ATTACKS[name].score(inputs(traces, losses(10), losses(10)))
    assert len(set(flat(scores))) == 1


def test_traces_are_not_changed(attack, traces):
    """An attack leaves the traces that it is given as they were."""
    given = inputs(traces, losses(5), losses(5))
    before = {need: trace.columns["logprob"].copy() for need, trace in given.items()}
    attack.score(given)
    for need, column in before.items():
        np.testing.assert_array_equal(given[need].columns["logprob"], column)


def test_an_attack_tells_what_it_is(attack):
    """Every attack has a one-sentence summary, a source, known needs, and a file of its own name."""
    assert attack.summary[0].isupper()
    assert attack.summary.endswith(".") or ";" in attack.summary
    assert attack.source
    assert attack.needs
    assert set(attack.needs) <= set(registry.NEEDS)
    assert attack.function.__module__ == f"mnemoscope.attacks.{attack.name}"
