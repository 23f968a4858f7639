"""A comparison in plain sentences: whether it can be trusted, what changed, and what that cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mnemoscope.changes import Audited
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.names import main_prefix, parts
from mnemoscope.reporting.wording import count, estimate, interval, number, p_value, percent, rate, until

Leaf = Mapping[str, Any]

QUERIES = "n1000"
"""The headline's number of queries, fixed beforehand."""
RATES = ("0.01", "0.1", "0.001")
"""False-positive rates of the headline: the first that is resolved enough to be tested."""
USE = "perplexity.target.nonmembers"
UNTESTED = ("membership.auc_delong_clustered", "perplexity.")
"""Families that are no leak of their own: the same AUC with another interval, and how well the model predicts."""
_ORDER = ("not resolvable", "doubtful", "not judged", "valid")


def verdict(before: Audited, after: Audited) -> dict[str, str]:
    """A comparison is as valid as the worse of its two audits."""
    judged = [
        (str((one.manifest.get("verdict") or {}).get("validity") or "not judged"), when, one)
        for when, one in (("before", before), ("after", after))
    ]
    worst = min((validity for validity, _, _ in judged), key=lambda v: _ORDER.index(v) if v in _ORDER else 0)
    reasons = [
        f"{when}: {str((one.manifest.get('verdict') or {}).get('reason') or 'no reason given').rstrip('.')}"
        for validity, when, one in judged
        if validity == worst
    ]
    return {"validity": worst, "reason": "; ".join(reasons)}


def headline(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know, one sentence each, from the numbers of the summary alone."""
    known = dict(leaves(summary["changes"]))
    said = [_validity(summary["verdict"]), _how(summary), *_counted(known)]
    said += [_recognised(known, summary["attack"]), _order(known, summary["attack"])]
    said += [_verbatim(known), _queries(known), _values(known), _useful(known)]
    return [sentence for sentence in said if sentence]


def _validity(judged: Mapping[str, str]) -> str:
    match judged["validity"]:
        case "valid":
            return "Both audits are valid: in neither do the controls tell training records from held-out ones."
        case "doubtful":
            return f"This comparison is doubtful, because an audit is ({judged['reason']})."
        case "not resolvable":
            return f"This comparison cannot be resolved, because an audit cannot ({judged['reason']})."
    return f"Whether this comparison is valid is open: an audit was not judged ({judged['reason']})."


def _how(summary: Mapping[str, Any]) -> str:
    shared = summary["shared"]
    if not shared["paired"]:
        return "The two audits are of different records: they are compared as independent samples, which sees less."
    return (
        f"Both are measured on the same {count(shared['members'], 'training record')} and "
        f"{count(shared['nonmembers'], 'held-out record')}, so chance differences between records cancel out."
    )


def leaks(known: Mapping[str, Leaf]) -> list[Leaf]:
    """The differences of what training records give away that were tested."""
    return [
        leaf
        for name, leaf in known.items()
        if leaf["p_adjusted"] is not None
        and not leaf["family"].startswith(UNTESTED)
        and not name.endswith(".nonmembers")
    ]


def _counted(known: Mapping[str, Leaf]) -> Iterable[str]:
    tested = leaks(known)
    if not tested:
        return ["No measure of leakage could be compared."]
    down = sum(leaf["resolved"] and leaf["value"] < 0 for leaf in tested)
    up = sum(leaf["resolved"] and leaf["value"] > 0 for leaf in tested)
    left = len(tested) - down - up
    verb = "is" if left == 1 else "are"
    return [
        f"Of {count(len(tested), 'measure')} of leakage, {down} fell, {up} rose and {left} {verb} not resolved, which "
        "is not the same as unchanged."
    ]


def _recognised(known: Mapping[str, Leaf], attack: str | None) -> str:
    asked = [(known.get(f"membership.{attack}.tpr_at_fpr.{text}"), text) for text in RATES]
    found = next(((leaf, text) for leaf, text in asked if leaf is not None and leaf["p_adjusted"] is not None), None)
    if found is None:
        return ""
    leaf, text = found
    at = f"at {rate(float(text))} false alarms"
    if not leaf["resolved"]:
        return _open(leaf, f"training records an attacker recognises {at}", f"{attack}; ")
    return (
        f"After, an attacker recognises {_points(leaf)} {_fewer(leaf)} training records {at} {_bracket(leaf)} "
        f"({attack}; {_two(leaf)})."
    )


def _order(known: Mapping[str, Leaf], attack: str | None) -> str:
    leaf = known.get(f"membership.{attack}.auc")
    if leaf is None or leaf["value"] is None:
        return ""
    two = f"{number(leaf['before']['value'])} before, {number(leaf['after']['value'])} after"
    by = f"{number(abs(leaf['value']))} {interval('comparison.auc', leaf)}".strip()
    if not leaf["resolved"]:
        return f"The AUC of {attack} differs by {_signed(leaf)} ({two}), which is not resolved{_p(leaf)}."
    return f"The AUC of {attack} is {by} {'lower' if leaf['value'] < 0 else 'higher'} after ({two}{_p(leaf, '; ')})."


def _verbatim(known: Mapping[str, Leaf]) -> str:
    prefix = main_prefix(
        name.split(".verbatim.")[0].removeprefix("extraction.") for name in known if ".verbatim." in name
    )
    return _share(
        known, f"extraction.{prefix}.verbatim.members", f"come back word for word from their {until(prefix or '')}"
    )


def _queries(known: Mapping[str, Leaf]) -> str:
    path, n = next(iter(decodings(known)), ""), f"{int(QUERIES.removeprefix('n')):,}"
    what = f"are expected to come back within {n} sampled queries each"
    return _share(known, f"{path}.expected.{QUERIES}.members", what)


def decodings(known: Iterable[str]) -> list[str]:
    """Prefix and decoding of every curve over queries, such as "sampling.0.5.t1-k40"; the headline's prefix first."""
    found = list(dict.fromkeys(name.split(".expected.")[0] for name in known if ".expected." in name))
    prefix = main_prefix(parts(path)[1] for path in found)
    return sorted(found, key=lambda path: parts(path)[1] != prefix)


def _values(known: Mapping[str, Leaf]) -> str:
    return _share(
        known, "spans.all.greedy.members", "come back word for word", noun="sensitive values of training records"
    )


def _share(known: Mapping[str, Leaf], name: str, what: str, noun: str = "training records") -> str:
    leaf = known.get(name)
    if leaf is None or leaf["value"] is None:
        return ""
    if not leaf["resolved"]:
        return _open(leaf, f"{noun} {what}")
    return f"After, {_points(leaf)} {_fewer(leaf)} {noun} {what} {_bracket(leaf)} ({_two(leaf)})."


def _useful(known: Mapping[str, Leaf]) -> str:
    leaf = known.get(USE)
    if leaf is None or leaf["value"] is None:
        return "Usefulness was not measured on both sides, and any defence can buy less leakage with a worse model."
    ends = [number(leaf[when]["value"]) for when in ("before", "after")]
    two = f"perplexity of held-out records {ends[0]} before, {ends[1]} after"
    if not leaf["resolved"]:
        return f"What it costs in usefulness is not resolved: {two}, a difference of {_signed(leaf)}."
    if leaf["value"] > 0:
        fell = any(one["resolved"] and one["value"] < 0 for one in leaks(known))
        price = " A model that learns less also leaks less: compare it with simply training less." if fell else ""
        return f"The model after is less useful: {two}, {_signed(leaf)}.{price}"
    return f"The model after is more useful: {two}, {_signed(leaf)}."


def _points(leaf: Leaf) -> str:
    text = percent(abs(leaf["value"])).removesuffix("%")
    return f"{text} percentage point{'' if text == '1' else 's'}"


def _fewer(leaf: Leaf) -> str:
    return "fewer" if leaf["value"] < 0 else "more"


def _bracket(leaf: Leaf) -> str:
    return interval("comparison.verbatim", leaf)


def _two(leaf: Leaf) -> str:
    return f"{percent(leaf['before']['value'])} before, {percent(leaf['after']['value'])} after"


def _open(leaf: Leaf, what: str, lead: str = "") -> str:
    if leaf["p_adjusted"] is None:
        reason = (leaf["reason"] or "no test").removeprefix("not resolved: ")
        return f"Whether fewer or more {what} is not resolved ({lead}{_two(leaf)}; {reason})."
    bracket = f"; in percentage points {_bracket(leaf)}" if _bracket(leaf) else ""
    return f"No difference is resolved in how many {what} ({lead}{_two(leaf)}{bracket})."


def _signed(leaf: Leaf) -> str:
    return estimate("comparison.auc", leaf)


def _p(leaf: Leaf, lead: str = ": ") -> str:
    return "" if leaf["p_adjusted"] is None else f"{lead}Holm-corrected {p_value(leaf['p_adjusted'])}"
