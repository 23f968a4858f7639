"""Counts and findings on hand-made records."""

from __future__ import annotations

import hashlib

from mnemoscope import data
from mnemoscope.records import Part, Record, Role


def record(name: str, text: str, role: Role = "member", group: str = "", part: Part | None = None) -> Record:
    default: Part = "train" if role != "nonmember" else "evaluation"
    return Record(name, text, group or name, role, part or default, copies=int(role == "member"))


RECORDS = (
    record("a", "same"),
    record("b", "same"),
    record("c", "other text", group="g"),
    record("d", "same", "nonmember"),
    record("e", "long enough text", "nonmember", group="g"),
    record("f", "a much longer text", "nonmember", group="h", part="calibration"),
    record("g", "a much longer text", "nonmember", group="h"),
    record("x", "same", "excluded"),
)


def test_counts() -> None:
    """Every count can be checked by eye."""
    report = data.describe(RECORDS, "/home/somebody/private/notes.jsonl")
    assert report.source == "notes.jsonl"
    assert report.n_records == {"member": 3, "nonmember": 4, "excluded": 1}
    assert report.n_groups == {"member": 3, "nonmember": 3, "excluded": 1}
    assert report.duplicates_within == {"member": 2, "nonmember": 2, "excluded": 0}
    assert report.duplicates_across == 1
    assert report.groups_across == 1
    # lengths 4, 4, 10: the quartile is halfway between the last two
    assert report.length_quantiles["member"] == {"min": 4, "q25": 4, "median": 4, "q75": 7, "max": 10}


def test_findings() -> None:
    """Each finding is a sentence with its count, and none holds a text."""
    findings = data.describe(RECORDS, "notes").findings
    expected = [
        "2 of 3 members share",
        "2 of 4 non-members share",
        "1 non-members have exactly",
        "1 groups have members and non-members",
        "only 3 members",
        "only 4 non-members",
        "from only 3 groups",
        "4 characters for members and 17 for non-members",
        "1 groups have calibration and evaluation",
    ]
    assert [part in line for part, line in zip(expected, findings, strict=True)] == [True] * len(expected)
    assert all(line.endswith(".") and "same" not in line and "longer text" not in line for line in findings)


def test_nothing_to_find() -> None:
    """Synthetic notes have no findings."""
    assert data.describe(data.notes(150, 150, 0), "synthetic:150").findings == ()


def test_source() -> None:
    """The source is the last part of what was typed."""
    sources = {"phee": "phee", "owner/set": "set", "synthetic:50": "synthetic:50", "a/b/": "b"}
    assert {typed: data.describe(RECORDS, typed).source for typed in sources} == sources


def test_no_records() -> None:
    """No records give a report, too."""
    report = data.describe((), "nothing")
    assert report.n_records == {}
    assert report.sha256 == hashlib.sha256().hexdigest()


def test_hash() -> None:
    """The hash tells apart every field it names, and the order."""
    base = record("a", "bc", group="d")
    others = [
        record("ab", "c", group="d"),
        record("a", "b", group="cd"),
        record("a", "bc", "nonmember", "d"),
        record("a", "bc", "nonmember", "d", "calibration"),
    ]
    hashes = {data.describe((item,), "x").sha256 for item in (base, *others)}
    assert len(hashes) == 5
    assert data.describe((base, others[0]), "x").sha256 != data.describe((others[0], base), "x").sha256
