"""What docs/results.md and the pages below it tell is what was collected."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mnemoscope.answers import Answer, Point
from mnemoscope.reporting.study_export import rows_csv

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def script(name: str) -> ModuleType:
    """A script as a module, under a name that hides no package; scripts find each other, as when they are run."""
    spec = importlib.util.spec_from_file_location(f"{name}_script", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results() -> ModuleType:
    """scripts/results.py as a module."""
    return script("results")


@pytest.fixture(scope="module")
def summary() -> ModuleType:
    """scripts/results_summary.py as a module."""
    return script("results_summary")


@pytest.fixture(scope="module")
def study_results() -> ModuleType:
    """scripts/study_results.py as a module."""
    return script("study_results")


def point(statistic: str, value: float | None, seed: int = 13, **more: Any) -> Point:
    """A statistic of one cell at its end, with an interval of .01 to either side."""
    low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
    told: dict[str, Any] = {
        "matrices": "v", "rank": 4, "alpha": 16.0, "alpha_rule": "fixed", "scale": 4.0, "parameters": 92160,
        "copies": 1, "planted": 0, "epochs": 3.0, "learning_rate": 1e-3, "others": "", "epoch": 3.0, "level": 0.95,
        "method": "group bootstrap, 2000 resamples", "n_members": 2898, "n_nonmembers": 1929, "n_member_groups": 1108,
        "n_nonmember_groups": 730, "reason": None if value is not None else "no record was measured",
    } | more  # fmt: skip
    cell = f"{told['matrices']}-r{told['rank']}-x{told['copies']}-s{seed}"
    return Point(cell=cell, seed=seed, statistic=statistic, value=value, low=low, high=high, **told)


def points() -> list[Point]:
    """Three seeds of V at rank 4; one seed of all four matrices at ranks 1 and 4, of 8 copies, and of two epochs."""
    rows = [point("auc", value, seed) for value, seed in ((0.80, 13), (0.82, 7), (0.84, 81))]
    rows += [point("auc", value, matrices="qkvo", rank=rank) for rank, value in ((1, 0.7), (4, 0.75))]
    rows += [point("verbatim_members", 0.02), point("suffix_probability_members@t1-k40", 3.1e-7)]
    planted = {"planted": 0.4, "planted_ngram_share": None, "planted@t1-k40": 0.25}
    rows += [point(name, value, copies=8, planted=20) for name, value in planted.items()]
    for epoch, area, perplexity in ((1.0, 0.61, 30.5), (2.0, 0.66, 31.5)):
        some: dict[str, Any] = {"rank": 16, "epochs": 2.0, "epoch": epoch}
        rows += [point("auc", area, **some), point("perplexity_heldout", perplexity, **some)]
    return rows


def claim(**more: Any) -> Answer:
    """A claim that all five seeds bear out."""
    told: dict[str, Any] = {
        "question": "matrices", "claim": "V gives a larger AUC than Q at rank 4", "family": "matrices, equal rank",
        "statistic": "difference of AUC", "paper": "V .83, Q .72 at rank 4", "value": 0.1104, "low": 0.0904,
        "high": 0.1304, "method": "paired group bootstrap", "p_value": 1e-9, "p_adjusted": 2e-9, "seed_low": 0.1004,
        "seed_high": 0.1204, "seed_p_value": 0.001, "seed_p_adjusted": 0.004, "n_seeds": 5, "level": 0.95,
        "decision": "replicates", "reason": "both intervals lie above 0, and both corrected p-values are small",
        "n_members": 2898, "n_nonmembers": 1929, "n_groups": 1838, "seeds": (13, 7), "seed_values": (0.1, 0.1 + 0.2),
        "seed_lows": (0.0, -1e-17), "seed_highs": (1 / 3, 2 / 3),
    }  # fmt: skip
    return Answer(**told | more)


ANSWERS = [
    claim(),
    claim(question="rank", claim="AUC grows with rank, from rank 1 to 4", decision="does not replicate"),
    claim(
        question="copies", claim="8 copies leave more than 1", decision="not resolved", value=None, low=None, high=None,
        seed_low=None, seed_high=None, p_adjusted=None, seed_p_adjusted=None, n_seeds=0, paper="", seeds=(),
        reason="no cell can say",
    ),
]  # fmt: skip


@pytest.fixture(name="run")
def finished_study(tmp_path: Path) -> Path:
    """The files of a study's folder that are read to collect it: one cell done, one waiting."""
    run = tmp_path / "secret-place" / "run"
    stage = {"seconds": 60.0, "finished": "2026-01-02T03:04:05Z", "units": 6000}
    study = {"name": "s", "model": str(run / "model"), "data": {"source": str(run), "share": 0.5, "split": "redrawn"},
             "training": {"rank": 4, "alpha": None}, "rules": {"seeds": 5}}  # fmt: skip
    written = {
        "manifest": {
            "study": study, "dtype": "float32", "commit": "ffff", "versions": {"torch": "2"},
            "data": {"source": "phee", "n_records": {"member": 2898}}, "cells": {"a": {"seed": 13}, "b": {"seed": 7}},
        },
        "timings": {"stages": {"answers": {**stage, "seconds": 30.0}}},
        "status": {"cells": {"a": {"state": "done"}, "b": {"state": "waiting"}}},
        "cells/a/manifest": {
            "device": "cpu", "verdict": {"validity": "valid"}, "commit": "0123456789abcdef+changes",
            "data": {"n_records": {"member": 766, "nonmember": 486}},
        },
        "cells/a/timings": {"machine": {"cpu": "Some CPU", "cores": 2}, "stages": {"train/a": stage, "traces": stage}},
    }  # fmt: skip
    (run / "cells" / "a").mkdir(parents=True)
    for name, content in written.items():
        (run / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    export(run / "export", points(), ANSWERS)
    return run


def export(folder: Path, rows: Sequence[Point], answers: Sequence[Answer]) -> None:
    """points.csv and answers.csv as a study writes them."""
    folder.mkdir(exist_ok=True)
    for name, kind, some in (("points.csv", Point, rows), ("answers.csv", Answer, answers)):
        text = rows_csv([field.name for field in fields(kind)], map(asdict, some))
        (folder / name).write_text(text, encoding="utf-8", newline="")


def kept_page(study_results: ModuleType, folder: Path) -> list[str]:
    """The page of the one study in `folder`."""
    (study,) = study_results.studies(folder)
    lines: list[str] = study_results.page(study, folder)
    return lines


def test_points_and_answers_come_back_equal(study_results: ModuleType, run: Path) -> None:
    """Reading what a study exported gives the very rows back: every digit, missing values, empty and full tuples."""
    assert study_results.read(run / "export" / "points.csv", Point) == points()
    assert study_results.read(run / "export" / "answers.csv", Answer) == ANSWERS


def test_facts_of_a_study(study_results: ModuleType, run: Path, tmp_path: Path) -> None:
    """What is collected says what ran where and for how long, and names no place on the machine."""
    folder = tmp_path / "kept"
    study_results.collect(run, folder, commands=["mnemoscope study s.yaml"], threads=1)
    facts = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert facts["cells"] == {"total": 2, "done": 1, "waiting": 1}
    assert facts["seconds"] == {"all": 150, "training": 60}
    assert facts["machines"] == [{"cpu": "Some CPU", "cores": 2, "device": "cpu", "cells": 1}]
    assert facts["data"]["audited"] == {"member": [766, 766], "nonmember": [486, 486]}
    assert "secret-place" not in (folder / "meta.json").read_text(encoding="utf-8")
    said = "\n".join(kept_page(study_results, tmp_path))
    for part in (
        "    mnemoscope study s.yaml", "Cells done: 1 of 2 (1 waiting); 1 seed (13);", "766 training records",
        "a share of 0.5 of the groups", "Some CPU, 2 cores, 1 thread a process", "2 min of work",
        "(100 tokens/s); 2026-01-02, commit",
        "commit 0123456789 with changes", "Verdicts of audits: 1 valid",
    ):  # fmt: skip
        assert part in said, part


def test_tables_of_a_study(study_results: ModuleType, run: Path, tmp_path: Path) -> None:
    """Hand-worked: .80, .82, .84 have mean .82 and t interval 4.3027 x .02 / sqrt 3 = .0497; one seed keeps its own."""
    study_results.collect(run, tmp_path / "kept", commands=[])
    lines = kept_page(study_results, tmp_path)
    for line in (
        "| **4** | 0.820 ± 0.050 | 0.750 ± 0.010 |",
        "| paper | 0.83 ± 0.01 | – |",
        "| 4 | 0.750 [0.740, 0.760] | 0.931 |",
        "| V, rank 4, alpha 16 at every rank, 3 epochs, learning rate 0.001 | 8 | 20 | 1 | 0.400 [0.390, 0.410] | – | "
        "0.250 [0.240, 0.260] |",
        "| V, rank 16 | 2 | 0.660 [0.650, 0.670] | – | 31.50 [31.49, 31.51] |",
        "| V gives a larger AUC than Q at rank 4 | 0.110 | [0.090, 0.130] | [0.100, 0.120] | 5 | < .001; .004 | "
        "**replicates** | both intervals lie above 0, and both corrected p-values are small | V .83, Q .72 at rank 4 |",
        "| 8 copies leave more than 1 | – | – | – | 0 | –; – | **not resolved** | no cell can say | – |",
        "* **replicates** (1 of 3 claims): V gives a larger AUC than Q at rank 4",
        "* **does not replicate** (1 of 3 claims): AUC grows with rank, from rank 1 to 4",
        "* **not resolved** (1 of 3 claims)",
    ):
        assert line in lines, line
    (once,) = [line for line in lines if "| 1 | all trained on |" in line]
    assert "3e-07 [" in once  # what is not 0 never reads 0


def test_claims_stand_side_by_side(summary: ModuleType) -> None:
    """A claim has one row; each study a column for every way it trained; what was not asked there stays empty."""
    few = claim(claim="AUC grows (V, rank 4, alpha 16)", paper="", n_seeds=1, decision="not resolved", seed_low=None)
    first, second = summary.Kept("a", facts(0.25), [claim(), few]), summary.Kept("b", facts(1 / 16), [claim(value=0.2)])
    page = told(summary, second, first).splitlines()
    for line in (
        "| claim | [a](results/a/README.md)<br>1/4 of phee | [b](results/b/README.md)<br>1/16 of phee |",
        "| V gives a larger AUC than Q at rank 4<br>*paper: V .83, Q .72 at rank 4* | "
        "✅ +0.110<br>[+0.100, +0.120] | ✅ +0.200<br>[+0.100, +0.120] |",
    ):
        assert line in page, line
    assert not [line for line in page if "AUC grows" in line]  # the paper does not say it, and it makes another claim
    alone = told(summary, summary.Kept("a", facts(0.25), [few])).splitlines()
    assert "| claim | [a](results/a/README.md)<br>1/4 of phee<br>alpha 16 |" in alone
    assert "| AUC grows (V, rank 4) | *❔ +0.110<br>[+0.090, +0.130]<br>1 seed* |" in alone
    assert summary.questions([]) == []


def test_no_claim_stands_twice(summary: ModuleType) -> None:
    """Equal size may be equal rank: the same numbers under another name stand once; without a value there is no row."""
    same = claim(claim="V gives a larger AUC than Q at rank 4 with as many parameters")
    none = claim(claim="V gives a larger AUC than K at rank 4", value=None)
    page = told(summary, summary.Kept("a", facts(1.0), [claim(), same, none]))
    assert "with as many parameters" not in page
    assert "than K" not in page
    assert "1 claim without a value left out." in page


def told(summary: ModuleType, *studies: Any) -> str:
    """What the first page tells of the paper's questions, with usual spaces."""
    return "\n".join(summary.questions(studies)).replace("\u00a0", " ")


def facts(share: float) -> dict[str, Any]:
    """What is known of a study without figures."""
    return {"data": {"share": share, "source": "phee"}, "rules": {"attack": "lr_ratio", "seeds": 5}, "figures": []}


def test_the_pages_lead_on(results: ModuleType) -> None:
    """Every place that a page points to is there; every study, audit and benchmark is pointed to from the first."""
    pages: dict[Path, str] = results.pages(results.DOCS)
    for path, text in pages.items():
        for link in re.findall(r"\]\(([^)]*)\)", text):
            to, _, place = link.partition("#")
            if link.startswith("http"):
                continue
            target = (path.parent / to).resolve() if to else path
            assert target.is_file(), link
            assert not place or place in slugs(target.read_text(encoding="utf-8")), link
    start = results.DOCS / "results.md"
    pointed = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]*)\)", pages[start])}
    assert {str(path.relative_to(results.DOCS)) for path in pages if path != start} <= pointed


def slugs(page: str) -> set[str]:
    """The places on a page, as GitHub names them."""
    return {
        "".join(sign for sign in head.lower() if sign.isalnum() or sign in "-_ ").replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }


def test_few_figures_are_kept(study_results: ModuleType, run: Path, tmp_path: Path) -> None:
    """The most wanted first, while all together stay below the limit; those of an earlier call go."""
    sizes = {"matrices": 150_000, "rank": 120_000, "paths": 80_000, "roc_ranks": 10}
    for name, size in sizes.items():
        (run / "export" / f"figure_{name}.svg").write_bytes(b" " * size)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "figure_old.svg").touch()
    study_results.collect(run, kept, commands=[])
    assert sorted(path.name for path in kept.glob("*.svg")) == ["figure_matrices.svg", "figure_paths.svg"]
    shown = [line for line in kept_page(study_results, tmp_path) if line.startswith("![")]
    assert [line.partition("(")[2] for line in shown] == ["figure_matrices.svg)", "figure_paths.svg)"]


def test_no_answers_no_study(study_results: ModuleType, run: Path, tmp_path: Path) -> None:
    """A folder without answers is refused in one line, and nothing is written; without studies there is no section."""
    (run / "export" / "answers.csv").unlink()
    with pytest.raises(SystemExit, match=r"answers\.csv missing"):
        study_results.collect(run, tmp_path / "kept", commands=[])
    assert not (tmp_path / "kept").exists()
    assert study_results.studies(tmp_path) == []


def test_the_check_covers_studies(
    results: ModuleType, study_results: ModuleType, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is stale as soon as a number of its study has changed; a page of nothing goes."""
    monkeypatch.setattr(results, "DOCS", tmp_path)
    monkeypatch.setattr(results.in_short, "RESTS", ())
    study_results.collect(run, tmp_path / "results" / "s", commands=[])
    gone = tmp_path / "results" / "gone.md"
    gone.touch()
    monkeypatch.setattr(sys, "argv", ["results.py"])
    results.main()
    assert not gone.exists()
    monkeypatch.setattr(sys, "argv", ["results.py", "--check"])
    with pytest.raises(SystemExit) as fresh:
        results.main()
    assert fresh.value.code is None
    export(tmp_path / "results" / "s", [*points()[:-1], replace(points()[-1], value=32.5)], ANSWERS)
    with pytest.raises(SystemExit, match=r"^results/s/README.md stale"):
        results.main()


def test_the_summary_by_hand_rests_on_what_the_studies_say(
    results: ModuleType, study_results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds as committed; another decision, an interval that reaches above 0, or a missing study is found out."""
    in_short = results.in_short
    studies = study_results.studies(SCRIPTS.parent / "docs" / "results")
    assert in_short.unsaid(studies) == []
    (quarter,) = [one for one in studies if one.name == "quarter"]
    others = [one for one in studies if one is not quarter]
    claim = "V gives a larger AUC than Q at rank 4"

    def changed(**values: Any) -> list[str]:
        answers = [replace(one, **values) if one.claim == claim else one for one in quarter.answers]
        return [line for line in in_short.unsaid([*others, quarter._replace(answers=answers)]) if "quarter" in line]

    assert changed() == []
    assert len(changed(decision="not resolved")) == 1
    assert len(changed(seed_high=0.01)) == 1
    monkeypatch.setattr(results, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["results.py", "--check"])
    with pytest.raises(SystemExit, match="rests on what no longer holds"):
        results.main()
    assert len(in_short.unsaid(others)) == sum("quarter" in rest.studies for rest in in_short.RESTS)
