"""Shadow adapters: the target's recipe on random halves of the groups, so that the truth about each is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnemoscope import models
from mnemoscope.config import Training
from mnemoscope.errors import ConfigError
from mnemoscope.progress import bar, say
from mnemoscope.records import Record
from mnemoscope.seeds import derive, generator
from mnemoscope.steps.opening import fresh_adapter, identity
from mnemoscope.steps.training import recipe_for
from mnemoscope.store import Run
from mnemoscope.tables import read_traces, write_traces
from mnemoscope.traces import Shadows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mnemoscope.steps.case import Case


def shadows(case: Case) -> Shadows:
    """Train what is missing of the shadows and trace each; the target's adapter is off the model afterwards.

    Raises:
        ConfigError: how the target was trained is not known.
    """
    training = recipe_of(case)
    inside = halves(case.records, case.measurement.shadows, case.seed)
    _tell(case, inside, training)
    traces = tuple(_shadow(case, k, np.flatnonzero(rows).tolist(), training) for k, rows in enumerate(inside))
    codes = {name: code for code, name in enumerate(sorted({record.group for record in case.records}))}
    return Shadows(
        traces=traces,
        inside=inside,
        population=np.array([record.part == "calibration" for record in case.records]),
        groups=np.array([codes[record.group] for record in case.records]),
    )


def recipe_of(case: Case) -> Training:
    """How the target was trained, without planting: every shadow is trained so.

    Raises:
        ConfigError: it was not trained by mnemoscope finetune.
    """
    config = Run(case.trained.run).manifest.get("config", {}) if case.trained and case.trained.run else {}
    if "training" not in config:
        raise ConfigError("--shadows needs an adapter of mnemoscope finetune: nobody else says how it was trained")
    return Training(**{**config["training"], "copies": 1, "planted": 1, "heldout": 0})


def halves(records: Sequence[Record], n: int, seed: int) -> NDArray[np.bool_]:
    """Which records each shadow is trained on, shape (n, n_records).

    Shadows 2j and 2j + 1 get the two halves of one random cut of the groups, so that every record is in exactly half
    of the shadows.
    """
    names = sorted({record.group for record in records})
    place = {name: i for i, name in enumerate(names)}
    group = np.array([place[record.group] for record in records], dtype=np.int64)
    found = np.zeros((n, len(records)), dtype=bool)
    for pair in range(n // 2):
        order = generator(seed, "shadows", str(pair)).permutation(len(names))
        first = np.isin(group, order[: len(names) // 2])
        found[2 * pair], found[2 * pair + 1] = first, ~first
    return found


def _names(case: Case, k: int) -> tuple[str, str, str]:
    folder = case.file(f"shadows/{k}")
    return f"shadow/{case.cell}/{k}", f"{folder}/adapter", f"{folder}/traces.parquet"


def _inputs(case: Case, k: int, rows: Sequence[int], training: Training) -> dict[str, Any]:
    return {
        "records": case.records_key, "rows": list(rows), "training": training.model_dump(mode="json"),
        "seed": derive(case.seed, "shadow", str(k)), **identity(case.target, case.compute),
    }  # fmt: skip


def _tell(case: Case, inside: NDArray[np.bool_], training: Training) -> None:
    """Say what it costs, before it runs."""
    lengths = case.tokens.lengths
    open_ = [
        k for k, rows in enumerate(inside)
        if not case.run.fresh(_names(case, k)[0], _inputs(case, k, np.flatnonzero(rows).tolist(), training))
    ]  # fmt: skip
    if open_:
        trained = round(sum(int(lengths[inside[k]].sum()) for k in open_) * training.epochs)
        read = len(open_) * case.tokens.total
        say(f"{len(open_)} shadows to train: {trained:,} tokens of fine-tuning and {read:,} tokens to read")


def _shadow(case: Case, k: int, rows: Sequence[int], training: Training) -> Any:
    name, folder, path = _names(case, k)
    inputs = _inputs(case, k, rows, training)
    planned = case.tokens.take(rows)

    def work() -> None:
        fresh_adapter(case.target, models.parse_matrices(training.matrices), training, inputs["seed"])
        recipe = recipe_for(training, planned, case.target, inputs["seed"])
        checkpoints = case.run.path(case.file(f"shadows/{k}/.checkpoints-{derive(0, str(inputs)):x}"))
        total = round(planned.total * recipe.epochs)
        with (
            bar(f"shadow {k + 1}/{case.measurement.shadows}", total, "tokens") as tick,
            case.run.writing(folder) as out,
        ):
            models.finetune(
                case.target, planned, planned.take(()), recipe, work=checkpoints, out=out, facts={}, tick=tick
            )
        with bar("read records", case.tokens.total, "tokens") as tick, case.run.writing(path) as file:
            plan = models.plan_batches(case.tokens.lengths, device=case.target.device)
            write_traces(file, models.trace(case.target, case.tokens, plan, tick)[0])

    case.run.stage(name, inputs, [folder, path], work, units=round(planned.total * training.epochs))
    return read_traces(case.run.path(path))
