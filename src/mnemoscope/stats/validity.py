"""Whether the audit itself is valid, before anything is said about leaks."""

from __future__ import annotations

from collections.abc import Sequence

from mnemoscope.records import Estimate

CHANCE = 0.5
TOLERANCE = 0.03
"""A control's AUC may lie this far from chance."""
FEWEST_GROUPS = 20
"""With fewer groups in a class the intervals are too narrow to be trusted."""


def verdict(controls: Sequence[Estimate]) -> tuple[str, str]:
    """The audit's validity and one sentence why: "valid", "doubtful" or "not resolvable".

    A control is the AUC of something that cannot know who is a member. The audit is doubtful when some control lies
    further than .03 from .5 and its interval excludes .5; for k controls the caller computes the intervals at level
    1 - .05 / k (Bonferroni). It is not resolvable when a control could not be computed or has fewer than 20 groups in
    a class.
    """
    if not controls:
        return "not resolvable", "No control was computed."
    for control in controls:
        if control.value is None or control.low is None or control.high is None:
            return "not resolvable", f"The control {control.name} could not be computed: {control.reason}."
    for control in controls:
        fewest = min(control.n_member_groups, control.n_nonmember_groups)
        if fewest < FEWEST_GROUPS:
            return "not resolvable", f"The control {_told(control)} rests on {fewest} groups in its smaller class."
    furthest = sorted(controls, key=_distance, reverse=True)
    for control in furthest:
        if _off_chance(control):
            return "doubtful", f"The control {_told(control)} tells members from non-members without the target."
    return "valid", f"No control tells members from non-members; the furthest from chance is {_told(furthest[0])}."


def _distance(control: Estimate) -> float:
    return abs((control.value or 0.0) - CHANCE)


def _off_chance(control: Estimate) -> bool:
    low, high = control.low, control.high
    excludes = low is not None and high is not None and not low <= CHANCE <= high
    return _distance(control) > TOLERANCE and excludes


def _told(control: Estimate) -> str:
    return f"{control.name} (AUC {control.value:.3f}, interval {control.low:.3f} to {control.high:.3f})"
