"""A comparison -> its summary.json: every number of its page, no text, no record ids, no places on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mnemoscope.changes import Audited, Change, Comparison
from mnemoscope.reporting.compare_findings import findings
from mnemoscope.reporting.compare_sentences import headline, verdict
from mnemoscope.reporting.names import nested
from mnemoscope.reporting.plain import plain
from mnemoscope.reporting.wording import significant

SETTINGS = ("config", "model", "reference", "adapter", "seed", "versions", "commit", "device", "threads")


def compare_summary(found: Comparison) -> dict[str, Any]:
    """Everything that a reader or a program needs, ready for `json.dumps(..., allow_nan=False)`.

    A difference is always after minus before. `resolved` says whether it may be told as one: its Holm-corrected p-value
    is below 1 - level, and its interval, which may come from another method, does not hold 0.
    """
    tree = nested((one.name, _leaf(one)) for one in found.changes)
    clean: dict[str, Any] = plain(
        {
            "schema_version": "1",
            "verdict": verdict(found.before, found.after),
            "before": _side(found.before),
            "after": _side(found.after),
            "shared": {key: value for key, value in asdict(found.shared).items() if key != "ids"},
            "findings": findings(found),
            "attack": found.attack,
            "changes": tree,
            "settings": dict(found.manifest),
            "differing": _differing(_kept(found.before), _kept(found.after)),
        }
    )
    # from the cleaned numbers, so that a sentence can say nothing else than the file
    clean["headline"] = headline(clean)
    return clean


def _off_zero(one: Change) -> bool:
    return one.low is None or one.high is None or one.low > 0 or one.high < 0


def _leaf(one: Change) -> dict[str, Any]:
    return {
        "before": {"value": one.before, "interval": [one.before_low, one.before_high]},
        "after": {"value": one.after, "interval": [one.after_low, one.after_high]},
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "level": one.level,
        "method": one.method,
        "paired": one.paired,
        "p_value": one.p_value,
        "p_adjusted": one.p_adjusted,
        "family": one.family,
        "resolved": significant(one.p_adjusted, one.level) and _off_zero(one),
        "reason": one.reason,
        "counts": {
            "members": one.n_members,
            "nonmembers": one.n_nonmembers,
            "member_groups": one.n_member_groups,
            "nonmember_groups": one.n_nonmember_groups,
            "unscored": one.n_unscored,
        },
    }


def _side(side: Audited) -> dict[str, Any]:
    records = Counter(record.role for record in side.records)
    groups = Counter(role for role, _ in {(record.role, record.group) for record in side.records})
    return {
        "name": side.name,
        "verdict": dict(side.manifest.get("verdict") or {}),
        "findings": list(side.manifest.get("findings") or ()),
        "records": dict(sorted(records.items())),
        "groups": dict(sorted(groups.items())),
        "settings": _kept(side),
    }


def _kept(side: Audited) -> dict[str, Any]:
    return {key: side.manifest[key] for key in SETTINGS if key in side.manifest}


def _differing(one: Any, other: Any, path: str = "") -> dict[str, list[Any]]:
    """Settings in which the two differ: dotted name to [before, after]."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found: dict[str, list[Any]] = {}
        for key in sorted({*one, *other}):
            found |= _differing(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
        return found
    return {} if one == other else {path: [one, other]}
