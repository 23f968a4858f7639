"""Whether the audit itself is valid, before anything is said about leaks."""

from __future__ import annotations

from collections.abc import Sequence

from mnemoscope.records import Estimate

CHANCE = 0.5
TOLERANCE = 0.03
"""A control's AUC may lie this far from chance."""
FEWEST_GROUPS = 20
"""With fewer groups in a class the intervals are too narrow to be trusted."""
LARGEST_DETECTABLE = 0.70
"""An audit that could only see a larger AUC than this sees too little to say anything."""
MOST_COPIES = 0.05
"""Share of non-members that may have a near copy among the members."""
DETECTABLE, ACROSS = "validity.power.detectable_auc", "validity.near_duplicates.across"


def verdict(estimates: Sequence[Estimate]) -> tuple[str, str]:
    """The audit's validity and one sentence why: "valid", "doubtful" or "not resolvable".

    Of all `estimates` it looks at the controls (`controls.*`: the AUC of something that cannot know who is a member)
    and at `validity.*`. Not resolvable: no control, one that could not be computed, fewer than 20 groups in a class,
    or a detectable AUC above .70. Doubtful: a control further than .03 from .5 whose Holm-adjusted p-value is below
    1 - level, or near copies of more than 5% of the non-members among the members.
    """
    controls = [one for one in estimates if one.name.startswith("controls.")]
    known = {one.name: one for one in estimates}
    if reason := _unresolvable(controls, known.get(DETECTABLE)):
        return "not resolvable", reason
    if reason := _doubt(controls, known.get(ACROSS)):
        return "doubtful", reason
    furthest = max(controls, key=_distance)
    return "valid", f"No control tells members from non-members; the furthest from chance is {_told(furthest)}."


def _unresolvable(controls: Sequence[Estimate], detectable: Estimate | None) -> str | None:
    if not controls:
        return "No control was computed."
    # the groups first: with very few of them a cross-fitted control cannot be computed, and that is why
    for control in (one for one in controls if one.value is not None):
        fewest = min(control.n_member_groups, control.n_nonmember_groups)
        if fewest < FEWEST_GROUPS:
            return f"The control {_told(control)} rests on {fewest} groups in its smaller class, not {FEWEST_GROUPS}."
    for control in (one for one in controls if one.value is None):
        return f"The control {control.name} could not be computed: {control.reason}."
    if detectable is not None and detectable.value is not None and detectable.value > LARGEST_DETECTABLE:
        return f"With so few groups only an AUC of {detectable.value:.3f} or more could be told from 0.5."
    return None


def _doubt(controls: Sequence[Estimate], across: Estimate | None) -> str | None:
    for control in sorted(controls, key=_distance, reverse=True):
        if _off_chance(control):
            return f"The control {_told(control)} tells members from non-members without the target."
    if across is not None and across.value is not None and across.value > MOST_COPIES:
        return f"{across.value:.1%} of the non-members have a near copy among the members ({ACROSS})."
    return None


def _distance(control: Estimate) -> float:
    return abs((control.value or 0.0) - CHANCE)


def _off_chance(control: Estimate) -> bool:
    p = control.p_adjusted
    return _distance(control) > TOLERANCE and p is not None and p < 1 - control.level


def _told(control: Estimate) -> str:
    p = "" if control.p_adjusted is None else f", adjusted p {control.p_adjusted:.2g}"
    return f"{control.name} (AUC {control.value:.3f}{p})"
