"""Question 1: which matrices memorize more, at equal rank, equal size and equal held-out perplexity."""

from __future__ import annotations

import numpy as np
import pytest
from study_cells import area, cell, draw_records, noisy

from mnemoscope import stats
from mnemoscope.answers import Rules

RULES = Rules(resamples=200, seeds=3)
SHIFT = {"q": 0.2, "k": 0.2, "v": 2.2, "o": 2.0, "qk": 0.9, "qkvo": 2.5}
RANK, SIZE, PERPLEXITY = (f"matrices, equal {what}" for what in ("rank", "parameters", "held-out perplexity"))


def one(matrices, rank, seed, *, records=None, shift=None, **facts):
    """A cell whose AUC is that of its matrices."""
    records = draw_records(seed) if records is None else records
    rng = np.random.default_rng([seed, rank, sum(map(ord, matrices))])
    return cell(
        records,
        noisy(records, SHIFT[matrices] if shift is None else shift, rng),
        matrices=matrices,
        rank=rank,
        seed=seed,
        **facts,
    )


def claims(answers, family):
    return [answer.claim for answer in answers if answer.family == family]


def test_v_and_o_are_compared_with_q_and_k_at_each_rank():
    """Four claims a rank where all four are there, V against Q first; none of V against O, or across ranks."""
    outcomes = [one(name, rank, 1) for name in ("v", "o", "q", "k", "qkvo") for rank in (4, 8)]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    expected = [f"{a} gives a larger AUC than {b} at rank {r}" for r in (4, 8) for a in "VO" for b in "QK"]
    assert claims(found, RANK) == expected
    assert {answer.question for answer in found} == {"matrices"}
    assert claims(found, PERPLEXITY) == []


def test_q_and_k_together_against_one_of_them_at_twice_the_rank():
    """Q+K at rank 1 stands against Q and K at rank 2, not at rank 1 or 4."""
    outcomes = [one("qk", 1, 1), one("q", 1, 1), one("q", 2, 1), one("k", 2, 1), one("k", 4, 1)]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    assert claims(found, RANK) == [
        "Q+K at rank 1 gives a larger AUC than Q at rank 2",
        "Q+K at rank 1 gives a larger AUC than K at rank 2",
    ]
    papers = [answer.paper for answer in found if answer.family == RANK]
    assert papers == ["Q+K .76 at rank 1, Q .70 at rank 2", "Q+K .76 at rank 1, K .71 at rank 2"]


def test_equal_parameters_pair_across_ranks():
    """1152 r for Q and O, 768 r for K and V: V at 3 against Q at 2, K at 15 and Q at 10 against QK at 6."""
    places = {"v": (2, 3), "q": (2, 10), "k": (15,), "qk": (6,)}
    width = {"v": 768, "q": 1152, "k": 768, "qk": 1920}
    outcomes = [one(name, r, 1, parameters=width[name] * r) for name, ranks in places.items() for r in ranks]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    assert claims(found, SIZE) == [
        "V at rank 3 gives a larger AUC than Q at rank 2 with as many parameters",
        "Q+K at rank 6 gives a larger AUC than Q at rank 10 with as many parameters",
        "Q+K at rank 6 gives a larger AUC than K at rank 15 with as many parameters",
    ]
    assert claims(found, RANK) == ["V gives a larger AUC than Q at rank 2"]


@pytest.mark.parametrize(("parameters", "n"), [(1000, 1), (980, 1), (979, 0), (1020, 1), (1021, 0)])
def test_equal_means_within_the_share_of_the_larger(parameters, n):
    """1000 against 980 is 2% of the larger, against 1020 a little less; 979 and 1021 are too far."""
    outcomes = [one("v", 3, 1, parameters=parameters), one("q", 2, 1, parameters=1000)]
    assert len(claims(stats.matrix_answers(outcomes, RULES, seed=0), SIZE)) == n


def test_values_and_decisions_of_a_clear_study():
    """The value is the mean of the seeds' differences; with five seeds all claims about V and O replicate."""
    outcomes = [one(name, 4, seed) for seed in range(5) for name in "voqk"]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    answer = next(a for a in found if a.claim == "V gives a larger AUC than Q at rank 4")
    pairs = [(outcomes[4 * n], outcomes[4 * n + 2]) for n in range(5)]
    slow = [area(v.records, v.moments[0].scores) - area(q.records, q.moments[0].scores) for v, q in pairs]
    assert answer.seed_values == pytest.approx(slow)
    assert answer.value == pytest.approx(np.mean(slow))
    assert answer.seed_low < answer.value < answer.seed_high
    assert (answer.seeds, answer.n_seeds, answer.paper) == ((0, 1, 2, 3, 4), 5, "V .83, Q .72 at rank 4")
    assert answer.n_groups == 40
    assert {a.decision for a in found if a.family in (RANK, SIZE)} == {"replicates"}


def test_a_difference_the_other_way_does_not_replicate():
    """Where Q memorizes far more than V in all seeds, the claim is refuted; with one seed it is open."""
    outcomes = [one(name, 4, seed, shift=3.0 * (name == "q")) for seed in (1, 2, 3) for name in "vq"]
    refuted = stats.matrix_answers(outcomes, RULES, seed=0)
    assert {answer.decision for answer in refuted if answer.family in (RANK, SIZE)} == {"does not replicate"}
    single = stats.matrix_answers(outcomes[:2], RULES, seed=0)[0]
    assert single.decision == "not resolved"
    reason = "1 seed where the rules ask for 3; within this seed the interval excludes 0, on the other side"
    assert single.reason == reason
    assert (single.seed_low, single.n_seeds) == (None, 1)


def test_p_values_are_corrected_inside_a_family():
    """Each of the four claims of equal rank has at least its own p; the smallest is multiplied by 4."""
    outcomes = [one(name, 4, seed, shift=0.4 * (name in "vo")) for seed in (1, 2) for name in "voqk"]
    found = [a for a in stats.matrix_answers(outcomes, RULES, seed=0) if a.family == RANK]
    smallest = min(found, key=lambda a: a.p_value)
    assert len(found) == 4
    assert smallest.p_adjusted == pytest.approx(min(1, 4 * smallest.p_value))
    assert all(a.p_adjusted >= a.p_value for a in found)


def test_only_cells_that_share_all_else_are_compared():
    """Other epochs, copies, seeds or options: no pair; two conditions with pairs are told apart in words."""
    v = one("v", 4, 1)
    lone = [
        one("q", 4, 1, epochs=10.0),
        one("q", 4, 1, copies=8),
        one("q", 4, 2),
        one("q", 4, 1, others="dropout=0.1"),
        one("q", 4, 1, alpha_rule="rslora"),
        one("q", 4, 1, learning_rate=1e-4),
    ]
    assert stats.matrix_answers([v, *lone], RULES, seed=0) == []
    again = [one(name, 4, 1, epochs=10.0) for name in "vq"]
    found = stats.matrix_answers([v, one("q", 4, 1), *again], RULES, seed=0)
    assert claims(found, RANK) == [f"V gives a larger AUC than Q at rank 4 ({e} epochs)" for e in (3, 10)]
    assert stats.matrix_answers([], RULES, seed=0) == []


def test_a_seed_that_lacks_one_of_the_two_does_not_count():
    """V on seeds 1 and 2, Q on 2 and 3: the pair is seed 2's."""
    outcomes = [one("v", 4, 1), one("v", 4, 2), one("q", 4, 2), one("q", 4, 3)]
    assert {answer.seeds for answer in stats.matrix_answers(outcomes, RULES, seed=0)} == {(2,)}


def test_records_of_a_seed_must_be_the_same():
    """Cells of one seed with other records, or that nothing tells apart, are refused."""
    with pytest.raises(ValueError, match="of seed 1 have different records"):
        stats.matrix_answers([one("v", 4, 1), one("q", 4, 1, records=draw_records(2))], RULES, seed=0)
    with pytest.raises(ValueError, match="differ in nothing"):
        stats.matrix_answers([one("v", 4, 1), one("v", 4, 1)], RULES, seed=0)


def path(name, seed, heldout, shifts):
    """A cell that was evaluated along its training; the base has 2 nats a record of two tokens."""
    records = draw_records(seed)
    rng = np.random.default_rng([seed, ord(name)])
    losses = [np.full(len(records), float(level)) for level in heldout]
    return cell(records, [noisy(records, by, rng) for by in shifts], matrices=name, seed=seed, losses=losses)


def test_equal_held_out_perplexity_compares_places_on_the_paths():
    """V overfits after its best epoch, Q gets to 1.2: V is taken at its first epoch, where it has 1.2 too."""
    outcomes = [path("v", 1, (1.2, 1.0, 1.8), (0.5, 1.5, 3.0)), path("q", 1, (1.6, 1.4, 1.2), (0.1, 0.2, 0.4))]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    (answer,) = (a for a in found if a.family == PERPLEXITY)
    first, second = outcomes[0].moments[0], outcomes[1].moments[2]
    expected = area(outcomes[0].records, first.scores) - area(outcomes[1].records, second.scores)
    assert answer.value == pytest.approx(expected)
    assert answer.claim == "V gives a larger AUC than Q at rank 4 at equal held-out perplexity"
    assert answer.method.endswith("; weights of the moments held fixed")
    assert answer.paper == "V .83, Q .72 at rank 4, after equal training"


def test_a_cell_that_never_improves_leaves_its_seed_out():
    """Seed 1's Q stays at the base's perplexity: that seed is left out with its reason; alone there is no value."""
    good = [path("v", 2, (1.5, 1.0), (1, 2)), path("q", 2, (1.5, 1.0), (0, 0))]
    bad = [path("v", 1, (1.5, 1.0), (1, 2)), path("q", 1, (2.0, 2.5), (0, 0))]
    mixed, alone = (
        next(a for a in stats.matrix_answers(some, RULES, seed=0) if a.family == PERPLEXITY)
        for some in (bad + good, bad)
    )
    reason = f"seed 1 left out: {bad[1].setting.cell} never predicts held-out text better than the base model"
    assert mixed.seeds == (2,)
    assert mixed.reason.endswith(reason)
    assert (alone.value, alone.reason, alone.decision, alone.n_seeds) == (None, reason, "not resolved", 0)


def test_a_seed_with_the_end_alone_is_left_out_of_equal_perplexity():
    """A seed that was not evaluated along its training says so; it still counts at equal rank."""
    outcomes = [path("v", 2, (1.5, 1.0), (1, 2)), path("q", 2, (1.5, 1.0), (0, 0)), one("v", 4, 1), one("q", 4, 1)]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    by_family = {answer.family: answer for answer in found}
    assert by_family[PERPLEXITY].seeds == (2,)
    assert by_family[PERPLEXITY].reason.endswith("seed 1 left out: not evaluated along the training")
    assert by_family[RANK].seeds == (2, 1)
