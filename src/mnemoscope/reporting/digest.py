"""Evidence -> summary.json: every number of the report, no text, no record ids, no places on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mnemoscope.records import DataReport, Evidence
from mnemoscope.reporting.leaves import leaf
from mnemoscope.reporting.names import nested
from mnemoscope.reporting.plain import plain
from mnemoscope.reporting.sentences import headline, not_tested, verdict

FAMILIES = (
    "controls", "validity", "membership", "comparison", "extraction", "prefix_length", "sampling", "generation",
    "discriminators", "spans", "unprompted", "canaries", "one_run", "perplexity", "counterfactual",
)  # fmt: skip
_SETTINGS = ("config", "model", "reference", "adapter", "seed", "versions", "commit", "device", "threads")


def summary(evidence: Evidence) -> dict[str, Any]:
    """Everything that a reader or a program needs, ready for `json.dumps(..., allow_nan=False)`.

    Timings are left out, so that equal runs give equal files.
    """
    families: dict[str, Any] = {name: {} for name in FAMILIES}
    families |= nested((estimate.name, leaf(estimate)) for estimate in evidence.estimates)
    content = {
        "schema_version": "1",
        "verdict": verdict(evidence),
        "headline": headline(evidence),
        "not_tested": not_tested(evidence),
        "counts": counts(evidence),
        "data": data(evidence.data),
        "findings": list(evidence.manifest.get("findings") or ()),
        **families,
        "settings": {key: evidence.manifest[key] for key in _SETTINGS if key in evidence.manifest},
    }
    clean: dict[str, Any] = plain(content)
    return clean


def counts(evidence: Evidence) -> dict[str, Any]:
    """Records and groups of the audit by role, and how many records were planted."""
    records = Counter(record.role for record in evidence.records)
    groups = Counter(role for role, _ in {(record.role, record.group) for record in evidence.records})
    return {
        "records": dict(sorted(records.items())),
        "groups": dict(sorted(groups.items())),
        "planted": sum(record.copies > 1 for record in evidence.records),
    }


def data(report: DataReport) -> Mapping[str, Any]:
    """The data report as it is written."""
    return {
        "source": report.source,
        "sha256": report.sha256,
        "n_records": report.n_records,
        "n_groups": report.n_groups,
        "length_quantiles": report.length_quantiles,
        "duplicates_within": report.duplicates_within,
        "duplicates_across": report.duplicates_across,
        "groups_across": report.groups_across,
        "findings": report.findings,
    }
