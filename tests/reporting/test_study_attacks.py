"""AUC by attack and matrices: the means of the points, in the paper's order."""

from __future__ import annotations

import numpy as np
import study_sample as sample

from mnemoscope.answers import Point, StudyEvidence
from mnemoscope.reporting import study_summary
from mnemoscope.reporting.study_tables import by_attack

AREAS = {"o": 0.8, "q": 0.6, "v": 0.7}


def evidence(*, attacks: tuple[str, ...] = ("loss", "ez"), seeds: tuple[int, ...] = (1, 2)) -> StudyEvidence:
    """Cells of three matrices at rank 4, and of one at rank 8."""
    cells = [sample.setting(m, 4, seed) for m in AREAS for seed in seeds] + [sample.setting("q", 8, 1)]
    points: list[Point] = []
    for cell in cells:
        value = AREAS[cell.matrices] + cell.seed / 100
        points += [sample.point(cell, "auc", value)]
        points += [sample.point(cell, f"auc@{name}", value - i / 10) for i, name in enumerate(attacks)]
    whole = sample.study()
    return StudyEvidence(**{**{f: getattr(whole, f) for f in whole.__slots__}, "points": points})


def test_rows_are_attacks_and_columns_matrices() -> None:
    """Q before V before O, at the rank that most matrices have; each field is the mean over its seeds."""
    found = by_attack(study_summary(evidence()))
    assert (found["rank"], found["heads"]) == (4, ["Q", "V", "O"])
    values = {row["attack"]: [float(cell["value"]) for cell in row["cells"]] for row in found["rows"]}
    wanted = [AREAS[name] + np.mean([1, 2]) / 100 for name in "qvo"]
    np.testing.assert_allclose(values["loss"], wanted, atol=6e-4)
    np.testing.assert_allclose(values["ez"], np.array(wanted) - 0.1, atol=6e-4)
    assert found["memorization"] == []


def test_memorization_is_the_last_row() -> None:
    """Where it was measured it stands under the attacks, matrix by matrix, with what is missing left empty."""
    one = evidence()
    kept = [
        sample.point(sample.setting(m, 4, seed), "memorization", AREAS[m] - 1) for m in ("o", "v") for seed in (1, 2)
    ]
    whole = StudyEvidence(**{**{f: getattr(one, f) for f in one.__slots__}, "points": [*one.points, *kept]})
    found = by_attack(study_summary(whole))
    assert [cell["value"] for cell in found["memorization"]] == ["", "-0.300", "-0.200"]
    assert len(found["rows"]) == 2


def test_nothing_to_compare_gives_no_table() -> None:
    """Without areas of attacks, or with one set of matrices, there is nothing to set side by side."""
    assert by_attack(study_summary(evidence(attacks=()))) == {}
    one = evidence()
    points = [point for point in one.points if point.matrices == "q"]
    assert (
        by_attack(study_summary(StudyEvidence(**{**{f: getattr(one, f) for f in one.__slots__}, "points": points})))
        == {}
    )
