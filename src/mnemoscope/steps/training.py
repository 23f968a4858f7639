"""The step from records to an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope import models
from mnemoscope.errors import RunError
from mnemoscope.progress import bar, say
from mnemoscope.records import Record, TrainingStep
from mnemoscope.seeds import derive, generator
from mnemoscope.steps.opening import identity
from mnemoscope.tables import write_rows

if TYPE_CHECKING:
    from mnemoscope.config import Compute, Training
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.store import Run


def train(
    run: Run,
    cell: str,
    lm: LanguageModel,
    records: Sequence[Record],
    slots: Sequence[int],
    training: Training,
    compute: Compute,
    seed: int,
    *,
    tokens: Tokens | None = None,
    every_epoch: bool = False,
) -> int:
    """Train the cell's adapter and return its number of trainable parameters.

    `tokens` are those of `records`, where they are known. With `every_epoch` the adapter after each epoch is kept as
    well, in cells/CELL/epochs/1, 2, …

    Raises:
        RunError: the folder holds this cell trained with other settings.
    """
    name, files = f"train/{cell}", [f"cells/{cell}/adapter", f"cells/{cell}/training.parquet"]
    files += [f"cells/{cell}/epochs"] if every_epoch else []
    tokens = tokens or models.tokenize(lm, records, max_tokens=compute.max_tokens)
    planned = tokens.take(slots)
    recipe = recipe_for(training, planned, lm, derive(seed, "training"))
    parameters = models.trainable_parameters(lm)
    inputs = {
        "records": run.key("records"), "slots": list(slots), "training": training.model_dump(mode="json"),
        "seed": seed, "matrices": list(training.roles), **identity(lm, compute),
    }  # fmt: skip
    if run.holds(name) and not run.fresh(name, inputs):
        raise RunError(f"{run.folder.name} holds {cell} trained with other settings: give a new --out")
    run.note(config={**run.manifest.get("config", {}), "training": inputs["training"]}, seed=seed)
    say(f"{cell}: {parameters:,} trainable parameters, {len(slots):,} records, {_plan(recipe, len(slots))}")

    def work() -> None:
        heldout = tokens.take(_heldout(records, training.heldout, seed))
        facts = {"matrices": list(training.roles), "copies": training.copies, "seed": seed,
                 "trainable_parameters": parameters}  # fmt: skip
        checkpoints = run.path(f"cells/{cell}/.checkpoints-{derive(0, str(inputs)):x}")
        _finetune(run, files, checkpoints, facts, lm, planned, heldout, recipe)

    if not run.stage(name, inputs, files, work, units=round(planned.total * training.epochs)):
        say(f"{cell}: already trained, kept")
    return parameters


def _finetune(
    run: Run,
    files: Sequence[str],
    checkpoints: Path,
    facts: dict[str, Any],
    lm: LanguageModel,
    planned: Tokens,
    heldout: Tokens,
    recipe: models.Recipe,
) -> None:
    """Fine-tune into `files`: the adapter, the log of its steps and, where they are wanted, the epochs."""
    with ExitStack() as stack:
        tick = stack.enter_context(bar("fine-tune", round(planned.total * recipe.epochs), "tokens"))
        adapter, log, *epochs = [stack.enter_context(run.writing(file)) for file in files]
        each = epochs[0] if epochs else None
        steps = models.finetune(
            lm, planned, heldout, recipe, work=checkpoints, out=adapter, facts=facts, epochs=each, tick=tick
        )
        write_rows(log, TrainingStep, steps)


def recipe_for(training: Training, tokens: Tokens, lm: LanguageModel, seed: int) -> models.Recipe:
    """The recipe for these training slots."""
    steps = models.total_steps(len(tokens), training.batch_size, training.epochs)
    wanted = training.micro_batches
    parts = models.micro_batches(tokens.lengths, training.batch_size, device=lm.device, wanted=wanted)
    return models.Recipe(
        learning_rate=training.learning_rate,
        batch_size=training.batch_size,
        micro_batches=parts,
        epochs=training.epochs,
        warmup_steps=models.warmup(steps, training.warmup_steps),
        save_steps=training.save_steps,
        seed=seed,
    )


def _plan(recipe: models.Recipe, n_records: int) -> str:
    steps = models.total_steps(n_records, recipe.batch_size, recipe.epochs)
    return f"{steps} steps of {recipe.batch_size}, {recipe.warmup_steps} of them warm-up"


def _heldout(records: Sequence[Record], n: int, seed: int) -> list[int]:
    rows = [i for i, record in enumerate(records) if record.part == "calibration"]
    drawn = generator(seed, "heldout").permutation(len(rows))[:n]
    return sorted(rows[i] for i in drawn)
