"""What the audit could see at all, in sentences: controls, near copies, shared wording, power."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mnemoscope.records import Estimate
from mnemoscope.reporting.wording import estimate, number, p_value, significant

Known = Mapping[str, Estimate]

POWER = "80%"
"""How often an AUC of `validity.power.detectable_auc` would be told from chance."""

SEEN = {
    "length": "number of tokens",
    "zlib_length": "size of the compressed text",
    "blind_words": "classifier that sees words, never a model",
    "blind_ngrams": "classifier that sees runs of words and of letters, never a model",
}
"""What the controls look at that are no attack on the base model."""


def seen(control: str) -> str:
    """What a control looks at, in words."""
    attack = control.removeprefix("reference_")
    return SEEN.get(control, control if attack == control else f"{attack}, asked of the base model")


def readable(reason: str) -> str:
    """The reason of a verdict with controls called by their names instead of their paths.

    >>> readable("controls.zlib_length.auc tells members from non-members.")
    'the control zlib length tells members from non-members'
    >>> readable("The control controls.length.auc rests on 19 groups.")
    'The control length rests on 19 groups'
    """
    named = _CONTROL.sub(lambda found: f"{found[1] or 'the control '}{found[2].replace('_', ' ')}", reason)
    return named.strip().rstrip(".")


_CONTROL = re.compile(r"(the control )?\bcontrols\.(\w+)\.auc\b", re.IGNORECASE)


def within_chance(control: Estimate) -> bool:
    """Whether a control may be called no better than chance: by its corrected p-value, else by its interval."""
    if control.p_adjusted is not None:
        return not significant(control.p_adjusted, control.level)
    return control.low is not None and control.high is not None and control.low <= 0.5 <= control.high


def controls(known: Known) -> str:
    """How far the controls are from chance, to follow "This audit is"."""
    found = [e for name, e in known.items() if name.startswith("controls.") and e.value is not None]
    if not found:
        return "called valid without a check: no score blind to the fine-tuned model was there"
    farthest = max(abs((e.value or 0.0) - 0.5) for e in found)
    how = "no better than chance" if all(map(within_chance, found)) else "hardly better than chance"
    tested = [e.p_adjusted for e in found if e.p_adjusted is not None]
    least = f", smallest Holm-corrected {p_value(min(tested))}" if tested else ""
    return f"valid: scores blind to the fine-tuned model do {how} (AUC at most {number(farthest)} from 0.5{least})"


def power(known: Known) -> str:
    """The smallest leak that the audit is able to see."""
    e = known.get("validity.power.detectable_auc")
    if e is None or e.value is None:
        return ""
    return f"This audit would detect an AUC of {number(e.value)} or more {POWER} of the time."


def facts(known: Known) -> list[str]:
    """What was found about the two sets without any model, and what the audit can resolve; one sentence each."""
    sentences = [_across(known.get("validity.near_duplicates.across")), _within(known), _overlap(known), power(known)]
    return [sentence for sentence in sentences if sentence]


def _across(e: Estimate | None) -> str:
    if e is None or e.value is None:
        return ""
    meaning = "such a record is a training record in all but its label" if e.value else "no label is blurred by one"
    return f"{_told(e)} of held-out records have a near copy among the training records; {meaning}."


def _within(known: Known) -> str:
    found = _two(known, "validity.near_duplicates.within_members", "validity.near_duplicates.within_nonmembers")
    return (
        f"{found[0]} of training records and {found[1]} of held-out records have one in their own set." if found else ""
    )


def _overlap(known: Known) -> str:
    stems = sorted(
        n.removesuffix(".members") for n in known if n.startswith("validity.overlap.") and n.endswith(".members")
    )
    sentences = []
    for stem in stems:
        if found := _two(known, f"{stem}.members", f"{stem}.nonmembers"):
            sentences.append(
                f"Of the runs of {stem.rpartition('.')[2]} words in a training record, {found[0]} stand in training "
                f"records of other groups too; of those in a held-out record, {found[1]} (means over records)."
            )
    return " ".join(sentences)


def _two(known: Known, first: str, second: str) -> tuple[str, str] | None:
    pair = known.get(first), known.get(second)
    if any(e is None or e.value is None for e in pair):
        return None
    one, other = (_told(e) for e in pair if e is not None)
    return one, other


def _told(e: Estimate) -> str:
    return estimate(e.name, {"value": e.value, "low": e.low, "high": e.high})
