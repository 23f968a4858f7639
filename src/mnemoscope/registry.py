"""The attacks that exist: one decorator, one dictionary.

An attack is a function of traces that returns one score a record, higher = more likely a member. Every module of
`mnemoscope.attacks` is imported when the first attack is asked for, so adding a file is adding an attack.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mnemoscope.errors import ConfigError, MnemoscopeError, unknown
from mnemoscope.records import Scores
from mnemoscope.traces import Traces

NEEDS = ("target", "reference")
"""The traces that the pipeline can hand to an attack, by the name of its parameter."""


TAKEN = ("id", "group", "role", "part")
"""Columns of scores.parquet that are no scores."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A registered attack."""

    name: str
    summary: str
    """First line of the function's docstring."""
    source: str
    """Where the formula comes from."""
    needs: tuple[str, ...]
    min_tokens: int
    """A record with fewer scored tokens is not scored."""
    function: Callable[..., Scores]

    def score(self, traces: Mapping[str, Traces]) -> Scores:
        """Scores of shape (n_records,), masked where a record is too short.

        Raises:
            MnemoscopeError: the attack returned a number that is not finite for a record long enough.
        """
        given = [traces[need] for need in self.needs]
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.ma.masked_array(self.function(*given), copy=True)
        short = given[0].lengths < self.min_tokens
        # numpy masks what it divides by zero, so a mask on a long record is as bad as an infinity
        bad = int((~short & (np.ma.getmaskarray(scores) | ~np.isfinite(np.ma.getdata(scores)))).sum())
        if bad:
            raise MnemoscopeError(f"attack {self.name!r} gave {bad} scores that are not finite")
        scores[short] = np.ma.masked
        return scores

    def fingerprint(self) -> str:
        """Hash of the attack's source: an edited attack is scored again."""
        return hashlib.sha256(inspect.getsource(self.function).encode()).hexdigest()

    def reason(self) -> str:
        """Why a masked record was not scored."""
        return f"needs {self.min_tokens} or more scored tokens"


_attacks: dict[str, Attack] = {}


def attack(
    *, source: str, needs: tuple[str, ...], min_tokens: int = 1
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register the decorated function under its own name.

    Raises:
        MnemoscopeError: the name is taken, the docstring is missing, or `needs` asks for traces that do not exist.
    """

    def register(function: Callable[..., Scores]) -> Callable[..., Scores]:
        name = function.__name__
        known = _attacks.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise MnemoscopeError(f"two attacks are called {name!r}")
        if name in TAKEN:
            raise MnemoscopeError(f"an attack cannot be called {name!r}: scores.parquet has a column of that name")
        for need in needs:
            if need not in NEEDS:
                raise MnemoscopeError(unknown("trace", need, NEEDS))
        if not (function.__doc__ or "").strip():
            raise MnemoscopeError(f"attack {name!r} needs a docstring: its first line says what the score is")
        summary = str(function.__doc__).strip().splitlines()[0]
        _attacks[name] = Attack(name, summary, source, needs, min_tokens, function)
        return function

    return register


def attacks() -> Mapping[str, Attack]:
    """All attacks by name, sorted."""
    package = importlib.import_module("mnemoscope.attacks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"mnemoscope.attacks.{module.name}")
    return dict(sorted(_attacks.items()))


def find(name: str) -> Attack:
    """The attack called `name`.

    Raises:
        ConfigError: there is none.
    """
    known = attacks()
    if name not in known:
        raise ConfigError(unknown("attack", name, known))
    return known[name]
