"""The verdict on the audit itself."""

from __future__ import annotations

import pytest

from mnemoscope.records import Estimate
from mnemoscope.stats import verdict


def control(name, value, low, high, groups=(50, 40), reason=None):
    return Estimate(
        name, value, low, high, 0.95, "", n_member_groups=groups[0], n_nonmember_groups=groups[1], reason=reason
    )


FINE = control("controls.loss.auc", 0.51, 0.47, 0.55)


@pytest.mark.parametrize(
    "near",
    [
        control("c", 0.52, 0.51, 0.53),  # excludes .5 but lies within .03
        control("c", 0.56, 0.49, 0.63),  # far from .5 but the interval holds it
        control("c", 0.47, 0.44, 0.50),  # touches .5
    ],
)
def test_valid_needs_only_one_of_the_two(near):
    """A control that is near .5, or whose interval holds .5, leaves the audit valid."""
    word, reason = verdict([FINE, near])
    assert word == "valid"
    assert reason.endswith(".")
    assert "c (AUC" in reason


@pytest.mark.parametrize(("value", "low", "high"), [(0.56, 0.52, 0.60), (0.44, 0.40, 0.48)])
def test_doubtful_when_far_and_excluding(value, low, high):
    """A control that is far from .5 with an interval that excludes it makes the audit doubtful, on either side."""
    word, reason = verdict([FINE, control("controls.blind.auc", value, low, high)])
    assert word == "doubtful"
    assert f"controls.blind.auc (AUC {value:.3f}, interval {low:.3f} to {high:.3f})" in reason


def test_the_worst_control_is_named():
    """Of several bad controls the one furthest from .5 is named."""
    _, reason = verdict([control("mild", 0.56, 0.52, 0.60), control("worst", 0.2, 0.1, 0.3), FINE])
    assert "worst" in reason
    assert "mild" not in reason


def test_a_far_control_that_holds_chance_does_not_hide_a_bad_one():
    """The control furthest from .5 may be harmless; the bad one behind it still decides."""
    word, reason = verdict([control("wide", 0.60, 0.45, 0.75), control("sharp", 0.55, 0.53, 0.57)])
    assert word == "doubtful"
    assert "sharp" in reason


def test_not_resolvable_with_few_groups():
    """Fewer than 20 groups in a class cannot tell, and 20 can."""
    word, reason = verdict([control("c", 0.9, 0.8, 1.0, groups=(100, 19))])
    assert word == "not resolvable"
    assert "19 groups" in reason
    assert verdict([control("c", 0.9, 0.8, 1.0, groups=(100, 20))])[0] == "doubtful"


def test_not_resolvable_without_controls():
    """No control, or one that could not be computed, leaves the question open and says why."""
    assert verdict([]) == ("not resolvable", "No control was computed.")
    missing = control("controls.loss.auc", None, None, None, reason="no member was scored")
    assert verdict([FINE, missing]) == (
        "not resolvable",
        "The control controls.loss.auc could not be computed: no member was scored.",
    )
