"""The manifest of planted canaries: what an auditor keeps, and nobody else sees."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mnemoscope.data.canary_texts import Canary
from mnemoscope.errors import DataError
from mnemoscope.faults import faults_of

SHOWN = 3
"""Faults of a manifest that its message lists."""

Sha256 = str


class CanaryManifest(BaseModel):
    """All that was drawn, with the hashes of what it was planted into and of what came out; holds no folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal["1"] = "1"
    seed: int
    source_sha256: Sha256 = Field(pattern="^[0-9a-f]{64}$")
    """Of the data file before planting."""
    planted_sha256: Sha256 = Field(pattern="^[0-9a-f]{64}$")
    """Of the data file with the canaries."""
    model: str
    """Name of the model whose tokens were counted and that drew the perplexing texts."""
    weights_sha256: Sha256 = Field(pattern="^[0-9a-f]{64}$")
    load_in: str = Field("full", pattern="^(full|8bit|4bit)$")
    """How its weights were opened; texts drawn from a quantised model are others."""
    temperature: float = Field(gt=0)
    """Of the perplexing texts."""
    training_tokens: int = Field(ge=1)
    """Tokens of the training texts without canaries."""
    planted_tokens: int = Field(ge=0)
    """Tokens of all copies of the included canaries."""
    canaries: tuple[Canary, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> CanaryManifest:
        for one in self.canaries:
            if fault := _fault(one):
                raise ValueError(f"canary {one.id[:40]!r}: {fault}")
        twice = [name for name, n in Counter(one.id for one in self.canaries).items() if n > 1]
        if twice:
            raise ValueError(f"two canaries are called {twice[0][:40]!r}")
        return self


def _fault(one: Canary) -> str | None:
    """What contradicts itself in a canary; never its text."""
    if not 0 < one.start < one.end <= len(one.text):
        return "the secret must lie inside the text, with something before it"
    if one.copies < 1:
        return "copies must be 1 or more"
    if one.kind != "digits":
        return "digits must be 0 for this kind" if one.digits else None
    if not (one.secret.isascii() and one.secret.isdigit() and len(one.secret) == one.digits):
        return "the secret must be as many digits as it says"
    return None


def write_canaries(path: Path, manifest: CanaryManifest) -> None:
    """Write the manifest, readable by the owner alone."""
    write_private(path, (manifest.model_dump_json(indent=2) + "\n").encode())


def read_canaries(path: Path) -> CanaryManifest:
    """What `write_canaries` wrote.

    Raises:
        DataError: there is no such file, or it is not as it was written; the message holds no text of a canary.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}. Give the file that canaries wrote.") from None
    try:
        return CanaryManifest.model_validate_json(content)
    except ValidationError as error:
        # from None: the cause carries what stands in the file
        raise DataError(f"{path.name} is no manifest of canaries: {_told(error)}. Make it again.") from None


def _told(error: ValidationError) -> str:
    """The first faults, each with its place and without the value that was found there."""
    found = faults_of(error)
    shown = [f"{fault.place}: {fault.said}" if fault.loc else fault.said for fault in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "; ".join([*shown, *more])


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, all at once."""
    half = path.with_name(f".{path.name}.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    half.replace(path)
