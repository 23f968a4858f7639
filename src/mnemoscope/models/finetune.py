"""Fine-tuning with the Trainer of transformers: resumable after kill -9, equal for equal seeds."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PrinterCallback, Trainer, TrainingArguments

from mnemoscope.errors import Interrupted
from mnemoscope.models.batches import pack, packs, pad
from mnemoscope.models.callbacks import EPOCH, EachEpoch, HeldOut, Progress
from mnemoscope.models.lora import quiet, save_adapter
from mnemoscope.models.loss import summed_loss
from mnemoscope.records import TrainingStep

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.models.tokens import Tokens

PART_TOKENS = (1000, 8192)
"""Tokens trained on at once on a CPU and on a GPU. From 900 at a time two cores learned 5-8% more tokens a second than
from 450, and 4-13% more than from 1800, in bfloat16 and in float32."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. Names and units as in transformers."""

    learning_rate: float
    batch_size: int
    """Records an optimizer step (the effective batch)."""
    micro_batches: int
    """Parts the effective batch is cut into; changes memory and speed, not the gradient."""
    epochs: float
    warmup_steps: int
    save_steps: int
    """Optimizer steps between two checkpoints."""
    seed: int


def total_steps(n_records: int, batch_size: int, epochs: float) -> int:
    """Optimizer steps of a whole training, the last batch of an epoch counted."""
    per_epoch = -(-n_records // batch_size)
    return max(1, int(np.ceil(per_epoch * epochs)))


def warmup(steps: int, wanted: int) -> int:
    """Warm-up steps: as wanted where that is under half the run, else a tenth of it (rounded; 0 for a few steps)."""
    return wanted if wanted < steps / 2 else round(steps / 10)


def micro_batches(
    lengths: NDArray[np.int64], batch_size: int, *, device: torch.device, wanted: int | None = None
) -> int:
    """Into how many parts an effective batch is cut: at most `wanted`, else so that a part has up to PART_TOKENS.

    The number divides the batch, and no last batch of an epoch has fewer records than parts: the sampler of
    transformers would fill it by repeating some.
    """
    left = len(lengths) % batch_size
    allowed = [m for m in range(1, batch_size + 1) if batch_size % m == 0 and (left == 0 or left >= m)]
    if wanted is not None:
        return max(m for m in allowed if m <= wanted)
    parts = batch_size * float(lengths.mean()) / PART_TOKENS[device.type == "cuda"]
    return next((m for m in allowed if m >= parts), allowed[-1])


class _Records(torch.utils.data.Dataset[dict[str, list[int]]]):
    """Start token and tokens of every training slot."""

    def __init__(self, tokens: Tokens, start_id: int) -> None:
        self.rows = [[start_id, *map(int, ids)] for ids in tokens.ids]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, list[int]]:
        return {"input_ids": self.rows[i]}


class _Trainer(Trainer):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.model_accepts_loss_kwargs = True  # compute_loss below divides by the tokens of the whole effective batch
        self.remove_callback(PrinterCallback)

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        loss: torch.Tensor = summed_loss(model, inputs) / num_items_in_batch
        return loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # nobody reads it, and counting walks over all modules in every step

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        sampler: Any = super()._get_train_sampler(train_dataset)
        sampler.seed = self.args.seed  # transformers leaves it at 42 whatever the seed of the run is
        return sampler


def finetune(
    lm: LanguageModel,
    training: Tokens,
    heldout: Tokens,
    recipe: Recipe,
    *,
    work: Path,
    out: Path,
    facts: dict[str, Any],
    epochs: Path | None = None,
    tick: Callable[..., None] = lambda *_, **__: None,
) -> list[TrainingStep]:
    """Train the model's adapter on every row of `training`, write it to `out`, and say how it went.

    Args:
        lm: a model with a fresh adapter; holds the trained one afterwards.
        training: one row a training slot (a planted record has several).
        heldout: records whose perplexity is measured after every epoch.
        work: where checkpoints are kept until the adapter is written; an earlier run's are resumed.
        out: the PEFT folder.
        facts: what else the adapter should say of itself.
        epochs: where PEFT folders named 1, 2, … are put, the adapter after each epoch; None to keep the last alone.
        tick: called as tick(tokens) and tick(0, note="loss …").

    Raises:
        Interrupted: Ctrl-C; the same call goes on from there.
    """
    steps = total_steps(len(training), recipe.batch_size, recipe.epochs)
    per_epoch = -(-len(training) // recipe.batch_size)
    progress = Progress(tick, training.total * recipe.epochs / steps)
    callbacks = [progress, HeldOut(lm, heldout, per_epoch)]
    callbacks += [EachEpoch(lm, work, per_epoch, facts)] if epochs else []
    trainer = _Trainer(
        model=lm.model,
        args=_arguments(recipe, work, lm.device),
        train_dataset=_Records(training, lm.start_id),
        data_collator=pack if packs(lm) else pad,
        callbacks=callbacks,
    )
    start = newest_checkpoint(work)
    if start:
        tick(round(int(start.name.rpartition("-")[2]) * progress.tokens_per_step))
    _train(trainer, progress, start)
    if progress.stop:
        raise Interrupted("stopped after a checkpoint")
    lm.model.eval()
    save_adapter(lm, out, facts)
    if epochs is not None:
        _copy_epochs(work, epochs)
    _remove_checkpoints(work)
    return history(trainer.state.log_history)


def _copy_epochs(work: Path, out: Path) -> None:
    """Copied, not moved: a resumed training does not make those again that come before its checkpoint."""
    out.mkdir()
    prefix = EPOCH.format("")
    for folder in sorted(work.glob(EPOCH.format("*"))):
        if folder.suffix != ".half":
            shutil.copytree(folder, out / folder.name.removeprefix(prefix))


def _remove_checkpoints(work: Path) -> None:
    """Renamed first: where a kill breaks the removal off, no checkpoint without its weights is left to be resumed."""
    gone = work.with_name(f"{work.name}.half")
    shutil.rmtree(gone, ignore_errors=True)
    work.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _train(trainer: Trainer, progress: Progress, start: Path | None) -> None:
    old = None
    if _in_main_thread():
        old = signal.signal(signal.SIGINT, progress.interrupt)
    try:
        with quiet():
            trainer.train(resume_from_checkpoint=str(start) if start else None)
    finally:
        if old is not None:
            signal.signal(signal.SIGINT, old)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _arguments(recipe: Recipe, work: Path, device: torch.device) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(work),
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size // recipe.micro_batches,
        gradient_accumulation_steps=recipe.micro_batches,
        train_sampling_strategy="batch_rebalance",
        num_train_epochs=recipe.epochs,
        warmup_steps=recipe.warmup_steps,
        seed=recipe.seed,
        data_seed=recipe.seed,
        save_steps=recipe.save_steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=device.type == "cpu",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # several visible GPUs would be wrapped in DataParallel
    return arguments


def newest_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint: its trainer_state.json, which is written last, is there and can be read.

    transformers' own search takes the highest number, even of a folder that a kill left torn.
    """

    def step(folder: Path) -> int:
        return int(folder.name.rpartition("-")[2])

    for folder in sorted(work.glob("checkpoint-*"), key=step, reverse=True):
        try:
            json.loads((folder / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        return folder
    return None


def history(log: Sequence[dict[str, Any]]) -> list[TrainingStep]:
    """One row an optimizer step from the Trainer's log, with the held-out perplexity where it was measured."""
    heldout = {entry["step"]: entry["heldout_perplexity"] for entry in log if "heldout_perplexity" in entry}
    return [
        TrainingStep(
            step=int(entry["step"]),
            epoch=float(entry["epoch"]),
            loss=float(entry["loss"]),
            learning_rate=float(entry["learning_rate"]),
            heldout_perplexity=heldout.get(entry["step"]),
        )
        for entry in log
        if "loss" in entry
    ]
