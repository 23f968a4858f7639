"""The models of a verb: opened, with an adapter on them, and the records as their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mnemoscope import models, provenance
from mnemoscope.errors import DataError, ModelError
from mnemoscope.seeds import derive

if TYPE_CHECKING:
    from mnemoscope.config import Compute, Training
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.records import Record
    from mnemoscope.steps.inputs import Trained


def matrices(training: Training) -> tuple[str, ...]:
    """Roles of the matrices to adapt.

    Raises:
        ConfigError: one is not known.
    """
    return models.parse_matrices(training.matrices)


def open_for_training(
    model: str, matrices: tuple[str, ...], training: Training, compute: Compute, seed: int
) -> LanguageModel:
    """The model with a fresh adapter.

    Raises:
        ModelError: the model cannot be used, or has not all of the matrices.
    """
    lm = models.open_model(model, dtype=compute.dtype, device=compute.device, start_token=compute.start_token)
    fresh_adapter(lm, matrices, training, seed)
    return lm


def fresh_adapter(lm: LanguageModel, matrices: tuple[str, ...], training: Training, seed: int) -> None:
    """Put a fresh adapter on the model in place of the one it may have.

    Raises:
        ModelError: the model has not all of the matrices.
    """
    models.detach(lm)
    models.add_lora(
        lm, matrices=matrices, rank=training.rank, alpha=training.lora_alpha, dropout=training.dropout,
        rslora=training.alpha_rule == "rslora", seed=derive(seed, "lora"),
    )  # fmt: skip


def open_pair(
    model: str, trained: Trained | None, reference: str | None, compute: Compute
) -> tuple[LanguageModel, LanguageModel | None]:
    """The target, and the reference where it is another model than the target without its adapter.

    Raises:
        ModelError: the adapter does not belong to the model.
    """
    start = compute.start_token or (trained.facts.get("start_token") if trained else None)
    target = models.open_model(model, dtype=compute.dtype, device=compute.device, start_token=start)
    if trained is not None:
        models.attach(target, trained.folder)
    base = None
    if reference is not None:
        # the same dtype, or the difference of the two would hold rounding
        dtype = str(target.dtype).removeprefix("torch.")
        base = models.open_model(reference, dtype=dtype, device=compute.device, start_token=target.start_token)
    return target, base


def tokens(target: LanguageModel, base: LanguageModel | None, records: Sequence[Record], compute: Compute) -> Tokens:
    """The records as tokens.

    Raises:
        ModelError: the reference cuts them differently, so that its probabilities cannot be compared.
    """
    found = models.tokenize(target, records, max_tokens=compute.max_tokens)
    if base is not None and not _same(found.ids, models.tokenize(base, records, max_tokens=compute.max_tokens).ids):
        raise ModelError(f"{base.name} and {target.name} have different tokenizers: give the model that was fine-tuned")
    empty = sum(len(ids) == 0 for ids in found.ids)
    if empty:
        raise DataError(f"{empty} records have no token at all: remove them")
    return found


def _same(a: Iterable[Any], b: Iterable[Any]) -> bool:
    return all(x.tolist() == y.tolist() for x, y in zip(a, b, strict=True))


def identity(lm: LanguageModel, compute: Compute) -> dict[str, Any]:
    """What every number of a model depends on."""
    return {
        "weights": lm.weights_sha256,
        "dtype": str(lm.dtype),
        "device": lm.device.type,
        "start_token": lm.start_token,
        "max_tokens": compute.max_tokens,
        "versions": provenance.versions(),
    }
