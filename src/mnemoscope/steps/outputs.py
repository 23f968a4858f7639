"""From a finished run folder to what people read: manifest facts, summary.json, report.html."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mnemoscope import models, provenance, reporting
from mnemoscope.errors import RunError
from mnemoscope.leaks import SpanLeak
from mnemoscope.progress import say
from mnemoscope.records import (
    DataReport,
    Estimate,
    Evidence,
    Extraction,
    Generation,
    Record,
    TrainingStep,
)
from mnemoscope.steps.curving import curves
from mnemoscope.steps.inputs import RECORDS
from mnemoscope.steps.judging import ESTIMATES
from mnemoscope.steps.measuring import REFERENCE
from mnemoscope.steps.opening import loaded_otherwise
from mnemoscope.tables import read_ids, read_rows, read_scores, read_traces

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mnemoscope.steps.case import Case
    from mnemoscope.steps.inputs import Trained
    from mnemoscope.store import Run

PAGE, SUMMARY, HASHES = "report.html", "summary.json", "hashes.csv"


def describe(case: Case) -> None:
    """Write into the manifest what was audited, how, and with what."""
    run, target = case.run, case.target
    config = {**run.manifest.get("config", {}), "measurement": case.measurement.model_dump(mode="json")}
    run.note(
        cell=case.cell,
        model=target.facts(),
        reference=case.base.facts() if case.base else {"name": f"{target.name}, adapter off"},
        adapter=_adapter(case.trained),
        config={**config, "compute": case.compute.model_dump(mode="json")},
        seed=case.seed,
        versions=provenance.versions_for(target.load_in),
        commit=provenance.commit(),
        device=target.device.type,
        findings=_findings(case),
    )
    run.timings["machine"] = provenance.machine() | models.accelerator(target.device)


def _adapter(trained: Trained | None) -> dict[str, Any]:
    if trained is None:
        return {}
    facts = trained.facts
    kept = ("matrices", "rank", "alpha", "targets", "copies", "trainable_parameters", "base_weights_sha256", "load_in")
    known = {name: facts[name] for name in kept if facts.get(name) is not None}
    return {"name": trained.cell, "verified": "base_weights_sha256" in facts, **known}


def _findings(case: Case) -> list[str]:
    found = list(case.run.manifest.get("data", {}).get("findings", ()))
    if case.tokens.truncated:
        limit = case.compute.max_tokens
        found.append(f"{case.tokens.truncated} records are longer than {limit} tokens and lost their end.")
    if case.trained is not None and "base_weights_sha256" not in case.trained.facts:
        found.append("The adapter does not say which weights it was trained on, so that could not be checked.")
    return found + loaded_otherwise(case.target, case.trained) + models.generation_traps(case.target)


def evidence(run: Run) -> Evidence:
    """Everything a report is made of, from the files of a finished audit.

    Raises:
        RunError: the audit is not finished.
    """
    cell = run.manifest.get("cell")
    if cell is None or not run.path(ESTIMATES).is_file():
        raise RunError(f"{run.folder.name} holds no finished audit: run mnemoscope audit first")
    path = run.path(f"cells/{cell}/scores.parquet")
    scored, scores = set(read_ids(path)), read_scores(path)  # canaries and overwritten records have none
    records = [row for row in read_rows(run.path(RECORDS), Record) if row.id in scored]
    log = run.path(f"cells/{cell}/training.parquet")
    return Evidence(
        records=records,
        data=DataReport(**{**run.manifest["data"], "findings": tuple(run.manifest["data"]["findings"])}),
        scores=scores,
        curves=curves(records, scores, run.manifest),
        extractions=read_rows(run.path(f"cells/{cell}/extractions.parquet"), Extraction),
        generations=read_rows(run.path(f"cells/{cell}/generations.parquet"), Generation),
        estimates=read_rows(run.path(ESTIMATES), Estimate),
        training=read_rows(log, TrainingStep) if log.is_file() else [],
        manifest={name: value for name, value in run.manifest.items() if name != "stages"},
        timings=run.timings,
    )


def page(run: Run, *, show_text: bool) -> str:
    """The report as one HTML file; private where it shows text."""
    found = evidence(run)
    return _page(run, found, reporting.summary(found), show_text=show_text)


def _page(run: Run, found: Evidence, summary: dict[str, Any], *, show_text: bool) -> str:
    """The page, with what opens a record to its tokens as far as that is on file."""
    cell = run.manifest["cell"]
    target, reference = run.path(f"cells/{cell}/traces.parquet"), run.path(REFERENCE)
    values = run.path(f"cells/{cell}/spans.parquet")
    return reporting.page(
        found,
        summary,
        show_text=show_text,
        target=read_traces(target) if target.is_file() else None,
        reference=read_traces(reference) if reference.is_file() else None,
        spans=read_rows(values, SpanLeak) if values.is_file() else (),
    )


def hash_table(records: Sequence[Record]) -> str:
    """CSV that leads from the hashes on the page back to the ids: for the owner of the data alone."""
    table = io.StringIO()
    names = reporting.record_hashes(records)
    csv.writer(table, lineterminator="\n").writerows([("hash", "id"), *((name, of) for of, name in names.items())])
    return table.getvalue()


def terminal(run: Run, summary: dict[str, Any]) -> RenderableType:
    """The same verdict in a few lines."""
    return reporting.terminal(summary, run.timings["stages"])


def report(run: Run, *, show_text: bool, again: bool = False) -> str:
    """Write summary.json and, where the report extra is installed, report.html and hashes.csv; returns the cell.

    With `again` they are written also where nothing has changed: mnemoscope itself may have.
    """
    found = evidence(run)
    summary = reporting.summary(found)
    inputs = {"estimates": run.key("estimates"), "manifest": dict(found.manifest), "show_text": show_text}
    pages = [PAGE, HASHES] if reporting.available() else []

    def work() -> None:
        run.write_json(SUMMARY, summary)
        if pages:
            run.write_text(PAGE, _page(run, found, summary, show_text=show_text))
            run.write_text(HASHES, hash_table(found.records))

    if again:
        run.forget("report")
    run.stage("report", inputs, [SUMMARY, *pages], work)
    if not pages:
        say("report.html is not written: its libraries are missing. Run  pip install 'mnemoscope[report]'")
    return str(run.manifest["cell"])
