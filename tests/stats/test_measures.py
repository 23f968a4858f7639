"""Memorization as a measure: what training on a record adds, freed of what the training taught of all records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_cells import cell, draw_records

from mnemoscope import stats
from mnemoscope.answers import Rules
from mnemoscope.records import Record
from mnemoscope.stats.contrasts import Arm, Bootstrap
from mnemoscope.stats.measures import AUC, MEMORIZATION, gain, mean_excess
from mnemoscope.stats.points import points
from mnemoscope.stats.ranking import once

RULES = Rules(resamples=200, seeds=3)
FAMILIES = [f"{of}, equal rank" for of in ("matrices", "memorization")]


def records_of(roles):
    return [Record(f"r{i}", "", f"g{i}", "member" if r == "m" else "nonmember", "train") for i, r in enumerate(roles)]


def held(outcome):
    """Mean gain of members less that of non-members, record by record."""
    sides = {"member": [], "nonmember": []}
    for i, record in enumerate(outcome.records):
        if outcome.tokens[i]:
            added = float(outcome.base_losses[i] - outcome.moments[-1].losses[i]) / float(outcome.tokens[i])
            sides[record.role].append(added)
    return sum(sides["member"]) / len(sides["member"]) - sum(sides["nonmember"]) / len(sides["nonmember"])


def value(outcome, measure=MEMORIZATION):
    sample = stats.Sample.of(measure.scores(outcome, outcome.moments[-1]), outcome.records)
    return once(measure.of(sample), len(sample.members), len(sample.nonmembers))


def test_by_hand():
    """Two tokens each, 2 nats before. Members end at 1 and .5, held-out records at 1.8 and 1.6: .625 less .15."""
    one = cell(records_of("mmnn"), [0.0] * 4, losses=[1.0, 0.5, 1.8, 1.6])
    assert gain(one, one.moments[0]).tolist() == pytest.approx([0.5, 0.75, 0.1, 0.2])
    assert value(one) == pytest.approx(0.475)


def test_weights_are_records_repeated():
    """A record drawn twice counts twice; a class that a draw left empty gives no number."""
    one = cell(records_of("mmnn"), [0.0] * 4, losses=[1.0, 0.5, 1.8, 1.6])
    excess = mean_excess(stats.Sample.of(gain(one, one.moments[0]), one.records))
    found = excess(np.array([[2, 1], [0, 0]]), np.array([[0, 3], [1, 1]]))
    assert found[0] == pytest.approx((2 * 0.5 + 0.75) / 3 - 0.2)
    assert np.isnan(found[1])


def test_a_record_without_tokens_has_none():
    """It is left out, and does not count as a gain of 0."""
    one = cell(records_of("mmnn"), [0.0] * 4, losses=[1.0, 0.0, 1.8, 1.6], base=[2, 0, 2, 2], tokens=[2, 0, 2, 2])
    assert np.ma.getmaskarray(gain(one, one.moments[0])).tolist() == [False, True, False, False]
    assert value(one) == pytest.approx(held(one)) == pytest.approx(0.5 - 0.15)


@given(st.lists(st.tuples(st.sampled_from("mn"), st.floats(0, 60), st.floats(0, 60), st.integers(0, 9)), min_size=2))
def test_agrees_with_a_slow_twin(rows):
    """Any losses and lengths, a class with one record, empty records."""
    roles = "mn" + "".join(row[0] for row in rows)
    rows = [("m", 1.0, 2.0, 1), ("n", 1.0, 2.0, 3), *rows]
    losses, base, tokens = (np.array([row[k] for row in rows], dtype=float) for k in (1, 2, 3))
    one = cell(records_of(roles), np.zeros(len(rows)), losses=losses, base=base, tokens=tokens.astype(int))
    assert value(one) == pytest.approx(held(one), abs=1e-9)


def test_what_all_records_gain_does_not_count():
    """A domain that was learned, more of it by some records than by others, leaves memorization and hides an AUC."""
    records, rng = draw_records(1, groups=400), np.random.default_rng(0)
    member = np.array([record.role == "member" for record in records])
    kept, alike = 0.3, rng.normal(1.0, 0.05, len(records))
    spread = rng.normal(3.0, 1.0, len(records))
    found = {}
    for name, learned in (("q", alike), ("v", spread)):
        losses = 10.0 - 2 * (learned + kept * member)
        one = cell(records, learned + kept * member, matrices=name, losses=losses, base=np.full(len(records), 10.0))
        found[name] = value(one), value(one, AUC)
    assert found["q"][0] == pytest.approx(kept, abs=0.02)
    assert found["v"][0] == pytest.approx(kept, abs=0.15)
    assert found["q"][1] > 0.99
    assert found["v"][1] < 0.65


def test_it_is_what_random_membership_would_show():
    """Each record loses d nats a token when it is trained on: over many random splits the mean of the measure is the
    mean of d, though records differ in d and in what else they gain."""
    rng, found = np.random.default_rng(3), []
    alone, added = rng.normal(2, 1, 40), rng.exponential(0.5, 40)
    for _ in range(400):
        roles = rng.permutation(list("m" * 20 + "n" * 20))
        member = roles == "m"
        losses = 10 - 2 * (alone + added * member)
        found.append(value(cell(records_of(roles), np.zeros(40), losses=losses, base=np.full(40, 10.0))))
    assert np.mean(found) == pytest.approx(added.mean(), abs=4 * np.std(found) / 400**0.5)


def two(seed, *, v, q):
    """V and Q of one seed; each keeps so many nats a token of its members, and both tell them equally well."""
    records = draw_records(seed)
    member = np.array([record.role == "member" for record in records])
    noise = np.random.default_rng(seed).normal(0, 0.1, len(records))
    return [
        cell(records, noise + member, matrices=name, seed=seed, losses=1.5 - 2 * kept * member + noise)
        for name, kept in (("v", v), ("q", q))
    ]


def test_the_claims_stand_beside_those_of_the_auc():
    """Same pairs, own family and unit; the difference is that of the two means, whatever an attack says."""
    outcomes = [one for seed in (1, 2, 3) for one in two(seed, v=0.4, q=0.1)]
    found = stats.matrix_answers(outcomes, RULES, seed=0)
    area, kept = found[:2]
    assert [area.family, kept.family] == FAMILIES
    assert area.value == 0.0
    assert area.decision == "not resolved"
    assert kept.claim == "V leaves more counterfactual memorization than Q at rank 4"
    assert kept.statistic == "difference of counterfactual memorization, nats a token"
    assert kept.paper == "V .83, Q .72 at rank 4 (AUC)"
    assert kept.value == pytest.approx(0.3)
    assert kept.seed_values == pytest.approx([held(outcomes[2 * n]) - held(outcomes[2 * n + 1]) for n in range(3)])


def test_a_place_along_the_training_starts_from_nothing():
    """The base model keeps nothing: half way to a moment is half of what it keeps."""
    first, _ = two(1, v=0.4, q=0.1)
    none = np.zeros(len(first.records), dtype=bool)
    boot = Bootstrap.of([first], RULES, seed=0, measure=MEMORIZATION)
    whole, half = (boot.value(arm, none) for arm in (Arm.end(first), Arm(first, (0.5, 0.5))))
    assert whole.value == pytest.approx(held(first))
    assert half.value == pytest.approx(whole.value / 2)
    np.testing.assert_allclose(half.joint, whole.joint / 2)


def test_a_point_has_it_after_every_epoch_but_not_with_copies():
    """The value with an interval around it at each moment; records planted many times would not be alike."""
    records = draw_records(2)
    member = np.array([record.role == "member" for record in records])
    noise = np.random.default_rng(2).normal(0, 0.2, len(records))
    losses = [1.8 - 0.2 * member + noise, 1.4 - 0.8 * member + noise]
    one = cell(records, np.array([noise, noise]), losses=losses)
    found = {row.epoch: row for row in points(one, RULES, seed=0) if row.statistic == "memorization"}
    assert [found[epoch].value for epoch in (1.5, 3.0)] == pytest.approx(
        [held(cell(records, noise, losses=loss)) for loss in losses]
    )
    assert all(row.low < row.value < row.high for row in found.values())
    assert (found[3.0].n_members, found[3.0].n_nonmembers) == (member.sum(), (~member).sum())
    copied = cell(records, noise, losses=losses[0], copies=8, planted=4)
    assert not [row for row in points(copied, RULES, seed=0) if row.statistic == "memorization"]
