"""One cell of a study: train, audit, and the same after every epoch; a run folder like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mnemoscope.data as texts
from mnemoscope import models, registry
from mnemoscope.progress import bar
from mnemoscope.records import Record
from mnemoscope.steps.auditing import measure
from mnemoscope.steps.case import Case
from mnemoscope.steps.collecting import LOSS, OUTCOME, keep, moment_file
from mnemoscope.steps.inputs import choose, find_adapter, prepare
from mnemoscope.steps.opening import fresh_adapter
from mnemoscope.steps.outputs import report
from mnemoscope.steps.training import train
from mnemoscope.store import Run, key_of
from mnemoscope.tables import write_scores

if TYPE_CHECKING:
    from mnemoscope.grid import Cell
    from mnemoscope.steps.bench import Bench, SeedSet
    from mnemoscope.study_file import Study

FINISHED = "finished"
"""Fact in the manifest of a cell's folder: the key it was finished with."""


@dataclass(frozen=True, slots=True)
class _Audited:
    """The records of a cell that are audited, and their rows among the seed's."""

    records: tuple[Record, ...]
    rows: tuple[int, ...]


def cell_key(study: Study, cell: Cell, fixed: dict[str, Any]) -> str:
    """Of everything that a cell's files depend on; `fixed` is what all cells share."""
    own = [cell.training.model_dump(mode="json"), cell.seed, cell.every_epoch, cell.generations]
    return key_of([fixed, own, study.rules.level, study.rules.resamples, OUTCOME])


def finished(folder: Path, key: str) -> bool:
    """Whether the cell in `folder` was finished with this key."""
    return (folder / "manifest.json").is_file() and Run(folder).manifest.get(FINISHED) == key


def run_cell(bench: Bench, cell: Cell, folder: Path, key: str) -> None:
    """Train and audit a cell; stages that are finished are kept."""
    run, given = Run(folder), bench.of(cell.seed)
    planting = texts.plant(given.records, copies=cell.training.copies, planted=cell.training.planted, seed=cell.seed)
    prepare(run, planting.records, bench.study.data.source or "")
    if not run.intact("traces"):
        bench.read_ahead(cell.seed)
    fresh_adapter(bench.lm, cell.training, cell.seed)
    train(
        run, cell.id, bench.lm, planting.records, planting.slots, cell.training, bench.compute, cell.seed,
        tokens=given.tokens, every_epoch=cell.every_epoch,
    )  # fmt: skip
    rows = tuple(i for i, record in enumerate(planting.records) if record.role != "excluded")
    audited = _Audited(tuple(planting.records[i] for i in rows), rows)
    if cell.every_epoch:
        for epoch in _epochs(run, cell):
            _after(bench, run, cell, audited, epoch)
    _audit(bench, run, cell, given, audited)
    keep(run, cell, bench.study)
    report(Run(folder), show_text=False)
    run = Run(folder)
    run.note(**{FINISHED: key})


def _audit(bench: Bench, run: Run, cell: Cell, given: SeedSet, audited: _Audited) -> None:
    trained = find_adapter(run.path(f"cells/{cell.id}/adapter"))
    assert trained is not None
    _put_on(bench, trained.folder)
    measurement = bench.study.measurement(cell.generations)
    case = Case(
        run, cell.id, bench.lm, None, trained, audited.records, given.tokens.take(audited.rows), measurement,
        bench.compute, cell.seed,
    )  # fmt: skip
    measure(case, choose(measurement, trained), reading=bench.reading(cell.seed, audited.rows))


def _put_on(bench: Bench, adapter: Path) -> None:
    models.detach(bench.lm)
    models.attach(bench.lm, adapter)


def _epochs(run: Run, cell: Cell) -> list[str]:
    """Epochs before the last, whose adapter is the cell's own."""
    found = sorted((path.name for path in run.path(f"cells/{cell.id}/epochs").iterdir()), key=int)
    return found[:-1]


def _after(bench: Bench, run: Run, cell: Cell, audited: _Audited, epoch: str) -> None:
    """Scores of the records after an epoch, with their losses and lengths."""
    path, adapter = moment_file(cell.id, epoch), run.path(f"cells/{cell.id}/epochs/{epoch}")
    reading = bench.reading(cell.seed, audited.rows)
    known = registry.trace_only()
    names = [name for name in bench.study.measurement(cell.generations).attacks if name in known]
    inputs = {"train": run.key(f"train/{cell.id}"), "epoch": epoch, "reading": reading.key, "attacks": _prints(names)}

    def work() -> None:
        _put_on(bench, adapter)
        with bar(f"read after epoch {epoch}", reading.tokens, "tokens") as tick:
            target, reference = reading.pair(tick)
        traces = {"target": target, "reference": reference}
        scores = {name: registry.find(name).score(traces, audited.records) for name in names}
        found = {**scores, LOSS: -target.sum("logprob")}
        with run.writing(path) as out:
            write_scores(out, audited.records, found, {name: [None] * len(audited.records) for name in found})

    run.stage(f"epoch/{epoch}", inputs, [path], work, units=reading.tokens)


def _prints(names: Sequence[str]) -> dict[str, Any]:
    return {name: registry.find(name).fingerprint() for name in names}
