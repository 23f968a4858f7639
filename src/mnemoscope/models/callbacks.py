"""What happens beside the steps of a training: progress, Ctrl-C, held-out perplexity, the adapter of every epoch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback

from mnemoscope.models.forward import plan_batches, trace
from mnemoscope.models.lora import save_adapter

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel
    from mnemoscope.models.tokens import Tokens

EPOCH = "epoch-{}"
"""Name of the folder beside the checkpoints that holds the adapter after an epoch."""


class Progress(TrainerCallback):
    """Tells the bar how far it is, and turns Ctrl-C into a checkpoint."""

    def __init__(self, tick: Callable[..., None], tokens_per_step: float) -> None:
        self.tick, self.tokens_per_step, self.stop = tick, tokens_per_step, False

    def interrupt(self, *_: object) -> None:
        self.stop = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.tick(round(self.tokens_per_step))
        control.should_save |= self.stop
        control.should_training_stop |= self.stop

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.tick(0, note=f"loss {float(logs['loss']):.3f}")


class HeldOut(TrainerCallback):
    """Perplexity of held-out records at the end of every epoch, kept in the log that checkpoints carry."""

    def __init__(self, lm: LanguageModel, heldout: Tokens, steps_per_epoch: int) -> None:
        self.lm, self.heldout, self.steps_per_epoch = lm, heldout, steps_per_epoch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if len(self.heldout) and _epoch_ends(state, self.steps_per_epoch):
            value = perplexity(self.lm, self.heldout)
            state.log_history.append({"step": state.global_step, "heldout_perplexity": value})


class EachEpoch(TrainerCallback):
    """Keeps the adapter after every epoch; a checkpoint of the same step is written later, so it never lacks one."""

    def __init__(self, lm: LanguageModel, work: Path, steps_per_epoch: int, facts: dict[str, Any]) -> None:
        self.lm, self.work, self.steps_per_epoch, self.facts = lm, work, steps_per_epoch, facts

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if _epoch_ends(state, self.steps_per_epoch):
            name = EPOCH.format(-(-state.global_step // self.steps_per_epoch))
            half = self.work / f"{name}.half"
            save_adapter(self.lm, half, self.facts)
            shutil.rmtree(self.work / name, ignore_errors=True)
            half.replace(self.work / name)


def _epoch_ends(state: Any, steps_per_epoch: int) -> bool:
    return bool(state.global_step == state.max_steps or state.global_step % steps_per_epoch == 0)


def perplexity(lm: LanguageModel, tokens: Tokens) -> float:
    """exp of the mean loss over all tokens, the start token's successor included."""
    training = lm.model.training
    lm.model.eval()
    traces, _ = trace(lm, tokens, plan_batches(tokens.lengths, device=lm.device))
    lm.model.train(training)
    return float(np.exp(-traces.columns["logprob"].astype(np.float64).mean()))
