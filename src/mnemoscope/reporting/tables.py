"""Rows of the page's tables: numbers already in words, so that the templates only place them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.wording import NONE, estimate, interval, number, p_value, percent, until, value

Row = dict[str, Any]


def shown(name: str, leaf: Mapping[str, Any] | None) -> Row:
    """Value, interval, the rate that was reached and, where a number is missing, the reason."""
    if leaf is None:
        return {"value": NONE, "interval": "", "note": "", "achieved": "", "threshold": ""}
    missing = leaf["value"] is None
    reached, limit = leaf.get("achieved_fpr"), leaf.get("threshold")
    return {
        "value": "not resolved" if missing else value(name, leaf),
        "interval": interval(name, leaf),
        "note": leaf.get("reason", "").removeprefix("not resolved: "),
        "achieved": "" if reached is None else percent(reached),
        "threshold": "" if limit is None else number(limit),
    }


def extraction(summary: Mapping[str, Any]) -> list[Row]:
    """One row a prefix and measure: members, held-out, and both for the base model."""
    return [
        {
            "prefix": until(prefix),
            "measure": _MEASURES.get(measure, measure.replace("_", " ")),
            "cells": [shown(measure, whose.get(who)) for who in _WHO],
        }
        for prefix, measures in summary["extraction"].items()
        for measure, node in measures.items()
        for whose in [{"members": node} if "value" in node else node]
    ]


_WHO = ("members", "nonmembers", "reference_members", "reference_nonmembers")
_GAINS = {
    "accuracy": "tokens that greedy decoding would emit (percentage points)",
    "logprob": "log-probability (nats a token)",
}
_MEASURES = {
    "verbatim": "whole rest comes back word for word (share of records)",
    "spans": "sensitive values given back (share of values)",
    "matched_tokens": "tokens given back before the first miss (mean)",
    "planted": "planted records given back (share)",
}


def levels(summary: Mapping[str, Any], *families: str) -> str:
    """Confidence levels of these families' estimates, in words."""
    found = sorted({percent(leaf["level"]) for name in families for _, leaf in leaves(summary.get(name, {}))})
    return " or ".join(found) or "95%"


def counterfactual(summary: Mapping[str, Any]) -> list[Row]:
    """How much better models predict records that they were trained on: a row a measure, members and non-members."""
    return [
        {
            "name": _GAINS.get(measure, measure),
            "cells": [shown(f"counterfactual.{measure}", node.get(who)) for who in _WHO[:2]],
        }
        for measure, node in summary.get("counterfactual", {}).items()
    ]


def pairs(tree: Mapping[str, Any], measure: str = "") -> list[Row]:
    """Two roles side by side: rows of a node whose leaves are members and nonmembers."""
    rows = []
    for name, node in tree.items():
        if isinstance(node, Mapping) and "members" in node:
            cells = [shown(measure or name, node.get(who)) for who in ("members", "nonmembers")]
            rows.append({"name": name.replace("_", " "), "cells": cells})
    return rows


def singles(tree: Mapping[str, Any], path: str = "") -> list[Row]:
    """Every estimate below a node, by dotted name."""
    return [
        {
            "name": name,
            "text": estimate(name, leaf) if leaf["value"] is not None else "not resolved",
            "level": percent(leaf["level"]),
            "method": leaf["method"],
            "note": leaf.get("reason", ""),
            "p": "" if leaf.get("p_value") is None else p_value(leaf["p_value"]),
            "p_adjusted": "" if leaf.get("p_adjusted") is None else p_value(leaf["p_adjusted"]),
            "counts": leaf["counts"],
        }
        for name, leaf in leaves(tree, path)
    ]


def everything(summary: Mapping[str, Any]) -> list[Row]:
    """All estimates of the summary."""
    skipped = ("verdict", "counts", "data", "settings")
    return singles({key: node for key, node in summary.items() if key not in skipped})


def made(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What repeats this audit: seed, commit, versions, device and the hashes of model and data, as far as known."""
    known = dict(settings(summary["settings"]))
    wanted = {name: known.get(path) for name, path in _MADE.items()} | {"Data, SHA-256": summary["data"]["sha256"]}
    return [(name, text) for name, text in wanted.items() if text]


_MADE = {
    "Seed": "seed",
    "mnemoscope": "versions.mnemoscope",
    "Commit": "commit",
    "Device": "device",
    "Number format": "model.dtype",
    "Weights loaded in": "model.load_in",
    "Model weights, SHA-256": "model.weights_sha256",
}


def settings(tree: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names and texts, by name; what is not set in one of several blocks is left out."""
    rows: list[tuple[str, str]] = []
    for key, node in sorted(tree.items()):  # the manifest is sorted once it was read from its file
        name = f"{path}.{key}" if path else key
        if isinstance(node, Mapping):
            rows += settings(node, name)
        elif isinstance(node, list) and node and all(isinstance(item, Mapping) for item in node):
            for i, item in enumerate(node, 1):
                rows += settings({one: text for one, text in item.items() if text is not None}, f"{name}.{i}")
        else:
            rows.append((name, _text(node)))
    return rows


def _text(node: Any) -> str:
    if node is None:
        return NONE
    if isinstance(node, bool):
        return "yes" if node else "no"
    if isinstance(node, list):
        return ", ".join(_text(item) for item in node) or NONE
    return f"{node:g}" if isinstance(node, float) else str(node)
