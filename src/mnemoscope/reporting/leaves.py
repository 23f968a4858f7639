"""The leaves of summary.json: an estimate as a mapping, and all of them below a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.records import Estimate
from mnemoscope.reporting.plain import plain


def leaf(estimate: Estimate) -> dict[str, Any]:
    """One estimate; what is asked of some statistics only is left out where it is None."""
    content: dict[str, Any] = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "method": estimate.method,
        "counts": {
            "members": estimate.n_members,
            "nonmembers": estimate.n_nonmembers,
            "member_groups": estimate.n_member_groups,
            "nonmember_groups": estimate.n_nonmember_groups,
            "unscored": estimate.n_unscored,
        },
    }
    extra = {
        "fpr": estimate.fpr,
        "achieved_fpr": estimate.achieved_fpr,
        "threshold": estimate.threshold,
        "reason": estimate.reason,
        "p_value": estimate.p_value,
        "p_adjusted": estimate.p_adjusted,
    }
    clean: dict[str, Any] = plain(content)
    # made plain first, so that a number that is not finite is left out like one that was not asked for
    return clean | {key: value for key, value in plain(extra).items() if value is not None}


def leaves(tree: Mapping[str, Any], path: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    """Dotted names and estimates of a nested tree, depth first."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for key, node in tree.items():
        name = f"{path}.{key}" if path else key
        if not isinstance(node, Mapping):
            continue
        if {"value", "low", "high", "method"} <= node.keys():
            found.append((name, node))
        else:
            found += leaves(node, name)
    return found
