"""StudyEvidence -> study.json: every number of a study's page, no text of a record, no places on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from mnemoscope.answers import Answer, Canaried, Point, StudyEvidence
from mnemoscope.reporting.paper import FINDINGS
from mnemoscope.reporting.plain import plain
from mnemoscope.reporting.study_means import Row, means, point_row, setting_row
from mnemoscope.reporting.study_relation import relation

QUESTIONS = {
    "matrices": "Which matrices memorize most?",
    "perplexity": "Does perplexity tell which records come back?",
    "rank": "How does memorization depend on the rank?",
    "copies": "How does it depend on the copies of a record?",
    "epochs": "Does it go on growing once training no longer helps?",
}
"""The paper's three questions first."""
DECISIONS = ("replicates", "does not replicate", "not resolved")
STATES = ("done", "failed", "waiting")
_SETTINGS = ("study", "data", "fixed", "dtype", "versions", "commit", "device", "threads")


def study_summary(evidence: StudyEvidence) -> dict[str, Any]:
    """Everything that a reader or a program needs of a study, ready for `json.dumps(..., allow_nan=False)`.

    Keys: name, cells (counts by state, and each with its state), answers (question to title, sentence, what the paper
    finds, and claims), means (over seeds), relation (R² as the paper draws it), canaries (without text), points
    (by cell), settings. Timings and the errors of failed cells are left out: the first differ between equal runs,
    the second may hold what a user wrote.
    """
    content = {
        "schema_version": "1",
        "name": evidence.name,
        "cells": _cells(evidence),
        "answers": {question: _question(question, evidence.answers) for question in _asked(evidence.answers)},
        "means": means(evidence.points),
        "relation": relation(evidence),
        "canaries": [_canary(row) for row in evidence.texts],
        "points": _points(evidence.points),
        "settings": {key: evidence.manifest[key] for key in _SETTINGS if key in evidence.manifest},
    }
    clean: dict[str, Any] = plain(content)
    return clean


def _cells(evidence: StudyEvidence) -> dict[str, Any]:
    settings = {point.cell: setting_row(point) for point in evidence.points}
    number = Counter(evidence.cells.values())
    states = [{"cell": cell, "state": state, **settings.get(cell, {})} for cell, state in evidence.cells.items()]
    return {**{state: number[state] for state in STATES}, "total": len(states), "states": states}


def _asked(answers: Iterable[Answer]) -> list[str]:
    """The known questions in their order, then any other that has answers."""
    return list(dict.fromkeys([*QUESTIONS, *(answer.question for answer in answers)]))


def _question(question: str, answers: Iterable[Answer]) -> dict[str, Any]:
    claims = [asdict(answer) for answer in answers if answer.question == question]
    return {
        "title": QUESTIONS.get(question, question),
        "paper": FINDINGS.get(question, ""),
        "sentence": sentence(claims),
        "decisions": {decision: sum(c["decision"] == decision for c in claims) for decision in DECISIONS},
        "claims": claims,
    }


def sentence(claims: list[dict[str, Any]]) -> str:
    """What came of a question's claims, in one plain sentence."""
    if not claims:
        return "This study has no cells that answer it."
    told = [(sum(claim["decision"] == decision for claim in claims), decision) for decision in DECISIONS]
    if len(claims) == 1:
        verb = {"not resolved": "is not resolved"}.get(claims[0]["decision"], claims[0]["decision"])
        return f"The one claim tested {verb}."
    parts = [f"{n} {plural(decision, n)}" for n, decision in told if n]
    return f"Of {len(claims)} claims, {' and '.join([', '.join(parts[:-1]), parts[-1]] if parts[1:] else parts)}."


def plural(decision: str, n: int) -> str:
    """A decision as the verb of `n` claims."""
    one = {"replicates": "replicates", "does not replicate": "does not replicate", "not resolved": "is not resolved"}
    many = {"replicates": "replicate", "does not replicate": "do not replicate", "not resolved": "are not resolved"}
    return (one if n == 1 else many)[decision]


def _canary(row: Canaried) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if key != "text"}


def _points(points: Iterable[Point]) -> list[Mapping[str, Any]]:
    cells: dict[str, list[Row]] = {}
    for point in points:
        cells.setdefault(point.cell, []).append(point_row(point))
    return [{"cell": cell, "points": rows} for cell, rows in cells.items()]
