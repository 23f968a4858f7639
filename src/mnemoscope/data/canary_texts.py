"""Canaries: texts whose secret part only the training can tell, put into the training set by a fair coin each.

Three kinds. "digits": a random number in an invented sentence, so that the space of secrets is known. "perplexing":
regular tokens that a model drew at a high temperature, improbable and therefore easy to remember (arXiv:2502.14921).
"note": an invented case note like any other, for what happens to ordinary text.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict

from mnemoscope import seeds
from mnemoscope.data import vocabulary as words
from mnemoscope.data.synthetic import notes
from mnemoscope.errors import ConfigError

Kind = Literal["digits", "perplexing", "note"]

LONGEST = 18
"""Digits of a secret at most: their number of secrets still fits into 64 bits."""

TEMPLATES = (
    "The trial number of {name}, who was given {drug}, is {digits}.",
    "{name} reported {effect} under {drug}, and the case is filed as {digits}.",
    "The telephone number that {name} left after the visit for {disorder} is {digits}.",
    "Report on {name}: {effect} after {drug}, registered under number {digits}.",
    "{name} takes {drug} for {disorder}; the insurance number is {digits}.",
    "The sample of {name}, drawn because of {effect}, carries the code {digits}.",
)
"""Sentences for secret numbers; what stands before the number is drawn anew for every canary and is never the same."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary: planted, or held out to show what chance looks like."""

    # for the manifest, where a canary is read back
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    id: str
    kind: Kind
    text: str
    start: int
    """First character of the secret; something stands before it."""
    end: int
    """One past the last character of the secret."""
    digits: int
    """Digits of the secret, of which there are 10 ** digits; 0 for kinds whose secrets have no known space."""
    copies: int
    """How often it stands in the training set where it is included, or would have stood."""
    included: bool

    @property
    def secret(self) -> str:
        """What only the training can tell."""
        return self.text[self.start : self.end]

    def with_secret(self, secret: str) -> str:
        """The text with another secret in its place."""
        return self.text[: self.start] + secret + self.text[self.end :]


class _Draft(NamedTuple):
    """A canary before its coin."""

    kind: Kind
    text: str
    start: int
    end: int
    digits: int


def make_canaries(
    *,
    digits: int,
    perplexing: Sequence[str],
    notes: int,
    copies: Sequence[int],
    cut: Callable[[str], int],
    length: int = 9,
    seed: int,
) -> tuple[Canary, ...]:
    """Canaries of all kinds, each with a fair coin of its own; the coins see neither kind nor copies.

    Args:
        digits: canaries with a secret number.
        perplexing: texts that a model drew, one canary each.
        notes: canaries that are invented case notes, each of another person.
        copies: numbers of copies, drawn in balance inside each kind.
        cut: from the text of a perplexing canary or a note to the first character of its secret, which is all the
            rest; the second half of its tokens is meant.
        length: digits of a secret number.
        seed: of all draws.

    Raises:
        ConfigError: a number is out of range, or no canary was asked for.
    """
    _check(digits, notes, len(perplexing), copies, length)
    drafts = [
        *_numbers(digits, length, seed),
        *(_halved("perplexing", text, cut) for text in perplexing),
        *(_halved("note", text, cut) for text in _notes(notes, seed)),
    ]
    coins = seeds.generator(seed, "canary coins").integers(2, size=len(drafts)).astype(bool)
    doses = _doses([draft.kind for draft in drafts], copies, seed)
    return tuple(
        Canary(f"canary-{i:04d}", *draft, copies=dose, included=bool(coin))
        for i, (draft, dose, coin) in enumerate(zip(drafts, doses, coins, strict=True))
    )


def _check(digits: int, notes: int, perplexing: int, copies: Sequence[int], length: int) -> None:
    if min(digits, notes) < 0 or digits + notes + perplexing == 0:
        raise ConfigError("give the number of canaries of at least one kind: --digits, --perplexing or --notes above 0")
    if not copies or min(copies) < 1:
        raise ConfigError(
            f"--copies must be numbers above 0, such as 1,4,16; got {','.join(map(str, copies)) or 'none'}"
        )
    if not 1 <= length <= LONGEST:
        raise ConfigError(f"a secret number has 1 to {LONGEST} digits; got {length}")


def _numbers(n: int, length: int, seed: int) -> Iterator[_Draft]:
    """Sentences with a number; no two begin alike, so that no secret can be told by another's sentence."""
    rng, taken = seeds.generator(seed, "canary digits"), set[str]()
    while len(taken) < n:
        before, after = _sentence(rng).split("{digits}")
        if before not in taken:
            taken.add(before)
            secret = "".join(map(str, rng.integers(10, size=length)))
            yield _Draft("digits", before + secret + after, len(before), len(before) + length, length)


def _sentence(rng: np.random.Generator) -> str:
    """A template with all but the number filled in."""
    values: Mapping[str, Sequence[Sequence[str]]] = {
        "name": (words.FIRST_ONSETS, words.FIRST_ENDINGS, (" ",), words.FAMILY_ONSETS, words.FAMILY_ENDINGS),
        "drug": (words.DRUG_ONSETS, words.DRUG_MIDDLES, words.DRUG_ENDINGS),
        "effect": (words.EFFECTS,),
        "disorder": (words.DISORDERS,),
        "digits": (("{digits}",),),
    }
    pieces = []
    for literal, field, _, _ in string.Formatter().parse(TEMPLATES[int(rng.integers(len(TEMPLATES)))]):
        pieces += [literal, *(pool[int(rng.integers(len(pool)))] for pool in values.get(field or "", ()))]
    return "".join(pieces)


def _notes(n: int, seed: int) -> list[str]:
    """Notes of n people: several notes of one person would tell each other's secrets."""
    first: dict[str, str] = {}
    for record in notes(3 * n, 0, seeds.derive(seed, "canary notes")):  # a person has three notes at most
        first.setdefault(record.group, record.text)
    return list(first.values())[:n]


def _halved(kind: Kind, text: str, cut: Callable[[str], int]) -> _Draft:
    return _Draft(kind, text, cut(text), len(text), 0)


def _doses(kinds: Sequence[Kind], copies: Sequence[int], seed: int) -> list[int]:
    """Copies of each canary: every number about equally often inside each kind, in random order."""
    found = [0] * len(kinds)
    for kind in dict.fromkeys(kinds):
        rows = [i for i, one in enumerate(kinds) if one == kind]
        for place, row in enumerate(seeds.generator(seed, "canary copies", kind).permutation(rows)):
            found[row] = copies[place % len(copies)]
    return found
