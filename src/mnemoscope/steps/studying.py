"""A study in progress: its plan, its cells, who runs them, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mnemoscope.data as texts
from mnemoscope import executors, models, provenance, registry
from mnemoscope.config import Columns
from mnemoscope.errors import ConfigError, RunError
from mnemoscope.grid import Cell, cells, spellings
from mnemoscope.progress import board, listening, tell
from mnemoscope.steps.bench import Bench, drawn
from mnemoscope.steps.cells import cell_key, finished, run_cell
from mnemoscope.steps.elsewhere import parcel, run_elsewhere, unpack
from mnemoscope.steps.inputs import check, read, told
from mnemoscope.steps.states import States
from mnemoscope.store import Run
from mnemoscope.study_file import Study

if TYPE_CHECKING:
    from mnemoscope.config import Compute
    from mnemoscope.records import Record


@dataclass(frozen=True, slots=True)
class Plan:
    """A study that was checked: what to run, and where it goes."""

    study: Study
    run: Run
    """The study's folder."""
    pool: tuple[Record, ...]
    """All records, with the roles that the data gives."""
    cells: tuple[Cell, ...]
    keys: Mapping[str, str]
    """Cell to the key that it is finished with."""

    def folder(self, cell: str) -> Path:
        """The run folder of a cell."""
        return self.run.path(f"cells/{cell}")

    def waiting(self) -> list[str]:
        """Cells that are not finished."""
        return [cell.id for cell in self.cells if not finished(self.folder(cell.id), self.keys[cell.id])]

    def compute(self) -> Compute:
        """Where and how numbers are computed: what the study was begun with, where it was."""
        asked, begun = self.study.compute_options(), self.run.manifest.get("dtype")
        return asked.model_copy(update={"dtype": begun}) if asked.dtype == "auto" and begun else asked


def plan(study: Study, data: str | None, out: Path | None) -> Plan:
    """Check a study and open its folder; nothing is written and no model is opened.

    Raises:
        ConfigError: something in the study cannot be.
        DataError: the records cannot be read.
        RunError: the folder holds a study with other settings.
    """
    source = data or study.data.source
    if source is None:
        raise ConfigError("the study names no data: give --data, or data.source in the study file")
    _check(study)
    study = study.model_copy(update={"data": study.data.model_copy(update={"source": source})})
    grid = cells(study, {text: models.parse_matrices(text) for text in spellings(study)})
    pool = read(source, None, None, _columns(study), seed=0)
    fixed = _fixed(study, pool)
    run = Run(out or Path("runs") / study.name)
    _refuse_others(run, fixed)
    run.manifest |= {"fixed": fixed, "study": study.model_dump(mode="json")}
    return Plan(study, run, pool, grid, {cell.id: cell_key(study, cell, fixed) for cell in grid})


def reopened(run: Run) -> Plan:
    """The plan of a study that was begun, from its manifest alone; without records, so nothing more can be run."""
    study, fixed = Study.model_validate(run.manifest["study"]), run.manifest["fixed"]
    grid = cells(study, {text: models.parse_matrices(text) for text in spellings(study)})
    return Plan(study, run, (), grid, {cell.id: cell_key(study, cell, fixed) for cell in grid})


def _check(study: Study) -> None:
    for name in (*study.attacks, study.rules.attack):
        needs = registry.find(name).needs if name != "all" else ()
        if name == "all" or not set(needs) <= set(registry.TRACE_ONLY):
            raise ConfigError(f"attacks: {name!r} needs further passes; a study runs those that need none")
    if registry.find(study.rules.attack).fitted:
        raise ConfigError(f"rules.attack: {study.rules.attack!r} is fitted, and is not the same in two cells")
    check(study.measurement(study.extraction.generations))


def _columns(study: Study) -> Columns:
    data = study.data
    return Columns(
        text_column=data.text_column, id_column=data.id_column, group_column=data.group_column,
        split_column=data.split_column,
    )  # fmt: skip


def _fixed(study: Study, pool: Sequence[Record]) -> dict[str, Any]:
    """What all cells share, and may not change while a study goes on."""
    kept = study.model_dump(mode="json", include={"model", "training", "extraction", "compute"})
    return {
        **kept,
        "attacks": list(study.measurement("0").attacks),  # with the one that the rules compare
        "data": {**study.data.model_dump(mode="json", exclude={"source"}), "sha256": texts.describe(pool, "").sha256},
        "weights": models.locate(study.model).weights_sha256,
        "versions": provenance.versions(),
    }


def _refuse_others(run: Run, fixed: Mapping[str, Any]) -> None:
    begun = run.manifest.get("fixed")
    if run.manifest["stages"] and begun is None:
        raise RunError(f"--out {run.folder.name} holds a run that is no study: give a new folder")
    for name in fixed:
        if begun is not None and fixed[name] != begun.get(name):
            raise RunError(
                f"{run.folder.name} holds a study begun with another {name}: give a new --out, or the old {name}"
            )


def run_cells(plan: Plan, executor: str, address: str | None) -> dict[str, str]:
    """Run what is not finished; cell to the error of each that failed.

    Raises:
        Interrupted: Ctrl-C; the same call goes on from there.
        ConfigError: the executor cannot run.
    """
    waiting = plan.waiting()
    plan.run.note(cells={cell.id: _described(cell) for cell in plan.cells})
    states = States(plan.run, [cell.id for cell in plan.cells], waiting)
    for line in told(texts.describe(drawn(plan.pool, plan.study, plan.cells[0].seed), str(plan.study.data.source))):
        tell(line)
    tell(f"{len(plan.cells)} cells, {len(plan.cells) - len(waiting)} of them finished before")
    with board("cells", len(plan.cells)) as tick:
        tick(len(plan.cells) - len(waiting))
        states.tick = tick
        try:
            if waiting:
                RUNNERS[executor](plan, waiting, states, address)
        finally:
            states.close()
    return states.errors


def _described(cell: Cell) -> dict[str, Any]:
    return {"training": cell.training.model_dump(mode="json"), "seed": cell.seed, "others": cell.others}


def _here(plan: Plan, waiting: Sequence[str], states: States, address: str | None) -> None:
    if address is not None:
        raise ConfigError("--address needs --executor ray")
    bench = Bench(plan.study, plan.pool, plan.run, plan.compute())
    plan.run.note(dtype=str(bench.lm.dtype).removeprefix("torch."))
    known = {cell.id: cell for cell in plan.cells}

    def work(cell: str, note: Callable[[str, int, int], None]) -> None:
        with listening(note):
            run_cell(bench, known[cell], plan.folder(cell), plan.keys[cell])

    executors.run_here(waiting, work, states.told)


def _on_ray(plan: Plan, waiting: Sequence[str], states: States, address: str | None) -> None:
    def keep(cell: str, packed: bytes) -> None:
        unpack(packed, plan.run, f"cells/{cell}")
        plan.run.note(dtype=Run(plan.folder(cell)).manifest["model"]["dtype"])

    asked = plan.study.resources
    executors.run_on_ray(
        waiting, run_elsewhere, parcel(plan), keep, states.told,
        address=address, cpus=asked.cpus, gpus=asked.gpus, retries=asked.retries,
    )  # fmt: skip


RUNNERS: dict[str, Callable[[Plan, Sequence[str], States, str | None], None]] = {"here": _here, "ray": _on_ray}
