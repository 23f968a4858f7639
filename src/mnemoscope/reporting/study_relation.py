"""The records of the perplexity figures: whose they are, and how near a straight line they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mnemoscope.answers import Marked, StudyEvidence
from mnemoscope.reporting.paper import SCATTERED
from mnemoscope.reporting.study_means import across, setting_row

KINDS = ("planted records", "training records", "held-out records")
MODELS = {"base": "base model", "target": "fine-tuned model"}
FEWEST = 10
"""Fewer records than this carry no line."""


def kind(mark: Marked) -> str:
    """Which of KINDS a mark belongs to."""
    return KINDS[2] if mark.role != "member" else KINDS[0] if mark.copies > 1 else KINDS[1]


def perplexity(mark: Marked, model: str) -> float:
    """Of the record in one of MODELS."""
    return mark.perplexity_base if model == "base" else mark.perplexity_target


def chosen(evidence: StudyEvidence) -> list[Marked]:
    """The marks that are drawn: those of one setting, over all its seeds.

    The setting is the paper's (V, rank 8, 8 copies) where the study has it, else that with the most planted records,
    then the most records; never one chosen by what came out.
    """
    settings = {point.cell: {**setting_row(point), "seed": None} for point in evidence.points}
    found: dict[str, list[Marked]] = {}
    for mark in evidence.marks:
        if _drawable(mark):
            found.setdefault(str(settings.get(mark.cell, mark.cell)), []).append(mark)
    papers = {str(s) for s in settings.values() if (s["matrices"], s["rank"], s["copies"]) == SCATTERED}

    def order(setting: str) -> tuple[bool, int, int, str]:
        marks = found[setting]
        return setting in papers, sum(mark.copies > 1 for mark in marks), len(marks), setting

    return found[max(found, key=order)] if found else []


def _drawable(mark: Marked) -> bool:
    known = all(math.isfinite(p) and p > 0 for p in (mark.perplexity_base, mark.perplexity_target))
    return known and math.isfinite(mark.ngram_share)


def relation(evidence: StudyEvidence) -> list[dict[str, Any]]:
    """R² of the straight line of n-gram share on perplexity, a row a model and kind of record: mean over seeds.

    As in the paper's Figures 3.4 and 3.5: on perplexity itself, not on its logarithm. The interval is Student's t over
    the seeds; of one seed there is none here, the answers give it.
    """
    marks = chosen(evidence)
    level = evidence.points[0].level if evidence.points else 0.95
    rows = (_row(marks, model, name, level) for model in MODELS for name in KINDS)
    return [row for row in rows if row["n_seeds"]]


def _row(marks: Sequence[Marked], model: str, name: str, level: float) -> dict[str, Any]:
    same = [mark for mark in marks if kind(mark) == name]
    lines = (line([m for m in same if m.cell == cell], model) for cell in dict.fromkeys(m.cell for m in same))
    known = [value for value in lines if value is not None]
    value, low, high = across(known, level) if known else (None, None, None)
    told = {"n_records": len(same), "n_seeds": len(known), "level": level}
    return {"model": model, "kind": name, "r_squared": value, "low": low, "high": high, **told}


def line(marks: Sequence[Marked], model: str) -> float | None:
    """R² of the n-gram share on the perplexity in one of MODELS; None where either does not vary or records are few."""
    x = np.array([perplexity(mark, model) for mark in marks])
    y = np.array([mark.ngram_share for mark in marks])
    if len(marks) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1] ** 2)
