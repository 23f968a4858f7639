"""Pages of every kind, made of the evidence that tests/reporting invents."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mnemoscope.records import Evidence

COMMON = ("audit", "private", "study", "compare")
"""Kinds of page that every test of pages looks at."""
LARGE = 100_000
"""Records of the large page."""


def beside(name: str) -> ModuleType:
    """A module of tests/reporting, where pages are made of invented evidence."""
    path = Path(__file__).parents[1] / "reporting" / f"{name}.py"
    found = importlib.util.spec_from_file_location(f"reporting_{name}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def repeated(evidence: Evidence, n: int) -> Evidence:
    """The same evidence with `n` records: its own ones again under new ids."""
    times = n // len(evidence.records)
    kept = [row for row in evidence.extractions if row.prefix == "0.5"]
    return replace(
        evidence,
        records=[replace(row, id=f"{row.id}-{k}") for k in range(times) for row in evidence.records],
        extractions=[replace(row, id=f"{row.id}-{k}") for k in range(times) for row in kept],
        scores={name: np.ma.concatenate([scores] * times) for name, scores in evidence.scores.items()},
        generations=[],
    )


def audit_page(*, n: int = 0, show_text: bool = False) -> str:
    from mnemoscope.reporting import page, summary

    evidence = beside("conftest").build_evidence()
    evidence = repeated(evidence, n) if n else evidence
    return page(evidence, summary(evidence), show_text=show_text)


def traced_page() -> str:
    """With traces: a record opens to its tokens."""
    sample, evidence = beside("records_sample"), beside("conftest").build_evidence()
    return str(sample.whole_page(evidence, sample.known_of(evidence), show_text=False))


def study_page() -> str:
    from mnemoscope.reporting import study_page, study_summary

    evidence = beside("study_sample").study()
    return study_page(evidence, study_summary(evidence))


def compare_page() -> str:
    from audit_pair import RESAMPLES, audited, records

    from mnemoscope import stats
    from mnemoscope.changes import Comparison
    from mnemoscope.reporting import compare_page, compare_summary

    before, after = audited("plain", 1.5, records()), audited("private", 0.2, records())
    shared = stats.shared(before, after)
    curves = [stats.roc_curve(stats.Sample.of(one.scores["lr_ratio"], one.records)) for one in (before, after)]
    rows = stats.changes(before, after, shared, resamples=RESAMPLES, seed=7)
    found = Comparison(before, after, shared, rows, "lr_ratio", (curves[0], curves[1]), {"seed": 7})
    return compare_page(found, compare_summary(found))


MAKERS: dict[str, Callable[[], str]] = {
    "audit": audit_page,
    "private": lambda: audit_page(show_text=True),
    "traced": traced_page,
    "large": lambda: audit_page(n=LARGE),
    "study": study_page,
    "compare": compare_page,
}
