"""What was read, in counts: what a reader should check before believing an audit of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np

from mnemoscope.records import DataReport, Record

FEW_RECORDS = 100
"""A class with fewer records gives wide intervals."""
FEW_GROUPS = 30
"""Intervals resample groups; with fewer of them they are rough."""
LENGTH_RATIO = 1.25
"""Medians of length further apart than this tell the classes apart without any model."""

_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
_NAMES = {"member": "members", "nonmember": "non-members", "excluded": "excluded records"}


def describe(records: Sequence[Record], source: str) -> DataReport:
    """Counts, lengths and findings of `records`; of `source`, what the user typed, only the last part is kept."""
    roles = {role: [record for record in records if record.role == role] for role in _NAMES}
    roles = {role: found for role, found in roles.items() if found}
    members, nonmembers = roles.get("member", []), roles.get("nonmember", [])
    report = DataReport(
        source=PurePath(source).name or source,
        sha256=_hash(records),
        n_records={role: len(found) for role, found in roles.items()},
        n_groups={role: len(_groups(found)) for role, found in roles.items()},
        length_quantiles={role: _lengths(found) for role, found in roles.items()},
        duplicates_within={role: _shared_texts(found) for role, found in roles.items()},
        duplicates_across=_also_in(nonmembers, members),
        groups_across=len(_groups(members) & _groups(nonmembers)),
    )
    return dataclasses.replace(report, findings=(*_findings(report), *_part_findings(nonmembers)))


def _hash(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for record in records:  # as JSON, so that no two different rows read the same
        row = [record.id, record.text, record.group, record.role, record.part]
        digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _lengths(records: Sequence[Record]) -> dict[str, float]:
    values = np.quantile([len(record.text) for record in records], list(_QUANTILES.values()))
    return dict(zip(_QUANTILES, values.tolist(), strict=True))


def _shared_texts(records: Sequence[Record]) -> int:
    return sum(n for n in Counter(record.text for record in records).values() if n > 1)


def _also_in(records: Sequence[Record], others: Sequence[Record]) -> int:
    texts = {record.text for record in others}
    return sum(record.text in texts for record in records)


def _groups(records: Sequence[Record]) -> set[str]:
    return {record.group for record in records}


def _findings(report: DataReport) -> Iterator[str]:
    for role, n in report.n_records.items():
        shared = report.duplicates_within[role]
        if shared:
            yield f"{shared} of {n} {_NAMES[role]} share their exact text with another of them."
    if report.duplicates_across:
        yield f"{report.duplicates_across} non-members have exactly the text of a member, so the model did see them."
    if report.groups_across:
        yield f"{report.groups_across} groups have members and non-members, so the classes are not independent."
    for role in ("member", "nonmember"):
        yield from _size_findings(_NAMES[role], report.n_records.get(role, 0), report.n_groups.get(role, 0))
    yield from _length_findings(report)


def _size_findings(name: str, n: int, groups: int) -> Iterator[str]:
    if n < FEW_RECORDS:
        yield f"There are only {n} {name}; with fewer than {FEW_RECORDS} the intervals are wide."
    if groups < FEW_GROUPS and groups < n:
        yield f"The {n} {name} come from only {groups} groups; with fewer than {FEW_GROUPS} the intervals are rough."


def _length_findings(report: DataReport) -> Iterator[str]:
    medians = [report.length_quantiles[role]["median"] for role in ("member", "nonmember") if role in report.n_records]
    if len(medians) == 2 and max(medians) > LENGTH_RATIO * min(medians):
        yield (
            f"Median lengths are {medians[0]:g} characters for members and {medians[1]:g} for non-members, "
            "so length alone tells them apart."
        )


def _part_findings(nonmembers: Sequence[Record]) -> Iterator[str]:
    calibration = [record for record in nonmembers if record.part == "calibration"]
    evaluation = [record for record in nonmembers if record.part == "evaluation"]
    shared = len(_groups(calibration) & _groups(evaluation))
    if shared:
        yield f"{shared} groups have calibration and evaluation non-members, so thresholds meet groups they saw."
    if nonmembers and not (calibration and evaluation):
        yield f"All {len(nonmembers)} non-members are in one part, so no threshold can be chosen apart from its test."
