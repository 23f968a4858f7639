"""All estimates of an audit under their names."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest

from mnemoscope.folds import group_folds
from mnemoscope.records import Counterfactual, Record
from mnemoscope.stats import Estimator, Sample, auc_delong_clustered, fold_ranks, tpr_at_fpr, verdict

BY = Estimator(level=0.95, resamples=60, seed=3, prior=0.1)


def records_of(groups, size):
    """Two thirds members; half of the other groups are for calibration."""
    found = []
    for g in range(groups):
        role = "nonmember" if g % 3 == 0 else "member"
        part = "train" if role == "member" else ("calibration" if g % 2 else "evaluation")
        found += [Record(f"{g}-{k}", "", f"g{g}", role, part) for k in range(size)]
    return found


def scores_of(records, seed, shift=0.8):
    member = np.array([record.role == "member" for record in records])
    return np.ma.masked_array(np.random.default_rng(seed).normal(size=len(records)) + shift * member)


RECORDS = records_of(90, 2)
SCORES = {name: scores_of(RECORDS, seed) for seed, name in enumerate(("lr_ratio", "ez", "wbc"))}


def named(estimates):
    found = {one.name: one for one in estimates}
    assert len(found) == len(estimates)
    for one in estimates:
        for field in fields(one):
            number = getattr(one, field.name)
            assert not isinstance(number, float) or math.isfinite(number), (one.name, field.name)
        assert one.value is not None or one.reason
    return found


def test_every_attack_has_all_its_estimates():
    """Four intervals of the AUC, the rates, what the calibration threshold does, and the groups."""
    found = named(BY.membership(RECORDS, SCORES))
    here = [name.removeprefix("membership.ez.") for name in found if name.startswith("membership.ez.")]
    assert here == [
        "auc",
        "auc_delong_clustered",
        "auc_delong",
        "auc_hanley_mcneil",
        "tpr_at_fpr.0.1",
        "tpr_at_fpr.0.01",
        "tpr_at_fpr.0.001",
        "tpr_given_threshold.0.1",
        "tpr_given_threshold.0.01",
        "tpr_given_threshold.0.001",
        "transfer.0.1",
        "balanced_accuracy",
        "posterior",
        "group.auc",
        "group.auc_delong_clustered",
        "group.tpr_at_fpr.0.1",
        "group.tpr_at_fpr.0.01",
    ]
    assert len({found[f"membership.ez.{name}"].value for name in here[:4]}) == 1
    assert (found["membership.ez.group.auc"].n_members, found["membership.ez.auc"].n_members) == (60, 120)


def test_no_group_estimates_where_every_record_is_a_group():
    """Groups of one record say nothing that records do not."""
    records = records_of(60, 1)
    found = named(BY.membership(records, {"ez": scores_of(records, 0)}))
    assert not [name for name in found if ".group." in name]


def test_several_records_of_a_group_tell_more():
    """A group's mean separates better than one record."""
    records = records_of(120, 5)
    found = named(BY.membership(records, {"ez": scores_of(records, 0)}))
    assert found["membership.ez.group.auc"].value > found["membership.ez.auc"].value + 0.1


def test_attacks_see_the_same_resamples():
    """Equal scores under two names have equal estimates."""
    found = BY.membership(RECORDS, {"a": SCORES["ez"], "b": SCORES["ez"]})
    half = len(found) // 2
    for a, b in zip(found[:half], found[half:], strict=True):
        assert (a.value, a.low, a.high) == (b.value, b.low, b.high)


def test_folded_attacks_bear_a_scale_of_their_own_in_each_fold():
    """What is added inside a fold changes no estimate of a folded attack; rates are those of ranks inside folds."""
    folds = group_folds(RECORDS)
    moved = {"ez": SCORES["ez"] + 100.0 * folds}
    there = named(BY.membership(RECORDS, {"ez": SCORES["ez"]}, folded={"ez"}))
    back = named(BY.membership(RECORDS, moved, folded={"ez"}))
    assert there == back
    assert named(BY.membership(RECORDS, moved)) != back
    ranks = Sample.of(fold_ranks(SCORES["ez"], RECORDS, folds), RECORDS)
    slow = tpr_at_fpr(ranks, "x", fpr=0.1, resamples=5, rng=np.random.default_rng(0))
    assert there["membership.ez.tpr_at_fpr.0.1"].value == slow.value
    assert there["membership.ez.tpr_at_fpr.0.1"].method.endswith(", of ranks inside folds, fits taken as given")
    assert not there["membership.ez.auc"].method.endswith("folds")


def test_controls_are_delong_corrected_by_holm():
    """Each control has clustered DeLong's p and the one adjusted over all of them."""
    scores = {"length": scores_of(RECORDS, 7, 0.0), "blind": scores_of(RECORDS, 8, 0.4)}
    found = named(BY.controls(RECORDS, scores))
    assert list(found) == ["controls.length.auc", "controls.blind.auc"]
    alone = auc_delong_clustered(Sample.of(scores["blind"], RECORDS), "controls.blind.auc")
    assert found["controls.blind.auc"].p_value == alone.p_value
    assert found["controls.blind.auc"].p_adjusted == pytest.approx(2 * alone.p_value)
    assert BY.controls(RECORDS, {}) == []


def test_comparison_is_with_the_baseline():
    """Every other attack against lr_ratio, with adjusted p-values of clustered DeLong."""
    found = named(BY.comparison(RECORDS, SCORES, folded={"wbc"}))
    tails = ("auc", "auc_delong", "auc_delong_clustered")
    assert set(found) == {f"comparison.{name}.{tail}" for name in ("ez", "wbc") for tail in tails}
    clustered = [found[f"comparison.{name}.auc_delong_clustered"] for name in ("ez", "wbc")]
    assert all(one.p_adjusted >= one.p_value for one in clustered)
    areas = named(BY.membership(RECORDS, SCORES, folded={"wbc"}))
    for name in ("ez", "wbc"):
        expected = areas[f"membership.{name}.auc"].value - areas["membership.lr_ratio.auc"].value
        assert found[f"comparison.{name}.auc"].value == pytest.approx(expected)


def test_comparison_without_the_baseline_takes_the_first_by_alphabet():
    """The baseline never depends on results; one attack alone is compared with nothing."""
    two = {"wbc": SCORES["wbc"], "ez": SCORES["ez"]}
    assert all(one.name.startswith("comparison.wbc.") for one in BY.comparison(RECORDS, two))
    assert BY.comparison(RECORDS, {"ez": SCORES["ez"]}) == []


def test_validity_by_hand():
    """Shares and means of each class, and the detectable AUC, under their names."""
    records = records_of(6, 2)  # groups 0 and 3 are non-members: rows 0 1 6 7
    near = {"across": np.arange(12) < 1, "within": np.arange(12) >= 6}
    overlap = {"5": np.ma.masked_array(np.arange(12) / 12, mask=np.arange(12) == 11)}
    found = named(BY.validity(records, near, overlap, scores_of(records, 0)))
    values = {name.removeprefix("validity."): one.value for name, one in found.items()}
    assert values["near_duplicates.across"] == 0.25
    assert values["near_duplicates.within_members"] == 0.5  # rows 8 to 11 of 2 3 4 5 8 9 10 11
    assert values["near_duplicates.within_nonmembers"] == 0.5
    assert values["overlap.5.members"] == pytest.approx((2 + 3 + 4 + 5 + 8 + 9 + 10) / 7 / 12)
    assert values["overlap.5.nonmembers"] == pytest.approx((0 + 1 + 6 + 7) / 4 / 12)
    assert (found["validity.overlap.5.members"].n_members, found["validity.overlap.5.members"].n_unscored) == (7, 1)
    assert 0.5 < values["power.detectable_auc"] <= 1


def test_counterfactual_counts_what_has_no_row():
    """Means of both classes; a record without a row is unscored."""
    rows = [
        Counterfactual(record.id, 0.1 * (i % 5), 0.0, -0.5 * (i % 3), 0.0, 2, 2) for i, record in enumerate(RECORDS)
    ]
    missing = [i for i, record in enumerate(RECORDS) if record.role == "member"][:3]
    found = named(BY.counterfactual(RECORDS, [row for i, row in enumerate(rows) if i not in missing]))
    kept = [i for i, record in enumerate(RECORDS) if record.role == "member" and i not in missing]
    one = found["counterfactual.accuracy.members"]
    assert one.value == pytest.approx(np.mean([0.1 * (i % 5) for i in kept]))
    assert (one.n_members, one.n_unscored) == (117, 3)
    assert found["counterfactual.logprob.nonmembers"].n_unscored == 0
    assert named(BY.counterfactual(RECORDS, []))["counterfactual.accuracy.members"].reason == "no record was measured"


def test_too_few_groups_for_folds_are_not_resolvable():
    """With fewer groups than folds a folded control is missing, and the verdict names the groups."""
    records = records_of(6, 2)
    assert group_folds(records) is None
    scores = {"blind": np.ma.masked_all(len(records)), "length": scores_of(records, 0)}
    found = BY.controls(records, scores, folded={"blind"})
    word, reason = verdict(list(named(found).values()))
    assert word == "not resolvable"
    assert "controls.length.auc" in reason
    assert "2 groups" in reason


@pytest.mark.parametrize("scores", [np.zeros(180), np.repeat(1e300, 180), np.ma.masked_all(180)])
def test_degenerate_scores_give_no_number_that_is_not_finite(scores):
    """Constant, huge or missing scores: every estimate has finite numbers or a reason."""
    given = {"a": np.ma.masked_array(scores), "lr_ratio": SCORES["lr_ratio"]}
    named([*BY.membership(RECORDS, given, folded={"a"}), *BY.comparison(RECORDS, given), *BY.controls(RECORDS, given)])


def test_perfect_separation_gives_no_number_that_is_not_finite():
    """Scores that tell everyone have finite estimates."""
    member = np.ma.masked_array([float(record.role == "member") for record in RECORDS])
    named([*BY.membership(RECORDS, {"a": member, "b": -member}), *BY.comparison(RECORDS, {"a": member, "b": -member})])
