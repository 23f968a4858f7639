"""The verdict on the audit itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mnemoscope.records import Estimate
from mnemoscope.stats import verdict


def control(name, value, p=1.0, groups=(50, 40), reason=None):
    return Estimate(
        f"controls.{name}.auc",
        value,
        None,
        None,
        0.95,
        "",
        n_member_groups=groups[0],
        n_nonmember_groups=groups[1],
        reason=reason,
        p_adjusted=p,
    )


def told(name, value):
    return Estimate(name, value, None, None, 0.95, "")


FINE = control("loss", 0.51)
FAR = control("blind", 0.56, 0.001)


@pytest.mark.parametrize("near", [control("c", 0.529, 0.001), control("c", 0.56, 0.051), control("c", 0.44, None)])
def test_valid_needs_only_one_of_the_two(near):
    """A control within .03 of .5, or whose adjusted p is not below .05, leaves the audit valid."""
    word, reason = verdict([FINE, near])
    assert word == "valid"
    assert reason.startswith("No control tells members from non-members; the furthest from chance is controls.c.auc (")


@pytest.mark.parametrize("value", [0.56, 0.44])
def test_doubtful_when_far_and_unlikely(value):
    """A control far from .5 with a small adjusted p makes the audit doubtful, on either side."""
    word, reason = verdict([FINE, control("blind", value, 0.012)])
    assert word == "doubtful"
    assert reason == (
        f"The control controls.blind.auc (AUC {value:.3f}, adjusted p 0.012) tells members from non-members "
        "without the target."
    )


def test_the_level_of_the_control_decides():
    """p is held against 1 - level."""
    loose = replace(control("c", 0.6, 0.08), level=0.9)
    assert verdict([loose])[0] == "doubtful"
    assert verdict([replace(loose, level=0.95)])[0] == "valid"


def test_the_worst_control_is_named():
    """Of several bad controls the one furthest from .5 is named, and a far one with a large p hides none."""
    _, reason = verdict([control("mild", 0.56, 0.01), control("worst", 0.2, 0.01), control("wide", 0.9, 0.4), FINE])
    assert "worst" in reason
    assert "mild" not in reason


def test_not_resolvable_with_few_groups():
    """Fewer than 20 groups in a class cannot tell, and 20 can."""
    word, reason = verdict([control("c", 0.9, 0.001, groups=(100, 19))])
    assert word == "not resolvable"
    assert "19 groups" in reason
    assert verdict([control("c", 0.9, 0.001, groups=(100, 20))])[0] == "doubtful"


def test_not_resolvable_without_controls():
    """No control, or one that could not be computed, leaves the question open and says why."""
    assert verdict([told("membership.loss.auc", 0.9)]) == ("not resolvable", "No control was computed.")
    missing = control("blind", None, None, groups=(0, 0), reason="no member was scored")
    assert verdict([FAR, missing]) == (
        "not resolvable",
        "The control controls.blind.auc could not be computed: no member was scored.",
    )


def test_too_few_groups_for_folds_are_told_as_too_few_groups():
    """A cross-fitted control that few groups leave without a value does not hide that there are few groups."""
    missing = control("blind", None, None, groups=(0, 0), reason="no member was scored")
    word, reason = verdict([missing, control("loss", 0.5, groups=(4, 9))])
    assert word == "not resolvable"
    assert (
        reason
        == "The control controls.loss.auc (AUC 0.500, adjusted p 1) rests on 4 groups in its smaller class, not 20."
    )


@pytest.mark.parametrize(("value", "word"), [(0.71, "not resolvable"), (0.70, "doubtful"), (None, "doubtful")])
def test_an_audit_that_sees_large_aucs_only_is_not_resolvable(value, word):
    """A detectable AUC above .70 goes before every doubt; one that is not known says nothing."""
    found = verdict([FAR, told("validity.power.detectable_auc", value)])
    assert found[0] == word
    assert ("0.710" in found[1]) == (word == "not resolvable")


@pytest.mark.parametrize(("value", "word"), [(0.051, "doubtful"), (0.05, "valid"), (None, "valid")])
def test_near_copies_across_make_doubt(value, word):
    """More than 5% of the non-members with a near copy among members make the audit doubtful."""
    found = verdict([FINE, told("validity.near_duplicates.across", value)])
    assert found[0] == word
    assert found[1].startswith("5.1% of the non-members") == (word == "doubtful")
