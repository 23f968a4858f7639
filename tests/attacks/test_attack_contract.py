"""What every registered attack owes, whoever wrote it."""

from __future__ import annotations

import numpy as np
import pytest
from evidence import arrays, evidence, labels, make_traces, records, take, texts

from mnemoscope import registry
from mnemoscope.folds import group_folds

ATTACKS = registry.attacks()
STATELESS = [name for name, one in ATTACKS.items() if not one.fitted and "shadows" not in one.needs]
"""A record's score depends on that record alone."""
N = 80


@pytest.fixture(params=sorted(ATTACKS))
def attack(request):
    """Every attack in turn."""
    return ATTACKS[request.param]


def auc(attack, scores, member):
    """Share of pairs of a member and a non-member in order; of a fitted attack, of pairs inside one fold."""
    folds = group_folds(records(member)) if attack.fitted else np.zeros(len(member))
    pairs = member[:, None] & ~member & (folds[:, None] == folds)
    above = np.sign(scores.data[:, None] - scores.data)
    return float((1 + above[pairs]).mean() / 2)


def flat(scores):
    return scores.filled(np.nan).tolist()


def test_direction(attack):
    """Members, whose log-probabilities the target raises, score higher than non-members."""
    member = labels(N)
    scores = attack.score(evidence(texts(N), member, attack.needs), records(member))
    assert auc(attack, scores, member) > 0.9


def test_texts_known_by_heart_rank_at_the_top(attack):
    """A member that the target predicts with certainty is scored, and no non-member stands above it."""
    member = labels(N)
    scores = attack.score(evidence(texts(N), member, attack.needs, strength=0, noise=0), records(member))
    assert scores.count() == N
    assert auc(attack, scores, member) > 0.9
    folds = group_folds(records(member)) if attack.fitted else np.zeros(N)
    for fold in np.unique(folds):
        assert scores[member & (folds == fold)].min() >= scores[~member & (folds == fold)].max()


def test_a_model_that_learnt_nothing_tells_nothing(attack):
    """Where members are drawn at random and all models are the reference plus noise, AUC is .5 within 4 errors."""
    n = 400
    member = labels(n, seed=3)
    scores = attack.score(evidence(texts(n, 1), member, attack.needs, strength=1, noise=0.2), records(member))
    error = np.sqrt((n + 1) / (12 * (n / 2) ** 2))  # of Mann and Whitney's statistic where both classes are alike
    assert abs(auc(attack, scores, member) - 0.5) < 4 * error


def test_scores_are_finite_floats_of_the_right_shape(attack):
    """One float64 a record, finite where it is not masked."""
    member = labels(N)
    scores = attack.score(evidence(texts(N), member, attack.needs), records(member))
    assert isinstance(scores, np.ma.MaskedArray)
    assert (scores.shape, scores.dtype, scores.count()) == ((N,), np.float64, N)
    assert np.isfinite(scores.compressed()).all()


def test_order_of_records_does_not_matter(attack):
    """A record has one score, wherever it stands."""
    member = labels(N)
    given, listed = evidence(texts(N), member, attack.needs, strength=0.8), records(member)
    scores = flat(attack.score(given, listed))
    order = np.random.default_rng(0).permutation(N)
    shuffled = attack.score({need: take(one, order) for need, one in given.items()}, [listed[i] for i in order])
    np.testing.assert_allclose(flat(shuffled), np.array(scores)[order], rtol=1e-9)


@pytest.mark.parametrize("name", STATELESS)
def test_neighbours_do_not_matter(name):
    """A record alone has the score that it has in company, to the last bit."""
    given = evidence(texts(20), labels(20), ATTACKS[name].needs, strength=0.8)
    alone = [ATTACKS[name].score({need: take(one, np.array([i])) for need, one in given.items()})[0] for i in range(20)]
    assert alone == flat(ATTACKS[name].score(given))


@pytest.mark.parametrize("name", STATELESS)
def test_equal_records_tie_in_a_crowd(name):
    """Equal records have equal scores to the last bit, wherever they stand among a thousand others."""
    rng, row = np.random.default_rng(0), texts(1, 9, 30)[0]
    rows = [row if i % 2 else -rng.gamma(1, 3, rng.integers(25, 35)) for i in range(1200)]
    ids = np.concatenate([np.arange(len(one)) for one in rows])
    given = evidence(rows, np.ones(1200), ATTACKS[name].needs, strength=0.7, noise=0, token_ids=ids)
    scores = ATTACKS[name].score(given)
    assert len(set(scores[1::2].tolist())) == 1


def test_equal_records_tie(attack):
    """Members and non-members with the same evidence have the same score: AUC .5."""
    member, row = labels(N), [-1.5, -0.25, -3.0, -0.125, -2.0, -0.5, -1.0, -4.0]
    ids = np.tile(np.arange(8), N)
    given = evidence([row] * N, np.ones(N), attack.needs, strength=0.5, noise=0, token_ids=ids)
    given |= evidence([row] * N, member, {"shadows"} & set(attack.needs), strength=0.5, noise=0)
    scores = attack.score(given, records(member))
    assert auc(attack, scores, member) == 0.5
    assert attack.fitted or len(set(flat(scores))) == 1


def test_a_record_without_tokens_is_masked(attack):
    """Exactly the records without tokens have no score; it is not 0."""
    member, rows = labels(N), texts(N)
    gone = [0, 3, N // 2 - 1, N - 1]
    for i in gone:
        rows[i] = np.array([])
    scores = attack.score(evidence(rows, member, attack.needs), records(member))
    assert np.flatnonzero(np.ma.getmaskarray(scores)).tolist() == gone


@pytest.mark.parametrize("name", STATELESS)
def test_a_record_without_tokens_disturbs_nobody(name):
    """Scores stay the same to the last bit when the records without tokens are taken out."""
    rows = texts(12)
    for i in (0, 4, 5, 11):
        rows[i] = np.array([])
    given, held = evidence(rows, labels(12), ATTACKS[name].needs), np.array([1, 2, 3, 6, 7, 8, 9, 10])
    without = ATTACKS[name].score({need: take(one, held) for need, one in given.items()})
    assert flat(without) == ATTACKS[name].score(given)[held].tolist()


def test_a_record_below_the_minimum_is_masked_with_a_reason(attack):
    """Exactly the records with fewer tokens than the minimum are masked, and the reason names the minimum."""
    member = labels(N)
    rows = texts(N)
    short = [np.full(n, -1.5) for n in range(attack.min_tokens + 2)]
    rows[: len(short)] = short
    scores = attack.score(evidence(rows, member, attack.needs), records(member))
    assert np.ma.getmaskarray(scores).tolist() == [len(row) < attack.min_tokens for row in rows]
    assert str(attack.min_tokens) in attack.reason()


def test_no_records_have_no_scores(attack):
    """An empty data set is no error; an attack that needs known non-members may say that it lacks them."""
    try:
        assert attack.score(evidence([], [], attack.needs), []).shape == (0,)
    except registry.Unscorable:
        assert attack.name == "rmia"


@pytest.mark.parametrize(
    "name", [name for name, one in ATTACKS.items() if set(one.needs) == {"target", "reference"} and not one.fitted]
)
def test_a_target_that_learned_nothing_ties(name):
    """An attack that compares with the reference gives every record one score where the two agree."""
    rows = [*texts(10), np.zeros(5), np.full(4, -0.01), np.array([-3.0])]  # without errors, and of one token
    traces = make_traces(rows)
    assert len(set(flat(ATTACKS[name].score({"target": traces, "reference": traces})))) == 1


def test_evidence_is_not_changed(attack):
    """An attack leaves what it is given as it was."""
    member = labels(N)
    given = evidence(texts(N), member, attack.needs)
    before = {need: arrays(one) for need, one in given.items()}
    attack.score(given, records(member))
    for need, copies in before.items():
        for copy, now in zip(copies, arrays(given[need]), strict=True):
            np.testing.assert_array_equal(now, copy)


def test_an_attack_tells_what_it_is(attack):
    """Every attack has a one-sentence summary, a source, known needs, and a file of its own name."""
    assert attack.summary[0].isupper()
    assert attack.summary.endswith(".") or ";" in attack.summary
    assert attack.source
    assert attack.needs
    assert set(attack.needs) <= set(registry.NEEDS)
    assert attack.function.__module__ == f"mnemoscope.attacks.{attack.name}"
