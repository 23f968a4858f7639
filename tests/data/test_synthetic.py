"""Laws of the synthetic notes."""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.data import synthetic, vocabulary
from mnemoscope.records import Record

IDENTITY = {"name", "record_number"}


@pytest.fixture(scope="module")
def many() -> tuple[Record, ...]:
    return data.notes(1000, 1000, 7)


def values(record: Record) -> dict[str, str]:
    return {span.type: record.text[span.start : span.end] for span in record.spans}


@settings(max_examples=30, deadline=None)
@given(n_members=st.integers(0, 25), n_nonmembers=st.integers(0, 25), seed=st.integers(0, 2**31 - 1))
def test_laws(n_members: int, n_nonmembers: int, seed: int) -> None:
    """The counts are exact, ids and texts unique, patients of one class and one part, and spans inside the text."""
    records = data.notes(n_members, n_nonmembers, seed)
    assert Counter(r.role for r in records) == +Counter(member=n_members, nonmember=n_nonmembers)
    assert len({r.id for r in records}) == len({r.text for r in records}) == len(records)
    kinds = defaultdict(set)
    for r in records:
        kinds[r.group].add((r.role, r.part, r.copies))
        ends = [0, *(place for span in r.spans for place in (span.start, span.end)), len(r.text)]
        assert ends == sorted(ends)
        assert len({span.type for span in r.spans}) == len(r.spans)
    assert all(len(kind) == 1 for kind in kinds.values())
    assert max(Counter(r.group for r in records).values(), default=1) <= 3


def test_seeds() -> None:
    """Equal seeds give equal records, and other seeds share no text."""
    assert data.notes(50, 50, 1) == data.notes(50, 50, 1)
    assert not {r.text for r in data.notes(50, 50, 1)} & {r.text for r in data.notes(50, 50, 2)}


def test_shape(many: tuple[Record, ...]) -> None:
    """Notes are one to three short sentences of clean text."""
    lengths = sorted(len(r.text) for r in many)
    words = sorted(len(r.text.split()) for r in many)
    assert lengths[0] >= 70
    assert lengths[-1] <= 230
    assert words[0] >= 11
    assert words[-1] <= 40
    for r in many:
        assert re.fullmatch(r"[A-Z0-9][A-Za-z0-9 .,;:()/\-]+\.", r.text)
        assert not re.search(r"  |[,;.] ?[,;.]|\( | \)| [,;.)]", r.text)
        assert not re.search(r"(?i)\ba ([aeio]|8\b|11\b|18\b|8\d\b)|\ban (?!8\b|11\b|18\b|8\d\b)", r.text)


def test_sensitive_values_come_late(many: tuple[Record, ...]) -> None:
    """Most notes have a name or a record number in their second half, and none has only harmless values there."""
    late = [{span.type for span in r.spans if span.start >= len(r.text) / 2} for r in many]
    assert sum(bool(types & IDENTITY) for types in late) > 0.75 * len(many)
    assert all(types & (IDENTITY | {"birth_date", "dose"}) for types in late)


def test_variety(many: tuple[Record, ...]) -> None:
    """There are more than forty patterns, and no two words open more than one note in twenty."""
    assert len(set(vocabulary.PATTERNS)) >= 40
    openings = Counter(" ".join(r.text.split()[:2]) for r in many)
    assert max(openings.values()) < len(many) / 20
    assert len({r.text[:20] for r in many}) > 0.7 * len(many)


def test_one_patient_one_identity(many: tuple[Record, ...]) -> None:
    """All notes of a patient agree on name, record number and age."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for r in many:
        for kind in ("name", "record_number", "age"):
            if kind in values(r):
                seen[r.group, kind].add(values(r)[kind])
    assert all(len(found) == 1 for found in seen.values())


def test_age_fits_birth_date(many: tuple[Record, ...]) -> None:
    """Where a note gives both in ISO form, the age is what the birth date says."""
    checked = 0
    for r in many:
        found = values(r)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", found.get("birth_date", "")) and "age" in found:
            born = datetime.date.fromisoformat(found["birth_date"])
            years = (synthetic.WRITTEN - born).days / 365.25
            assert abs(years - int(found["age"]) - 0.5) < 0.51
            checked += 1
    assert checked > 20


def test_ids_tell_nothing(many: tuple[Record, ...]) -> None:
    """Members and non-members are spread alike over the ids and over the order of the records."""
    for order in (many, sorted(many, key=lambda r: r.id)):
        members = sum(r.role == "member" for r in order[: len(order) // 2])
        assert 430 < members < 570
    assert [r.id for r in many] != sorted(r.id for r in many)


def test_classes_look_alike(many: tuple[Record, ...]) -> None:
    """Mean lengths of the classes differ by less than four standard errors."""
    lengths = {role: [len(r.text) for r in many if r.role == role] for role in ("member", "nonmember")}
    means = {role: sum(found) / len(found) for role, found in lengths.items()}
    deviation = (sum((n - means["member"]) ** 2 for n in lengths["member"]) / 1000) ** 0.5
    assert abs(means["member"] - means["nonmember"]) < 4 * deviation * (2 / 1000) ** 0.5
