"""Rows of the tables of attacks: by AUC, at a threshold, and for whole groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mnemoscope.reporting import names, rivals
from mnemoscope.reporting.tables import Row, shown
from mnemoscope.reporting.wording import NONE, bare_p, rate, significant

GROUP = "group"
"""The key of an attack's estimates for whole documents or persons."""

AUCS = {"auc_delong_clustered": "clustered DeLong", "auc_delong": "DeLong", "auc_hanley_mcneil": "Hanley-McNeil"}
INDEPENDENT = ("auc_delong", "auc_hanley_mcneil")
"""Intervals that take records as independent, and are too narrow where they come in groups."""

CUTS = {"balanced_accuracy": "Balanced accuracy", "posterior": "Posterior of an accused record"}


def attacks(summary: Mapping[str, Any]) -> list[Row]:
    """One row an attack, highest AUC first: AUC, rates, difference to the baseline and its corrected p-value."""
    tree, compared = summary["membership"], summary.get("comparison", {})
    return [
        {
            "attack": name,
            "cells": [
                shown("auc", tree[name].get("auc")),
                *_rated(tree[name], "tpr_at_fpr", asked(tree, "tpr_at_fpr")),
            ],
            "difference": shown("comparison.auc", compared.get(name, {}).get("auc")),
            **chance(rivals.corrected(compared.get(name, {}))),
        }
        for name in names.ranked(tree)
    ]


def groups(summary: Mapping[str, Any]) -> list[Row]:
    """The same for whole documents or persons, without the difference; attacks that have no such estimate are out."""
    whole = {name: one[GROUP] for name, one in summary["membership"].items() if one.get(GROUP)}
    rates = asked(whole, "tpr_at_fpr")
    return [
        {"attack": name, "cells": [shown("auc", whole[name].get("auc")), *_rated(whole[name], "tpr_at_fpr", rates)]}
        for name in names.ranked(whole)
    ]


def intervals(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The AUC's other intervals: heads, and one row an attack. Without any, no rows."""
    tree = summary["membership"]
    kinds = [kind for kind in AUCS if any(kind in one for one in tree.values())]
    rows = [
        {"attack": name, "cells": [shown("auc", tree[name].get(kind)) for kind in kinds]} for name in names.ranked(tree)
    ]
    heads = [{"text": AUCS[kind], "note": "ignores groups" if kind in INDEPENDENT else ""} for kind in kinds]
    return _table(heads, rows)


def thresholds(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an attacker reaches at one threshold: heads, and one row an attack. Without any such estimate, no rows."""
    tree = summary["membership"]
    given, moved = asked(tree, "tpr_given_threshold"), asked(tree, "transfer")
    cuts = [cut for cut in CUTS if any(cut in one for one in tree.values())]
    rows = [
        {
            "attack": name,
            "cells": [
                *_rated(tree[name], "tpr_given_threshold", given),
                *_rated(tree[name], "transfer", moved),
                *(shown(cut, tree[name].get(cut)) for cut in cuts),
            ],
        }
        for name in names.ranked(tree)
    ]
    heads = [
        *({"text": f"Recognised at {rate(float(key))}", "note": "given the threshold"} for key in given),
        *({"text": f"Threshold set elsewhere for {rate(float(key))}", "note": ""} for key in moved),
        *({"text": CUTS[cut], "note": ""} for cut in cuts),
    ]
    return _table(heads, rows)


def areas(summary: Mapping[str, Any]) -> list[Row]:
    """Attack, level, AUC and interval of every attack that has them, highest first: what a figure needs."""
    tree = summary["membership"]
    return [
        {"attack": name, "level": level, "auc": leaf["value"], "low": leaf["low"], "high": leaf["high"]}
        for name in names.ranked(tree)
        for level, node in (("records", tree[name]), ("documents or persons", tree[name].get(GROUP, {})))
        if (leaf := node.get("auc")) is not None and None not in (leaf["value"], leaf["low"], leaf["high"])
    ]


def asked(tree: Mapping[str, Any], statistic: str) -> list[str]:
    """The false-positive rates that any attack has, largest first."""
    found = {key for attack in tree.values() for key in attack.get(statistic, {})}
    return sorted(found, key=float, reverse=True)


def rates(keys: Iterable[str]) -> list[str]:
    """False-positive rates for a table head."""
    return [rate(float(key)) for key in keys]


def chance(leaf: Mapping[str, Any] | None) -> Row:
    """A corrected p-value as a cell, and whether it may be told as a finding."""
    if leaf is None or leaf.get("p_adjusted") is None:
        return {"p": NONE, "resolved": False}
    p = leaf["p_adjusted"]
    return {"p": bare_p(p), "resolved": significant(p, leaf["level"])}


def reasons(rows: Iterable[Row]) -> list[str]:
    """Why cells of these rows are open, each reason once."""
    cells = (cell for row in rows for cell in [*row["cells"], *([row["difference"]] if "difference" in row else [])])
    return list(dict.fromkeys(cell["note"] for cell in cells if cell["note"]))


def _rated(attack: Mapping[str, Any], statistic: str, keys: Iterable[str]) -> list[Row]:
    return [shown(statistic, attack.get(statistic, {}).get(key)) for key in keys]


def _table(heads: list[Row], rows: list[Row]) -> Row:
    return {"heads": heads, "rows": rows if heads else [], "reasons": reasons(rows)}
