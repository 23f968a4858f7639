"""Two finished audits against each other: their files, what differs between them, and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mnemoscope import provenance, registry, reporting, stats
from mnemoscope.changes import Audited, Change, Comparison, Shared
from mnemoscope.errors import ConfigError, RunError
from mnemoscope.folds import group_folds
from mnemoscope.leaks import Sampled, SpanLeak
from mnemoscope.progress import bar, say
from mnemoscope.records import Estimate, Extraction, Generation, Record, RocCurve
from mnemoscope.steps.inputs import RECORDS
from mnemoscope.steps.judging import ESTIMATES
from mnemoscope.store import MANIFEST, Run
from mnemoscope.tables import read_ids, read_rows, read_scores, read_traces, write_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

CHANGES, PAGE, SUMMARY = "changes.parquet", "report.html", "summary.json"
COMPARED = "compared-with-{}"
HEADLINE = "lr_ratio"
"""The attack of the curves, where both have it: fixed beforehand."""

Row = TypeVar("Row")


def compare_runs(before: Path, after: Path, out: Path | None, seed: int) -> Path:
    """Compare two finished audits and write changes.parquet, summary.json and report.html; returns their folder.

    Raises:
        RunError: one of the two is no finished audit, or the folder holds something else.
        ConfigError: both are the same.
    """
    if before.resolve() == after.resolve():
        raise ConfigError(f"{before.name} is compared with itself: give two different audits, the earlier one first")
    runs = [_opened(folder) for folder in (before, after)]
    run = Run(out or after / COMPARED.format(before.resolve().name))
    if run.manifest["stages"] and "compared" not in run.manifest:
        raise RunError(f"--out {run.folder.name} holds a run that is no comparison: give a new folder")
    sides = [_read(folder, opened) for folder, opened in zip(_names(before, after), runs, strict=True)]
    common = stats.shared(*sides)
    how = _how(sides, seed)
    _compute(run, runs, sides, common, how)
    _report(run, _comparison(run, sides, common, how))
    return run.folder


def _opened(folder: Path) -> Run:
    """The run folder of a finished audit."""
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder.name}: give the run folder of a finished audit")
    if not (folder / MANIFEST).is_file():
        raise RunError(f"{folder.name} holds no run of mnemoscope: give the run folder of a finished audit")
    run = Run(folder)
    if "study" in run.manifest:
        raise RunError(f"{folder.name} holds a study: give one of its cells, such as {_a_cell(run)}")
    cell = run.manifest.get("cell")
    if cell is None or not run.path(ESTIMATES).is_file() or "verdict" not in run.manifest:
        raise RunError(f"{folder.name} holds no finished audit: run mnemoscope audit first")
    return run


def _a_cell(run: Run) -> str:
    cells = sorted(path.parent.name for path in run.path("cells").glob(f"*/{MANIFEST}"))
    return f"{run.folder.name}/cells/{cells[0] if cells else 'CELL'}"


def _names(before: Path, after: Path) -> tuple[str, str]:
    """What the two are called: their folders, with the folder above where these are equal."""
    first, second = before.resolve(), after.resolve()
    if first.name != second.name:
        return first.name, second.name
    studies = [path.parent.parent if path.parent.name == "cells" else path.parent for path in (first, second)]
    return f"{studies[0].name}/{first.name}", f"{studies[1].name}/{second.name}"


def _read(name: str, run: Run) -> Audited:
    """A finished audit as it is compared; files that it does not have stand for nothing measured."""
    cell = run.manifest["cell"]
    path = run.path(f"cells/{cell}/scores.parquet")
    order, known = read_ids(path), {row.id: row for row in read_rows(run.path(RECORDS), Record)}
    scores, attacks = read_scores(path), registry.attacks()
    traces = read_traces(run.path(f"cells/{cell}/traces.parquet"))
    if list(traces.ids) != order:
        raise RunError(f"{run.folder.name} has traces of other records than scores: run mnemoscope audit again")
    return Audited(
        name=name,
        records=[known[one] for one in order],
        scores=scores,
        fitted={one for one in scores if one in attacks and attacks[one].fitted},
        extractions=_rows(run, "extractions", Extraction),
        sampled=_rows(run, "sampled", Sampled),
        generations=_rows(run, "generations", Generation),
        spans=_rows(run, "spans", SpanLeak),
        losses=-np.ma.getdata(traces.sum("logprob")),
        tokens=traces.lengths,
        estimates={row.name: row for row in read_rows(run.path(ESTIMATES), Estimate)},
        manifest={key: value for key, value in run.manifest.items() if key != "stages"},
    )


def _rows(run: Run, name: str, kind: type[Row]) -> list[Row]:
    path = run.path(f"cells/{run.manifest['cell']}/{name}.parquet")
    return read_rows(path, kind) if path.is_file() else []


def _how(sides: Sequence[Audited], seed: int) -> dict[str, Any]:
    """Level and resamples of the two audits; of two the wider interval and the finer resampling."""
    asked = [side.manifest.get("config", {}).get("measurement", {}) for side in sides]
    return {
        "level": max(float(one.get("level", 0.95)) for one in asked),
        "resamples": max(int(one.get("resamples", 2000)) for one in asked),
        "seed": seed,
    }


def _compute(run: Run, runs: Sequence[Run], sides: Sequence[Audited], common: Shared, how: Mapping[str, Any]) -> None:
    inputs = {"audits": [one.key("estimates") for one in runs], **how, "versions": provenance.versions()}

    def work() -> None:
        with bar("compare", 1, "audits") as tick, run.writing(CHANGES) as out:
            write_rows(out, Change, stats.changes(sides[0], sides[1], common, **how))
            tick(1)

    run.note(compared=[side.name for side in sides], **how, commit=provenance.commit(), versions=provenance.versions())
    run.stage("changes", inputs, [CHANGES], work)


def _comparison(run: Run, sides: Sequence[Audited], common: Shared, how: Mapping[str, Any]) -> Comparison:
    attacks = sorted(sides[0].scores.keys() & sides[1].scores.keys())
    attack = HEADLINE if HEADLINE in attacks else next(iter(attacks), None)
    return Comparison(
        before=sides[0],
        after=sides[1],
        shared=common,
        changes=read_rows(run.path(CHANGES), Change),
        attack=attack,
        curves=None if attack is None else (_curve(sides[0], attack, common), _curve(sides[1], attack, common)),
        manifest={**how, "versions": provenance.versions(), "commit": provenance.commit()},
    )


def _curve(side: Audited, attack: str, common: Shared) -> RocCurve:
    """The ROC curve on the records that are compared."""
    scores = side.scores[attack]
    if attack in side.fitted:
        scores = stats.fold_ranks(scores, side.records, group_folds(side.records))
    if common.paired:
        kept = set(common.ids)
        others = np.array([record.id not in kept for record in side.records], dtype=bool)
        scores = np.ma.masked_array(np.ma.getdata(scores), np.ma.getmaskarray(scores) | others)
    return stats.roc_curve(stats.Sample.of(scores, side.records))


def _report(run: Run, found: Comparison) -> None:
    """Write summary.json and, where the report extra is installed, report.html; again also where nothing changed."""
    summary, pages = reporting.compare_summary(found), [PAGE] if reporting.available() else []

    def work() -> None:
        run.write_json(SUMMARY, summary)
        if pages:
            run.write_text(PAGE, reporting.compare_page(found, summary))

    run.forget("report")
    run.stage("report", {"changes": run.key("changes")}, [SUMMARY, *pages], work)
    if not pages:
        say("report.html is not written: its libraries are missing. Run  pip install 'mnemoscope[report]'")


def compare_terminal(folder: Path) -> RenderableType:
    """The answer in a few lines."""
    return reporting.compare_terminal(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
