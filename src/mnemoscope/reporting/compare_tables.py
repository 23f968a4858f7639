"""Rows of a comparison's tables and tiles: numbers already in words, so that the templates only place them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mnemoscope.reporting import names
from mnemoscope.reporting.compare_sentences import QUERIES, RATES, USE, decodings
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.tables import settings
from mnemoscope.reporting.wording import NONE, bare_p, interval, percent, rate, until, value

Leaf = Mapping[str, Any]
Row = dict[str, Any]

_MEASURES = {
    "verbatim": "records given back word for word",
    "spans": "sensitive values given back",
    "matched_tokens": "tokens given back before the first miss (mean)",
}
_SIDES = {"members": "training", "nonmembers": "held out"}
SHOWN_QUERIES = ("n1", "n1000", "n1000000")
"""Numbers of queries that stand in the page's table; all of them are in the figure and below."""


def row(name: str, leaf: Leaf, label: str, note: str = "") -> Row:
    """Before, after, their difference with its interval and corrected p-value."""
    sides = [{"value": leaf[when]["value"], **_ends(leaf[when]["interval"])} for when in ("before", "after")]
    return {
        "label": label,
        "note": note,
        "name": name,
        "sides": [{"value": value(name, one), "interval": interval(name, one)} for one in sides],
        "difference": value(f"comparison.{name}", leaf),
        "interval": interval(f"comparison.{name}", leaf),
        "p": NONE if leaf["p_adjusted"] is None else bare_p(leaf["p_adjusted"]),
        "way": way(leaf),
        "resolved": leaf["resolved"],
        "reason": (leaf["reason"] or "").removeprefix("not resolved: "),
    }


def _ends(pair: Iterable[float | None]) -> dict[str, float | None]:
    low, high = pair
    return {"low": low, "high": high}


def way(leaf: Leaf) -> str:
    """fell, rose, or not resolved."""
    if not leaf["resolved"]:
        return "not resolved"
    return "fell" if leaf["value"] < 0 else "rose"


def tiles(known: Mapping[str, Leaf], attack: str | None) -> list[Row]:
    """The answers of the first screen: who is recognised, what comes back, what it costs."""
    rates = [f"membership.{attack}.tpr_at_fpr.{text}" for text in RATES]
    tested = [name for name in rates if name in known and known[name]["p_adjusted"] is not None]
    prefix = names.main_prefix(
        name.split(".verbatim.")[0].removeprefix("extraction.") for name in _with(known, ".verbatim.")
    )
    asked = [
        (f"membership.{attack}.auc", "membership", "Who was in the training set?"),
        (tested[0] if tested else "", "membership", "Who, with few false alarms?"),
        (f"extraction.{prefix}.verbatim.members", "extraction", "What comes back word for word?"),
        (_queries(known), "extraction", "What comes back after many queries?"),
        ("spans.all.greedy.members", "extraction", "Which sensitive values come back?"),
        (USE, "use", "What does it cost?"),
    ]
    found = [(known[name], name, place, question) for name, place, question in asked if name in known]
    return [_tile(*one) for one in found if one[0]["value"] is not None]


def _with(known: Iterable[str], part: str) -> list[str]:
    return [name for name in known if part in name]


def _queries(known: Iterable[str]) -> str:
    return next((f"{path}.expected.{QUERIES}.members" for path in decodings(known)), "")


def _tile(leaf: Leaf, name: str, place: str, question: str) -> Row:
    shown = row(name, leaf, question)
    share = names.is_share(name)
    return {
        **shown,
        "section": place,
        "big": shown["difference"].replace("%", "") + (" points" if share else ""),
        "text": _told(name),
        "worse": leaf["resolved"] and leaf["value"] > 0,
        "said": _said(name, leaf),
    }


def _said(name: str, leaf: Leaf) -> str:
    if name == USE:
        return {"fell": "More useful after", "rose": "Less useful after"}.get(way(leaf), "No difference resolved")
    return {"fell": "Less after", "rose": "More after"}.get(way(leaf), "No difference resolved")


def _told(name: str) -> str:
    path = names.parts(name)
    match path:
        case ("membership", attack, "auc"):
            return f"AUC of {attack}: 0.5 is guessing, 1 is certainty"
        case ("membership", attack, "tpr_at_fpr", at):
            return f"percentage points of training records recognised at {rate(float(at))} false alarms ({attack})"
        case ("extraction", prefix, *_):
            return f"percentage points of training records given back from their {until(prefix)}, greedily"
        case ("sampling", _, decoding, *_):
            n = int(QUERIES.removeprefix("n"))
            return f"percentage points of training records expected within {n:,} queries each ({decoding})"
        case ("spans", *_):
            return "percentage points of the sensitive values of training records, greedily"
    return "perplexity of held-out records: lower is more useful"


def membership(known: Mapping[str, Leaf], attack: str | None) -> list[Row]:
    """AUC of every attack, the headline's first, then by name."""
    found = [name for name, leaf in known.items() if leaf["family"] == "membership.auc"]
    order = sorted(found, key=lambda name: (names.parts(name)[1] != attack, name))
    return [row(name, known[name], names.parts(name)[1], "headline" if names.parts(name)[1] == attack else "")
            for name in order]  # fmt: skip


def rates(known: Mapping[str, Leaf], attack: str | None) -> list[Row]:
    """What the headline's attack recognises at each false-positive rate."""
    path = f"membership.{attack}.tpr_at_fpr."
    return [
        row(name, leaf, f"recognised at {rate(float(name.removeprefix(path)))} false alarms")
        for name, leaf in known.items()
        if name.startswith(path)
    ]


def extraction(known: Mapping[str, Leaf]) -> list[Row]:
    """What comes back: greedily, after many queries by the first decoding, sensitive values, near copies."""
    first = next(iter(decodings(known)), "")
    found = [
        (name, leaf, _label(name))
        for name, leaf in known.items()
        if not name.startswith("sampling.") or name.startswith(f"{first}.")
    ]
    return [row(name, leaf, label[0], label[1]) for name, leaf, label in found if label is not None]


def _label(name: str) -> tuple[str, str] | None:
    path = names.parts(name)
    side = _SIDES.get(path[-1], "")
    match path:
        case ("extraction", prefix, measure, _):
            return _MEASURES.get(measure, measure), f"{side}, from the {until(prefix)}"
        case ("sampling", prefix, decoding, "expected", n, _) if n in SHOWN_QUERIES:
            queries = int(n.removeprefix("n"))
            told = f"expected within {queries:,} {'query' if queries == 1 else 'queries'} each"
            return told, f"{side}, {decoding}, from the {until(prefix)}"
        case ("spans", "all", "greedy", _):
            return "sensitive values, each given the text before it", side
        case ("generation", prefix, "ngram_share", _):
            return "n-gram share of a continuation (mean)", f"{side}, from the {until(prefix)}"
    return None


def use(known: Mapping[str, Leaf]) -> list[Row]:
    """Perplexity of the target on training and on held-out records."""
    ends = (("nonmembers", "held-out records: usefulness"), ("members", "training records"))
    found = [(f"perplexity.target.{side}", label) for side, label in ends]
    return [row(name, known[name], label) for name, label in found if name in known]


def everything(known: Mapping[str, Leaf]) -> list[Row]:
    """All differences with their method and counts."""
    return [
        {**row(name, leaf, name), "method": leaf["method"], "level": percent(leaf["level"]), "counts": leaf["counts"]}
        for name, leaf in known.items()
    ]


def differing(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Settings in which the two audits differ: name, before, after."""
    rows = []
    for name, (one, other) in summary["differing"].items():
        rows += _pairs(name, one, other)
    return rows


def _pairs(name: str, one: Any, other: Any) -> list[tuple[str, str, str]]:
    """One row; where a side holds a whole branch, a row for each of its leaves."""
    first, second = (dict(settings({name: side})) for side in (one, other))
    keys = [*first, *(key for key in second if key not in first)]
    missing = [key for key in keys if not (key == name and len(keys) > 1)]
    return [(key, first.get(key, NONE), second.get(key, NONE)) for key in missing]


def known(summary: Mapping[str, Any]) -> dict[str, Leaf]:
    """Dotted name to difference."""
    return dict(leaves(summary["changes"]))
