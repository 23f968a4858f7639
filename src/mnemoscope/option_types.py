"""Types of options: each word is judged where it is read, so that all faults come in one message, each in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated

from cyclopts import Parameter
from pydantic import AfterValidator, BeforeValidator, Field

from mnemoscope.decoding import closed_form, parse_decoding
from mnemoscope.errors import ConfigError
from mnemoscope.matrices import parse_matrices
from mnemoscope.prefixes import parse_prefix

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


def split_commas(given: object) -> tuple[str, ...]:
    """("a,b", "c") -> ("a", "b", "c"), so that an option may be repeated or take a list."""
    items = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    return tuple(part.strip() for item in items for part in str(item).split(",") if part.strip())


def spelled(parse: Callable[[str], object]) -> AfterValidator:
    """Keeps the word that `parse` takes; what `parse` says of any other is told with its place."""

    def judge(word: str) -> str:
        try:
            parse(word)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return word

    return AfterValidator(judge)


def some(such: str) -> AfterValidator:
    """Keeps a list that is not empty; `such` says what it may hold."""

    def judge(words: tuple[str, ...]) -> tuple[str, ...]:
        if not words:
            raise ValueError(f"is empty: give {such}")
        return words

    return AfterValidator(judge)


def _samples(text: str) -> None:
    if parse_decoding(text).temperature == 0:
        raise ConfigError("would write one text again and again: give a decoding that samples, such as t1-k40")


def _known(attack: str) -> None:
    from mnemoscope import registry  # needs numpy, which --help does without

    if attack != "all":
        registry.find(attack)


def _amount(text: str) -> None:
    # isdigit alone would take the digits of every script
    if text != "all" and not (text.isascii() and text.isdigit()):
        raise ConfigError("is not allowed: give a number, or all")


def _place(text: str) -> None:
    if not re.fullmatch(r"auto|(cpu|cuda|mps|xpu)(:[0-9]{1,3})?", text):
        raise ConfigError("is no device: use auto, cpu or cuda, or one of several as in cuda:1")


def _in_words(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


LISTED = Parameter(negative="", show_default=False)
"""How the command line takes a list."""
SPLIT = BeforeValidator(split_commas)

Counts = Annotated[tuple[Positive, ...], SPLIT, LISTED]
Matrices = Annotated[str, spelled(parse_matrices)]
Amount = Annotated[str, BeforeValidator(_in_words, json_schema_input_type=str | int), spelled(_amount)]
"""A number of records, or all."""
Names = Annotated[tuple[str, ...], SPLIT, LISTED]
Attacks = Annotated[tuple[Annotated[str, spelled(_known)], ...], SPLIT, LISTED]
Prefixes = Annotated[
    tuple[Annotated[str, spelled(parse_prefix)], ...],
    SPLIT, some("a fraction such as 0.5 or a token count such as 25t"), LISTED,
]  # fmt: skip
ReadOff = Annotated[
    tuple[Annotated[str, spelled(closed_form)], ...], SPLIT, some("a decoding that samples, such as t1-k40"), LISTED
]
"""Decodings whose probabilities can be read off a trace."""
Decodings = Annotated[
    tuple[Annotated[str, spelled(parse_decoding)], ...], SPLIT, some("a decoding, such as greedy or t1-k40"), LISTED
]
Sampling = Annotated[str, spelled(_samples)]
Device = Annotated[str, spelled(_place)]
