"""How the other attacks stand to the one that was fixed beforehand, which the family `comparison` subtracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.records import Estimate
from mnemoscope.reporting import names
from mnemoscope.reporting.leaves import leaf
from mnemoscope.reporting.wording import estimate, p_value, significant

TESTED = ("auc_delong_clustered", "auc")
"""Estimates of a comparison that may carry a corrected p-value, the first that does counts."""


def corrected(comparison: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The estimate of one attack's comparison, as in summary.json, that has a Holm-corrected p-value."""
    found = (comparison[name] for name in TESTED if "p_adjusted" in comparison.get(name, {}))
    return next(found, None)


def resolved(comparison: Mapping[str, Any]) -> bool:
    """Whether the difference to the baseline may be told as one."""
    tested = corrected(comparison)
    return tested is not None and significant(tested["p_adjusted"], tested["level"])


def strongest(known: Mapping[str, Estimate]) -> str:
    """One sentence on the attack of the highest AUC; empty where the attacks were not compared.

    It says by which rule the attack was picked: the best of many is flattered by the picking.
    """
    tree = names.nested((name, leaf(e)) for name, e in known.items())
    scored = [a for a in names.ranked(tree.get("membership", {})) if _auc(tree["membership"][a]) is not None]
    compared, baseline = tree.get("comparison", {}), names.main_attack(tree.get("membership", {}))
    if not compared or baseline not in scored or len(scored) < 2:
        return ""
    first = scored[0]
    if _auc(tree["membership"][first]) == _auc(tree["membership"][baseline]):
        return f"None of the {len(scored) - 1} other attacks has a higher AUC than {baseline}."
    if first not in compared or compared[first].get("auc", {}).get("value") is None:
        return ""
    return (
        f"The strongest of {len(scored)} attacks by point estimate, {first}, {_difference(first, baseline, compared)}"
    )


def _auc(attack: Mapping[str, Any]) -> float | None:
    value: float | None = attack.get("auc", {}).get("value")
    return value


def _difference(first: str, baseline: str, compared: Mapping[str, Any]) -> str:
    tested = corrected(compared[first])
    by = estimate("auc", compared[first]["auc"])  # the verb says the sign
    p = "not tested" if tested is None else f"Holm-corrected {p_value(tested['p_adjusted'])}"
    flattered = "picking the best of several flatters it"
    if resolved(compared[first]):
        return f"orders the records better than {baseline} by {by} in AUC ({p}); {flattered}."
    others = _above(compared, first)
    return f"lies {by} above {baseline} in AUC, which is not resolved ({p}){others}; {flattered} all the same."


def _above(compared: Mapping[str, Any], first: str) -> str:
    """Which other attacks are resolved to lie above the baseline."""
    better = [
        name
        for name, one in sorted(compared.items())
        if name != first and resolved(one) and (one.get("auc", {}).get("value") or 0.0) > 0
    ]
    if better:
        return f", while {', '.join(better)} {'is' if len(better) == 1 else 'are'} resolved to lie above it"
    return ", and no other attack is resolved to lie above it"
