"""Models trained like the target on other records: what shadows and in-domain references share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnemoscope import models
from mnemoscope.config import Training
from mnemoscope.errors import ConfigError
from mnemoscope.progress import bar, say
from mnemoscope.seeds import derive
from mnemoscope.steps.opening import fresh_adapter, identity
from mnemoscope.steps.training import recipe_for
from mnemoscope.store import Run
from mnemoscope.tables import read_traces, write_traces

if TYPE_CHECKING:
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces


@dataclass(frozen=True, slots=True)
class Other:
    """One of several such models."""

    kind: str
    """What it is for: names its stage, and is part of its seed."""
    folder: str
    """Of its files, in the cell's folder."""
    k: int
    of: int
    trained: Sequence[int]
    """Rows of the case's records that it is trained on."""
    read: Sequence[int] | None = None
    """Rows that it reads; all when None."""

    def stage(self, case: Case) -> str:
        """Name of the stage that makes it."""
        return f"{self.kind}/{case.cell}/{self.k}"

    def paths(self, case: Case) -> tuple[str, str]:
        """Its adapter and its traces."""
        folder = case.file(f"{self.folder}/{self.k}")
        return f"{folder}/adapter", f"{folder}/traces.parquet"

    def inputs(self, case: Case, training: Training) -> dict[str, Any]:
        """What it depends on."""
        return {
            "records": case.records_key, "rows": list(self.trained), "training": training.model_dump(mode="json"),
            "seed": derive(case.seed, self.kind, str(self.k)), **identity(case.target, case.compute),
            **({} if self.read is None else {"read": list(self.read)}),
        }  # fmt: skip


def recipe_of(case: Case, option: str) -> Training:
    """How the target was trained, without planting: every other model is trained so.

    Raises:
        ConfigError: it was not trained by mnemoscope finetune; `option` is what asked.
    """
    config = Run(case.trained.run).manifest.get("config", {}) if case.trained and case.trained.run else {}
    if "training" not in config:
        raise ConfigError(f"{option} needs an adapter of mnemoscope finetune: nobody else says how it was trained")
    return Training(**{**config["training"], "copies": 1, "planted": 1, "heldout": 0})


def tell(case: Case, others: Sequence[Other], training: Training, what: str) -> None:
    """Say what it costs, before it runs."""
    lengths = case.tokens.lengths
    open_ = [one for one in others if not case.run.fresh(one.stage(case), one.inputs(case, training))]
    if open_:
        trained = round(sum(int(lengths[list(one.trained)].sum()) for one in open_) * training.epochs)
        read = sum(case.tokens.total if one.read is None else int(lengths[list(one.read)].sum()) for one in open_)
        say(f"{len(open_)} {what} to train: {trained:,} tokens of fine-tuning and {read:,} tokens to read")


def traced(case: Case, other: Other, training: Training, what: str) -> Traces:
    """Train it and read the records, where that is not done; the target's adapter is off the model afterwards."""
    (folder, path), inputs = other.paths(case), other.inputs(case, training)
    planned = case.tokens.take(other.trained)
    read = case.tokens if other.read is None else case.tokens.take(other.read)

    def work() -> None:
        fresh_adapter(case.target, training, inputs["seed"])
        recipe = recipe_for(training, planned, case.target, inputs["seed"])
        checkpoints = case.run.path(case.file(f"{other.folder}/{other.k}/.checkpoints-{derive(0, str(inputs)):x}"))
        total = round(planned.total * recipe.epochs)
        with bar(f"{what} {other.k + 1}/{other.of}", total, "tokens") as tick, case.run.writing(folder) as out:
            models.finetune(
                case.target, planned, planned.take(()), recipe, work=checkpoints, out=out, facts={}, tick=tick
            )
        with bar("read records", read.total, "tokens") as tick, case.run.writing(path) as file:
            plan = models.plan_batches(read.lengths, device=case.target.device)
            write_traces(file, models.trace(case.target, read, plan, tick)[0])

    units = round(planned.total * training.epochs)
    case.run.stage(other.stage(case), inputs, [folder, path], work, units=units)
    return read_traces(case.run.path(path))
