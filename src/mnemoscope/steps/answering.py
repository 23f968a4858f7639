"""From finished cells to the answers of a study, its page and its exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mnemoscope import provenance, reporting, stats
from mnemoscope.answers import Answer, Canaried, Marked, Point, StudyEvidence
from mnemoscope.errors import RunError
from mnemoscope.progress import bar, tell
from mnemoscope.steps.collecting import Files, curve, outcome, returned
from mnemoscope.steps.states import read_status
from mnemoscope.steps.studying import describe, reopened
from mnemoscope.tables import read_curves, read_rows, write_curves, write_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mnemoscope.grid import Cell
    from mnemoscope.steps.studying import Plan
    from mnemoscope.store import Run

POINTS, ANSWERS, MARKS, TEXTS = "points.parquet", "answers.parquet", "marks.parquet", "returned.parquet"
CURVES = "curves.parquet"
PAGE, SUMMARY, EXPORT = "report.html", "summary.json", "export"


def answer(plan: Plan, errors: Mapping[str, str]) -> None:
    """Compute and write everything that the finished cells say together.

    Raises:
        RunError: no cell is finished.
    """
    _compute(plan, _done(plan))
    describe(plan)
    _report(plan, errors, show_text=False)


def report_again(run: Run, *, show_text: bool) -> None:
    """Write summary.json, report.html and the exports of a study again: mnemoscope itself may have changed.

    Where the study was stopped, the cells that are finished answer first.

    Raises:
        RunError: no cell is finished, or the study is running.
    """
    with run.alone():
        plan = reopened(run)
        done = _done(plan)
        if _answered(run) != {cell.id for cell in done}:
            _compute(plan, done)
        run.forget("report")
        _report(plan, _failed(run), show_text=show_text)


def study_figures(run: Run, formats: Iterable[str]) -> dict[str, bytes]:
    """File name to content of every figure of a study.

    Raises:
        RunError: the study has no answers yet.
    """
    if not _answered(run):
        raise RunError(f"{run.folder.name} holds a study without answers: run mnemoscope report first")
    shown = evidence(reopened(run), _failed(run), show_text=False)
    return reporting.study_figure_files(shown, reporting.study_summary(shown), formats)


def _done(plan: Plan) -> list[Cell]:
    """The finished cells."""
    waiting = set(plan.waiting())
    done = [cell for cell in plan.cells if cell.id not in waiting]
    if not done:
        raise RunError(f"{plan.run.folder.name} has no finished cell yet: there is nothing to answer from")
    return done


def _answered(run: Run) -> set[str]:
    """The cells that the answers rest on; none where there are no answers."""
    stage = run.manifest["stages"].get("answers")
    if stage is None:
        return set()
    if CURVES not in stage["files"]:
        raise RunError(f"{run.folder.name} was answered by an earlier mnemoscope: run mnemoscope study again")
    return {point.cell for point in read_rows(run.path(POINTS), Point)}


def _failed(run: Run) -> dict[str, str]:
    """The failed cells; why is told where they ran."""
    return {cell: "" for cell, one in read_status(run.folder)["cells"].items() if one["state"] == "failed"}


def _compute(plan: Plan, done: Sequence[Cell]) -> None:
    """Points of each cell and answers of all."""
    run, rules, seed = plan.run, plan.study.rules.decide_by(), plan.cells[0].seed
    inputs = {
        "cells": {cell.id: plan.keys[cell.id] for cell in done}, "rules": asdict(rules), "seed": seed,
        "version": provenance.versions(),
    }  # fmt: skip
    questions = (stats.matrix_answers, stats.relation_answers, stats.rank_answers, stats.dose_answers)

    def work() -> None:
        with bar("answer", len(done) + len(questions), "parts") as tick:
            found = [outcome(plan.folder(cell.id), cell, plan.study) for cell in done]
            points, answers = list[Point](), list[Answer]()
            for one in found:
                points += stats.points(one, rules, seed=seed)
                tick(1)
            for ask in questions:
                answers += ask(found, rules, seed=seed)
                tick(1)
        back = [row for cell, one in zip(done, found, strict=True)
                for row in returned(Files(plan.folder(cell.id), cell), one.setting.matrices)]  # fmt: skip
        for name, kind, rows in (
            (POINTS, Point, points), (ANSWERS, Answer, answers), (TEXTS, Canaried, back),
            (MARKS, Marked, [mark for one in found for mark in stats.marks(one)]),
        ):  # fmt: skip
            with run.writing(name) as out:
                write_rows(out, kind, rows)
        with run.writing(CURVES) as out:
            write_curves(out, {one.setting.cell: curve(one) for one in found})

    run.stage("answers", inputs, [POINTS, ANSWERS, MARKS, TEXTS, CURVES], work)


def evidence(plan: Plan, errors: Mapping[str, str], *, show_text: bool) -> StudyEvidence:
    """Everything the study's page is made of."""
    run, waiting = plan.run, set(plan.waiting())
    states = {cell.id: "waiting" if cell.id in waiting else "done" for cell in plan.cells}
    back = read_rows(run.path(TEXTS), Canaried)
    return StudyEvidence(
        name=plan.study.name,
        points=read_rows(run.path(POINTS), Point),
        answers=read_rows(run.path(ANSWERS), Answer),
        marks=read_rows(run.path(MARKS), Marked),
        curves=read_curves(run.path(CURVES)),
        texts=back if show_text else [replace(row, text=None) for row in back],
        cells={**states, **dict.fromkeys(errors, "failed")},
        pages={cell: page for cell in states if run.path(page := f"cells/{cell}/{PAGE}").is_file()},
        manifest={name: value for name, value in run.manifest.items() if name != "stages"},
        timings=run.timings,
    )


def _report(plan: Plan, errors: Mapping[str, str], *, show_text: bool) -> None:
    """Write summary.json, report.html and the exports."""
    run = plan.run
    shown = evidence(plan, errors, show_text=show_text)
    summary = reporting.study_summary(shown)
    inputs: dict[str, Any] = {
        "answers": run.key("answers"),
        "cells": dict(shown.cells),
        "manifest": dict(shown.manifest),
        "show_text": show_text,
    }

    def work() -> None:
        run.write_json(SUMMARY, summary)
        if reporting.available():
            run.write_text(PAGE, reporting.study_page(shown, summary))
            with run.writing(EXPORT) as folder:
                folder.mkdir()
                for name, text in reporting.study_exports(shown, summary).items():
                    (folder / name).write_text(text, encoding="utf-8", newline="")

    files = [SUMMARY, *([PAGE, EXPORT] if reporting.available() else [])]
    run.stage("report", inputs, files, work)
    if not reporting.available():
        tell("report.html is not written: its libraries are missing. Run  pip install 'mnemoscope[report]'")


def study_terminal(summary: Mapping[str, Any]) -> RenderableType:
    """The answers in a few lines."""
    return reporting.study_terminal(summary)
