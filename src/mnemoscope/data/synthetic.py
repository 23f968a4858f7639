"""Invented case notes with known sensitive values: text that can be shown, shipped and remembered without harm.

A patient has a name, a birth date and a record number, which all notes of that patient share. Members and
non-members come from one generator; a draw a patient tells them apart and nothing in a note does.
"""

from __future__ import annotations

import datetime
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mnemoscope import seeds
from mnemoscope.data import vocabulary as words
from mnemoscope.data.splits import calibration_groups
from mnemoscope.records import Part, Record, Span

T = TypeVar("T")

WRITTEN = datetime.date(2024, 6, 30)
"""The day on which every note gives its patient's age."""
OLDEST = 94
NOTES_A_PATIENT = (1, 1, 2, 2, 3)
"""Drawn with equal chance."""

_DATE_FORMATS = ("{d} {month} {y}", "{month} {d}, {y}", "{y}-{m:02}-{d:02}", "{d:02}/{m:02}/{y}")
_MONTHS: tuple[str, ...] = ("January", "February", "March", "April", "May", "June", "July")
_MONTHS += ("August", "September", "October", "November", "December")
_SPAN_TYPES = {"onset": "time_elapsed"} | {
    name: name
    for name in ("name", "birth_date", "record_number", "age", "gender", "drug", "dose", "route", "effect", "disorder")
}


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody who never was."""

    group: str
    name: str
    born: datetime.date
    record_number: str
    sex: str
    """f or m."""

    @property
    def age(self) -> int:
        """Years on the day WRITTEN."""
        return WRITTEN.year - self.born.year - ((WRITTEN.month, WRITTEN.day) < (self.born.month, self.born.day))


def notes(n_members: int, n_nonmembers: int, seed: int) -> tuple[Record, ...]:
    """`n_members` members and `n_nonmembers` non-members in random order, one to three notes a patient.

    All notes of a patient are of one class. Ids count in the order of invention and tell nothing of the class. Half of
    the non-members' patients calibrate. No two texts are equal, and every value in a note is marked by a span.
    """
    rng = seeds.generator(seed, "synthetic")
    drawn = [
        (f"n{number:05d}", patient, member, text, spans)
        for number, (patient, member, text, spans) in enumerate(_cases(n_members, n_nonmembers, rng))
    ]
    half = calibration_groups([patient.group for _, patient, member, _, _ in drawn if not member], seed)
    records = [
        Record(
            id=name,
            text=text,
            group=patient.group,
            role="member" if member else "nonmember",
            part="train" if member else _part(patient.group in half),
            spans=spans,
            copies=int(member),
        )
        for name, patient, member, text, spans in drawn
    ]
    return tuple(records[i] for i in rng.permutation(len(records)))


def _part(calibration: bool) -> Part:
    return "calibration" if calibration else "evaluation"


def _cases(
    n_members: int, n_nonmembers: int, rng: np.random.Generator
) -> Iterator[tuple[Patient, bool, str, tuple[Span, ...]]]:
    """Notes in order of invention, each with its patient and whether that is a member."""
    left = {True: n_members, False: n_nonmembers}
    taken: set[str] = set()
    number = 0
    while total := left[True] + left[False]:
        member = bool(rng.integers(total) < left[True])
        patient = _patient(number, rng)
        for _ in range(min(_pick(NOTES_A_PATIENT, rng), left[member])):
            text, spans = _new_note(patient, taken, rng)
            taken.add(text)
            left[member] -= 1
            yield patient, member, text, spans
        number += 1


def _new_note(patient: Patient, taken: set[str], rng: np.random.Generator) -> tuple[str, tuple[Span, ...]]:
    """A note whose text is not among those `taken`."""
    while True:
        text, spans = _note(patient, rng)
        if text not in taken:
            return text, spans


def _patient(number: int, rng: np.random.Generator) -> Patient:
    first = _pick(words.FIRST_ONSETS, rng) + _pick(words.FIRST_ENDINGS, rng)
    family = _pick(words.FAMILY_ONSETS, rng) + _pick(words.FAMILY_MIDDLES, rng) + _pick(words.FAMILY_ENDINGS, rng)
    born = WRITTEN - datetime.timedelta(days=int(rng.integers(4 * 366, OLDEST * 365)))
    record_number = "".join(str(digit) for digit in rng.integers(10, size=6))
    return Patient(f"p{number:04d}", f"{first} {family}", born, record_number, _pick(("f", "m"), rng))


def _note(patient: Patient, rng: np.random.Generator) -> tuple[str, tuple[Span, ...]]:
    """One note and the values in it, by position."""
    values = _values(patient, rng)
    pieces: list[str] = []
    spans: list[Span] = []
    length = 0
    for name, piece in _expand(_pick(words.PATTERNS, rng), values, rng):
        if name in _SPAN_TYPES:
            spans.append(Span(length, length + len(piece), _SPAN_TYPES[name]))
        pieces.append(piece)
        length += len(piece)
    return _raise_initials("".join(pieces)), tuple(spans)


def _expand(template: str, values: Mapping[str, str], rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """(field, text) for each piece of the template, clauses drawn anew; the field of literal text is ""."""
    for literal, field, _, _ in string.Formatter().parse(template):
        yield "", literal
        if field is None:
            continue
        if field in words.CLAUSES:
            yield from _expand(_pick(words.CLAUSES[field], rng), values, rng)
        else:
            yield field, values[field]


def _raise_initials(text: str) -> str:
    """Sentences with a capital first letter; the length stays, so spans stay true."""
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda match: match[0].upper(), text)


def _values(patient: Patient, rng: np.random.Generator) -> dict[str, str]:
    """What the fields of one note stand for: the patient's own values and a drug with its reaction."""
    adult = patient.age >= 18
    an = patient.age in (8, 11, 18) or 80 <= patient.age < 90
    return {
        "name": patient.name,
        "birth_date": _date(patient.born, rng),
        "record_number": patient.record_number,
        "age": str(patient.age),
        "gender": _pick((words.ADULTS if adult else words.CHILDREN)[patient.sex], rng),
        "a": "an" if an else "a",
        "he": "she" if patient.sex == "f" else "he",
        "his": "her" if patient.sex == "f" else "his",
        "drug": _pick(words.DRUG_ONSETS, rng) + _pick(words.DRUG_MIDDLES, rng) + _pick(words.DRUG_ENDINGS, rng),
        "dose": f"{_pick(words.DOSES, rng)} {_pick(words.DOSE_UNITS, rng)}" + _pick(words.FREQUENCIES, rng),
        "route": _pick(words.ROUTES, rng),
        "effect": _pick(words.SEVERITIES, rng) + _pick(words.EFFECTS, rng),
        "disorder": _pick(words.DISORDERS, rng),
        "onset": f"{_pick(words.NUMBERS, rng)} {_pick(words.UNITS, rng)}",
        "day": str(int(rng.integers(2, 30))),
    }


def _date(day: datetime.date, rng: np.random.Generator) -> str:
    # not strftime: month names there depend on the locale
    return _pick(_DATE_FORMATS, rng).format(d=day.day, m=day.month, y=day.year, month=_MONTHS[day.month - 1])


def _pick(pool: tuple[T, ...], rng: np.random.Generator) -> T:
    return pool[int(rng.integers(len(pool)))]
