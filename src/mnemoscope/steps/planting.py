"""Canaries into a user's data file: drawn, counted in tokens, planted by fair coins, and written down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mnemoscope.data as texts
from mnemoscope import models
from mnemoscope.errors import ConfigError, DataError, RunError
from mnemoscope.progress import say
from mnemoscope.records import Record
from mnemoscope.steps.opening import open_alone

if TYPE_CHECKING:
    from mnemoscope.config import Canaries, Columns, Compute
    from mnemoscope.data import Canary
    from mnemoscope.models import LanguageModel

MANIFEST = "canaries.json"


@dataclass(frozen=True, slots=True)
class Planted:
    """What was made: two files, and what a person wants to know of them."""

    data: Path
    """The user's file with the canaries in it."""
    manifest: Path
    canaries: tuple[Canary, ...]
    training_tokens: int
    """Tokens of the training texts without canaries."""
    planted_tokens: int
    """Tokens of all copies of the included canaries."""


def make_canaries(
    model: str, data: Path, out: Path, wanted: Canaries, *, columns: Columns, compute: Compute, seed: int
) -> Planted:
    """Draw canaries, flip their coins, and write the data file with the included ones and the manifest to `out`.

    Args:
        model: the model that will be fine-tuned: it counts the tokens and draws the perplexing texts.
        data: file to plant into; the planted file has its name and format.
        out: folder for both files.
        wanted: which canaries.
        columns: which column of the file means what.
        compute: how the model is opened.
        seed: of all draws.

    Raises:
        ConfigError: a number is out of range, or the canaries do not fit into the budget.
        DataError: the file cannot be planted into, or the tokenizer does not give a canary's text back.
        ModelError: the model cannot be used, or draws no text that keeps its tokens.
        RunError: `out` holds canaries already.
    """
    _refuse_overwriting(out / data.name, out / MANIFEST)
    places = texts.Columns(
        text=columns.text_column, id=columns.id_column, group=columns.group_column, split=columns.split_column
    )
    training = texts.training_texts(data, places)  # first: the quickest to refuse
    lm = open_alone(model, compute)
    _check_context(lm, wanted)
    made = _drawn(lm, wanted, seed)
    sizes = _sizes(lm, made, compute)
    total = models.tokenize(lm, records_of(training), max_tokens=compute.max_tokens).total
    _refuse_many(made, sizes, total, wanted.budget)
    inside = sum(one.copies * size for one, size in zip(made, sizes, strict=True) if one.included)
    planted = Planted(out / data.name, out / MANIFEST, made, total, inside)
    _write(planted, lm, data, texts.with_canaries(data, made, columns=places, seed=seed), wanted, seed)
    _tell(planted)
    return planted


def _refuse_overwriting(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise RunError(f"--out {path.parent.name} holds {path.name} already: give a new folder")


def _check_context(lm: LanguageModel, wanted: Canaries) -> None:
    context = getattr(lm.model.config, "max_position_embeddings", None)
    if wanted.perplexing and context is not None and wanted.tokens >= context:
        raise ConfigError(f"--tokens {wanted.tokens} is more than {lm.name} reads, which is {context}: give fewer")


def _drawn(lm: LanguageModel, wanted: Canaries, seed: int) -> tuple[Canary, ...]:
    """The canaries with their coins."""
    perplexing = models.perplexing_texts(lm, wanted.perplexing, wanted.tokens, seed, temperature=wanted.temperature)
    return texts.make_canaries(
        digits=wanted.digits,
        perplexing=perplexing,
        notes=wanted.notes,
        copies=wanted.copies,
        cut=lambda text: _middle(lm, text),
        length=wanted.length,
        seed=seed,
    )


def records_of(given: Sequence[str]) -> list[Record]:
    """Texts as records, for the tokenizer."""
    return [Record(str(i), text, str(i), "member", "train") for i, text in enumerate(given)]


def _middle(lm: LanguageModel, text: str) -> int:
    """The first character of the second half of the text's tokens."""
    ends = models.tokenize(lm, records_of([text]), max_tokens=len(text.encode()) + 1).char_ends[0]
    return int(ends[len(ends) // 2 - 1])


def _sizes(lm: LanguageModel, made: Sequence[Canary], compute: Compute) -> list[int]:
    """Tokens of each canary.

    Raises:
        DataError: the tokenizer changes a canary's text, or a canary is too long for the model.
    """
    coded = models.tokenize(lm, records_of([one.text for one in made]), max_tokens=compute.max_tokens)
    changed = [one.id for one, ids in zip(made, coded.ids, strict=True) if models.decode(lm, ids) != one.text]
    if changed:
        raise DataError(
            f"{len(changed)} canaries, the first is {changed[0]!r}, do not come back from {lm.name}'s tokens: it cuts "
            "or changes them. Give a larger --max-tokens, or ask for other kinds"
        )
    return [len(ids) for ids in coded.ids]


def _refuse_many(made: Sequence[Canary], sizes: Sequence[int], total: int, budget: float) -> None:
    """The budget is held against what the coins let expect, half of all copies.

    A refusal must not depend on how the coins fell: then only some results of the coins would be left, and they would
    not be fair.
    """
    expected = sum(one.copies * size for one, size in zip(made, sizes, strict=True)) / 2
    if expected <= budget * total:
        return
    fit = int(len(made) * budget * total / expected)
    raise ConfigError(
        f"{len(made)} canaries with their copies are about {expected:,.0f} tokens, {100 * expected / total:,.1f}% of "
        f"the {total:,} training tokens, and --budget allows {100 * budget:g}%: about {fit} of this mix would fit. "
        "Ask for fewer, for fewer --copies, or raise --budget"
    )


def _write(planted: Planted, lm: LanguageModel, source: Path, content: bytes, wanted: Canaries, seed: int) -> None:
    """Both files, for the owner alone; the manifest last, so that it never speaks of a file that is not there."""
    manifest = texts.CanaryManifest(
        seed=seed,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        planted_sha256=hashlib.sha256(content).hexdigest(),
        model=lm.name,
        weights_sha256=lm.weights_sha256,
        load_in=lm.load_in,
        temperature=wanted.temperature,
        training_tokens=planted.training_tokens,
        planted_tokens=planted.planted_tokens,
        canaries=planted.canaries,
    )
    planted.data.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    texts.write_private(planted.data, content)
    texts.write_canaries(planted.manifest, manifest)


def _tell(made: Planted) -> None:
    inside = [one for one in made.canaries if one.included]
    rows, share = sum(one.copies for one in inside), 100 * made.planted_tokens / made.training_tokens
    say(
        f"planted {len(inside)} of {len(made.canaries)} canaries in {rows:,} rows: {made.planted_tokens:,} tokens, "
        f"{share:,.1f}% of the {made.training_tokens:,} training tokens"
    )


def read_canaries(path: Path | None) -> tuple[Canary, ...]:
    """The canaries in the manifest of `make_canaries`; none without one.

    Raises:
        DataError: it is not as it was written.
    """
    return () if path is None else texts.read_canaries(Path(path)).canaries


def set_apart(records: Sequence[Record], canaries: Sequence[Canary]) -> tuple[Record, ...]:
    """The records without the planted canaries.

    Raises:
        DataError: the records hold some canary more or less often than it was planted.
    """
    return texts.set_apart(records, canaries)
