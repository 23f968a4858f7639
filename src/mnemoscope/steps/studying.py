"""A study in progress: its plan, its cells, who runs them, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mnemoscope.data as texts
from mnemoscope import executors, models, provenance
from mnemoscope.config import Columns
from mnemoscope.errors import ConfigError, RunError
from mnemoscope.grid import Cell, cells
from mnemoscope.progress import board, listening, tell
from mnemoscope.steps.bench import REFERENCE, Bench, drawn
from mnemoscope.steps.cells import cell_key, finished, run_cell
from mnemoscope.steps.elsewhere import Parcel, run_beside, run_elsewhere, unpack
from mnemoscope.steps.inputs import read, told
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
    models.check_loading(study.compute_options().load_in)
    study = study.model_copy(update={"data": study.data.model_copy(update={"source": source})})
    grid = cells(study)
    pool = read(source, None, None, columns(study), seed=0)
    fixed = _fixed(study, pool)
    run = Run(out or Path("runs") / study.name)
    _refuse_others(run, fixed)
    run.manifest |= {"fixed": fixed, "study": study.model_dump(mode="json")}
    return Plan(study, run, pool, grid, {cell.id: cell_key(study, cell, fixed) for cell in grid})


def reopened(run: Run) -> Plan:
    """The plan of a study that was begun, from its manifest alone; without records, so nothing more can be run."""
    study, fixed = Study.model_validate(run.manifest["study"]), run.manifest["fixed"]
    grid = cells(study)
    return Plan(study, run, (), grid, {cell.id: cell_key(study, cell, fixed) for cell in grid})


def columns(study: Study) -> Columns:
    """Where the fields of a study's records are."""
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
        "versions": provenance.versions_for(study.compute_options().load_in),
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


@dataclass(frozen=True, slots=True)
class Where:
    """Where the cells of a study run."""

    executor: Literal["here", "ray"] = "here"
    address: str | None = None
    """Of a Ray cluster; None for a Ray on this machine alone."""
    jobs: int = 1
    """Processes on this machine."""

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            ConfigError: an option belongs to another executor, or there would be no process.
        """
        if self.address is not None and self.executor != "ray":
            raise ConfigError("--address needs --executor ray")
        if self.jobs < 1:
            raise ConfigError(f"--jobs {self.jobs}: give 1 or more")
        if self.jobs > 1 and self.executor == "ray":
            raise ConfigError("--jobs needs --executor here: on Ray, resources in the study file say how many fit")


def run_cells(plan: Plan, where: Where) -> dict[str, str]:
    """Run what is not finished; cell to the error of each that failed.

    Raises:
        Interrupted: Ctrl-C; the same call goes on from there.
        ConfigError: the executor cannot run.
        RunError: another call is running the study.
    """
    with plan.run.alone():
        return _run(plan, where)


def _run(plan: Plan, where: Where) -> dict[str, str]:
    waiting = plan.waiting()
    known = _known(plan, waiting)
    plan.run.note(cells={cell.id: _described(cell) for cell in plan.cells})
    describe(plan)  # before anything runs: a study that is stopped is reported too
    states = States(plan.run, [cell.id for cell in plan.cells], waiting)
    for line in told(texts.describe(drawn(plan.pool, plan.study, plan.cells[0].seed), str(plan.study.data.source))):
        tell(line)
    tell(f"{len(plan.cells)} cells, {known} of them finished before")
    with board("cells", len(plan.cells)) as tick:
        tick(known)
        states.tick = tick
        try:
            if waiting:
                _runner(where)(plan, waiting, states, where)
        finally:
            states.close()
    return states.errors


def describe(plan: Plan) -> None:
    """Note what a page tells of the records and of the code."""
    facts = texts.describe(plan.pool, str(plan.study.data.source))
    plan.run.note(data=asdict(facts), commit=provenance.commit(), versions=provenance.versions())


def _known(plan: Plan, waiting: Sequence[str]) -> int:
    """How many cells are finished."""
    done = [cell.id for cell in plan.cells if cell.id not in set(waiting)]
    if done and "dtype" not in plan.run.manifest:  # killed between the end of its first cell and the note of it
        _note_dtype(plan, done[0])
    return len(done)


def _described(cell: Cell) -> dict[str, Any]:
    return {"training": cell.training.model_dump(mode="json"), "seed": cell.seed, "others": cell.others}


def _runner(where: Where) -> Callable[[Plan, Sequence[str], States, Where], None]:
    if where.executor == "ray":
        return _on_ray
    return _beside if where.jobs > 1 else _here


def _here(plan: Plan, waiting: Sequence[str], states: States, _: Where) -> None:
    bench = Bench(plan.study, plan.pool, plan.run.path(REFERENCE), plan.compute())
    plan.run.note(dtype=str(bench.lm.dtype).removeprefix("torch."))
    known = {cell.id: cell for cell in plan.cells}

    def work(cell: str, note: Callable[[str, int, int], None]) -> None:
        with listening(note):
            run_cell(bench, known[cell], plan.folder(cell), plan.keys[cell])

    executors.run_here(waiting, work, states.told)


def _beside(plan: Plan, waiting: Sequence[str], states: States, where: Where) -> None:
    def keep(event: executors.Event) -> None:
        if event.state == "done":
            _note_dtype(plan, event.cell)
        states.told(event)

    executors.run_in_processes(
        waiting, run_beside, (_parcel(plan), plan.run.folder.resolve()), keep,
        jobs=where.jobs, retries=plan.study.resources.retries,
    )  # fmt: skip


def _parcel(plan: Plan) -> Parcel:
    """What travels to every machine."""
    fixed = plan.run.manifest["fixed"]
    return Parcel(
        plan.study.model_dump(mode="json"), plan.pool, dict(plan.keys), fixed["weights"], fixed["versions"],
        plan.compute().dtype,
    )  # fmt: skip


def _on_ray(plan: Plan, waiting: Sequence[str], states: States, where: Where) -> None:
    def keep(cell: str, packed: bytes) -> None:
        unpack(packed, plan.run, f"cells/{cell}")
        _note_dtype(plan, cell)

    asked = plan.study.resources
    executors.run_on_ray(
        waiting, run_elsewhere, _parcel(plan), keep, states.told,
        address=where.address, cpus=asked.cpus, gpus=asked.gpus, retries=asked.retries,
    )  # fmt: skip


def _note_dtype(plan: Plan, cell: str) -> None:
    plan.run.note(dtype=Run(plan.folder(cell)).manifest["model"]["dtype"])
