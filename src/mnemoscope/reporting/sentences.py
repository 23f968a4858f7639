"""The audit in plain sentences: validity first, then what leaked, then what was not tested. None says "safe"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mnemoscope.records import Estimate, Evidence
from mnemoscope.reporting import checks, names, rivals
from mnemoscope.reporting.queries import many_queries, planted_secrets
from mnemoscope.reporting.wording import count, interval, percent, rate, tally, until

Known = Mapping[str, Estimate]


def headline(evidence: Evidence) -> list[str]:
    """What a reader must know, one sentence each."""
    known = names.by_name(evidence.estimates)
    about = [validity(verdict(evidence), known), checks.power(known)]
    leaks = [*extraction(known), *many_queries(known), *planted_secrets(known)]
    sentences = [*about, *membership(known), *leaks, limits(evidence)]
    return [sentence for sentence in sentences if sentence]


def verdict(evidence: Evidence) -> dict[str, str]:
    """Whether the audit itself can be trusted, and why; "not judged" where nobody did."""
    given = evidence.manifest.get("verdict") or {}
    return {"validity": str(given.get("validity") or "not judged"), "reason": str(given.get("reason") or "")}


def validity(judged: Mapping[str, str], known: Known) -> str:
    """The first sentence."""
    reason = checks.readable(judged["reason"])
    because = f": {reason}" if reason else ""
    match judged["validity"]:
        case "valid":
            return f"This audit is {checks.controls(known)}."
        case "doubtful":
            return f"This audit is doubtful{because}; every number below may measure that instead of memory."
        case "not resolvable":
            return f"This audit cannot resolve what the model remembers{because}."
    return f"Whether this audit is valid was not judged{because}."


def membership(known: Known) -> list[str]:
    """What an attacker learns who asks whether a record was in the training set."""
    attack = names.main_attack({names.parts(name)[1] for name in known if name.startswith("membership.")})
    if attack is None:
        return ["Membership was not tested."]
    rates = sorted((e for n, e in known.items() if n.startswith(f"membership.{attack}.tpr_at_fpr.")), key=_rate)
    # a rate may have a value and still rest on a handful of groups: its reason then says that it is not resolved
    resolved = next((e for e in rates if e.value is not None and e.reason is None), None)
    open_rates = [e for e in reversed(rates) if e.value is None or e.reason is not None]
    sentences = [_recognised(attack, resolved)] if resolved else []
    sentences += _unresolved(attack, [e for e in open_rates if resolved is None or _rate(e) < _rate(resolved)])
    return [
        *sentences,
        _order(attack, known.get(f"membership.{attack}.auc")),
        _whole(attack, known.get(f"membership.{attack}.group.auc")),
        rivals.strongest(known),
    ]


def _rate(e: Estimate) -> float:
    return e.fpr if e.fpr is not None else float(names.parts(e.name)[-1])


def _recognised(attack: str, e: Estimate) -> str:
    given = _share(e)
    at = rate(_rate(e))
    return (
        f"An attacker who can see token probabilities recognises {given} of training records "
        f"at {at} false alarms ({attack}; guessing recognises {at})."
    )


def _unresolved(attack: str, rates: list[Estimate]) -> list[str]:
    """The rates that say nothing, in one sentence; a reason that differs in its numbers only is told once."""
    if not rates:
        return []
    reasons: dict[str, str] = {}
    for e in rates:
        reasons.setdefault(re.sub(r"[\d.,]+", "", _why(e)), _why(e))
    *most, last = (rate(_rate(e)) for e in rates)
    asked = f"{', '.join(most)} and {last}" if most else last
    why = "; ".join(reasons.values())
    return [f"What the attacker recognises at {asked} false alarms is not resolved ({attack}): {why}."]


def _why(e: Estimate) -> str:
    return (e.reason or "no reason given").removeprefix("not resolved: ").rstrip(".")


def _order(attack: str, e: Estimate | None) -> str:
    if e is None:
        return ""
    if e.value is None:
        return f"How well {attack} orders the records is not resolved: {_why(e)}."
    return (
        f"Shown one training and one held-out record, the attacker picks the training record {_share(e, auc=True)} "
        f"of the time; guessing does so 50% of the time (AUC of {attack})."
    )


def _whole(attack: str, e: Estimate | None) -> str:
    if e is None or e.value is None:
        return ""
    return (
        f"Asked about whole documents or persons, all records of one taken together, the attacker picks the one that "
        f"was trained on {_share(e, auc=True)} of the time (AUC of {attack} over groups)."
    )


def _share(e: Estimate, *, auc: bool = False) -> str:
    name = "transfer" if auc else e.name  # an AUC reads as a share in a sentence
    bounds = interval(name, {"value": e.value, "low": e.low, "high": e.high})
    return f"{percent(e.value or 0.0)} {bounds}".strip()


def extraction(known: Known) -> list[str]:
    """What comes back when the model continues a beginning."""
    prefix = names.main_prefix({names.parts(name)[1] for name in known if name.startswith("extraction.")})
    if prefix is None:
        return ["Extraction was not tested."]
    root = f"extraction.{prefix}"
    return [
        _word_for_word(prefix, known, root),
        _base_gives(known.get(f"{root}.verbatim.reference_members")),
        _values(known.get(f"{root}.spans.members")),
        _given_the_text(known),
        _planted(prefix, known.get(f"{root}.planted")),
    ]


def _word_for_word(prefix: str, known: Known, root: str) -> str:
    members, others = known.get(f"{root}.verbatim.members"), known.get(f"{root}.verbatim.nonmembers")
    if members is None:
        return ""
    if members.value is None:
        return f"Whether training records come back word for word is not resolved: {_why(members)}."
    given = _of(members, members.n_members, "training record")
    verb, each = ("comes", "its") if _single(members, members.n_members) else ("come", "their")
    text = f"{given} {verb} back word for word from {each} {until(prefix)} by greedy decoding"
    if others is None or others.value is None:
        return f"{text}; held-out records were not resolved."
    does = "does" if _single(others, others.n_nonmembers) else "do"
    return f"{text}; {_of(others, others.n_nonmembers, 'held-out record', start=False)} {does}."


def _single(e: Estimate, n: int) -> bool:
    return tally(e.value or 0.0, n) in (0, 1)


def _of(e: Estimate, n: int, noun: str, *, start: bool = True) -> str:
    hits, total = tally(e.value or 0.0, n), count(n, noun)
    if hits is None:
        return f"{_share(e)} of {noun}s"
    if n == 1:
        return f"{'The' if start else 'the'} one {noun}" if hits else f"{'None' if start else 'none'} of 1 {noun}"
    if hits in (0, n):
        word = "none of" if hits == 0 else "all"
        return f"{word.capitalize() if start else word} {total}"
    return f"{hits:,} of {total}"


def _base_gives(e: Estimate | None) -> str:
    if e is None or e.value is None:
        return ""
    given = _of(e, e.n_members, "training record", start=False)
    return f"The model it was fine-tuned from, asked the same, gives back {given}."


def _values(e: Estimate | None) -> str:
    if e is None:
        return ""
    if e.value is None:
        return f"How many sensitive values come back is not resolved: {_why(e)}."
    given = _share(e)
    return f"Of the sensitive values in the rest of training records, {given} lie wholly in what comes back from there."


def _given_the_text(known: Known) -> str:
    """Sensitive values one by one, each after the true text before it."""
    members, others = (known.get(f"spans.all.greedy.{who}") for who in ("members", "nonmembers"))
    if members is None or others is None or members.value is None or others.value is None:
        return ""
    return (
        f"Given the true text before each, greedy decoding writes {_share(members)} of the sensitive values of "
        f"training records and {_share(others)} of those of held-out ones."
    )


def _planted(prefix: str, e: Estimate | None) -> str:
    if e is None or e.value is None:
        return ""
    verb = "comes" if _single(e, e.n_members) else "come"
    return f"{_of(e, e.n_members, 'planted record')} {verb} back from the {until(prefix)}."


def not_tested(evidence: Evidence) -> list[str]:
    """What this audit says nothing about."""
    known = names.by_name(evidence.estimates)
    gaps = []
    if not any(name.startswith("controls.") for name in known):
        gaps.append("whether members and non-members differ for other reasons than training")
    if not any(name.startswith("membership.") for name in known):
        gaps.append("membership")
    if not any(name.startswith("extraction.") for name in known):
        gaps.append("extraction")
    if not evidence.generations:
        gaps.append("copies that are near but not word for word")
    return [
        *gaps,
        *(gap for gap, attacks in _STRONGER.items() if not any(f"membership.{one}.auc" in known for one in attacks)),
        "attackers who watch the weights while they are trained",
        *(gap for gap, part in _ASKED.items() if not any(part in name for name in known)),
        "records other than those audited",
    ]


_ASKED = {
    "text that comes back in other words": ".judge.",
    "prompts other than a record's own beginning": "unprompted.",
}
"""Gaps that are closed where an estimate has this in its name."""
_STRONGER = {
    "attackers who train models on similar text (--in-domain)": names.KNOW_THE_DOMAIN,
    "attackers who see gradients": ("gradient_norm",),
}
"""Gaps that are closed where one of these attacks was run."""


def limits(evidence: Evidence) -> str:
    """The last sentence: what a low number does not mean."""
    return f"Not tested: {'; '.join(not_tested(evidence))}."
