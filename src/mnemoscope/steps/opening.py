"""The models of a verb: opened, with an adapter on them, and the records as their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mnemoscope import models, provenance
from mnemoscope.errors import DataError, ModelError
from mnemoscope.progress import say
from mnemoscope.seeds import derive
from mnemoscope.store import key_of

if TYPE_CHECKING:
    from mnemoscope.config import Compute, Training
    from mnemoscope.decoding import Decoding
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.records import Record
    from mnemoscope.steps.inputs import Trained


def open_for_training(model: str, training: Training, compute: Compute, seed: int) -> LanguageModel:
    """The model with a fresh adapter.

    Raises:
        ModelError: the model cannot be used, or has not all of the matrices.
    """
    lm = open_alone(model, compute)
    fresh_adapter(lm, training, seed)
    return lm


def open_alone(model: str, compute: Compute) -> LanguageModel:
    """The model without an adapter, as the options say.

    Raises:
        ModelError: the model cannot be used.
        ConfigError: an option is not allowed for it.
    """
    return models.open_model(
        model, dtype=compute.dtype, device=compute.device, start_token=compute.start_token, load_in=compute.load_in
    )


def fresh_adapter(lm: LanguageModel, training: Training, seed: int) -> None:
    """Put a fresh adapter on the model in place of the one it may have.

    Raises:
        ModelError: the model has not all of the matrices.
    """
    models.detach(lm)
    models.add_lora(
        lm, matrices=training.roles, rank=training.rank, alpha=training.lora_alpha, dropout=training.dropout,
        rslora=training.alpha_rule == "rslora", seed=derive(seed, "lora"),
    )  # fmt: skip


def open_pair(
    model: str, trained: Trained | None, reference: str | None, compute: Compute
) -> tuple[LanguageModel, LanguageModel | None]:
    """The target, and the reference where it is another model than the target without its adapter.

    Raises:
        ModelError: the adapter does not belong to the model, or the reference is quantised otherwise than the target.
    """
    known = trained.facts if trained else {}
    own = {name: getattr(compute, name) or known.get(name) for name in ("start_token", "load_in")}
    target = open_alone(model, compute.model_copy(update=own))
    if trained is not None:
        models.attach(target, trained.folder)
        for finding in loaded_otherwise(target, trained):
            say(f"note: {finding}")
    base = None
    if reference is not None:
        # the same dtype, or the difference of the two would hold rounding
        dtype = str(target.dtype).removeprefix("torch.")
        base = open_alone(reference, compute.model_copy(update={"dtype": dtype, "start_token": target.start_token}))
        _refuse_other_bits(target, base)
    return target, base


def _refuse_other_bits(target: LanguageModel, base: LanguageModel) -> None:
    if target.bits != base.bits:
        raise ModelError(
            f"the weights of {target.name} are {target.bits} and those of its reference {base.name} are {base.bits}, "
            "so their difference would hold that rounding: give both saved alike, or the --load-in that suits both"
        )


def loaded_otherwise(target: LanguageModel, trained: Trained | None) -> list[str]:
    """Where an adapter is measured, as asked for, on weights in other bits than those that it was trained on: told."""
    if trained is None or "base_weights_sha256" not in trained.facts:
        return []
    then = trained.facts.get("load_in", "full")
    if then == target.load_in:
        return []
    return [
        f"The adapter was trained with --load-in {then} and is measured with --load-in {target.load_in}: the numbers "
        "hold for the model as it is loaded here."
    ]


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
        **({} if lm.load_in == "full" else {"load_in": lm.load_in}),
        "weights": lm.weights_sha256,
        "dtype": str(lm.dtype),
        "device": lm.device.type,
        "start_token": lm.start_token,
        "max_tokens": compute.max_tokens,
        "versions": provenance.versions_for(lm.load_in),
    }


def texts_key(records: Sequence[Record]) -> str:
    """Hash of the records' ids and texts in their order."""
    return key_of([[record.id, record.text] for record in records])


def base_inputs(lm: LanguageModel, compute: Compute, texts: str, decodings: Sequence[Decoding]) -> dict[str, Any]:
    """What a base's traces depend on, the machine apart; `texts` is their `texts_key`."""
    return {"texts": texts, "decodings": [one.label for one in decodings], **identity(lm, compute)}
