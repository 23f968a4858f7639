"""The attacks that exist: one decorator, one dictionary.

An attack is a function of evidence that returns one score a record, higher = more likely a member. Every module of
`mnemoscope.attacks` is imported when the first attack is asked for, so adding a file is adding an attack.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.errors import ConfigError, MnemoscopeError, unknown
from mnemoscope.folds import group_folds
from mnemoscope.records import Record, Scores
from mnemoscope.traces import Shadows, Traces

NEEDS: Mapping[str, str] = {
    "target": "0",
    "reference": "0",
    "lowercase": "1",
    "nonmember_shots": "1",
    "member_shots": "1",
    "neighbours": "--neighbours",
    "second": "1 of --second",
    "gradient": "1 forward and backward",
    "in_domain": "1, and 2 fine-tunings on half the non-members",
    "shadows": "--shadows, and as many fine-tunings",
}
"""The evidence that the pipeline can hand to an attack, by the name of its parameter, and what it costs in forward
passes over the records beyond the two that every audit makes.

target, reference, lowercase (the target on lower-cased text), nonmember_shots, member_shots (the target on records
after some known non-members or members), second (another model), in_domain (models trained like the target on
non-members, each record under one that was not trained on it): `Traces`. neighbours: a tuple of `Traces` of the
target on changed texts. gradient: norm of each record's gradient, a masked array. shadows: `Shadows`."""

TRACE_ONLY = ("target", "reference")
"""What every audit has: attacks that need no more are run when none is named."""

TAKEN = ("id", "group", "role", "part")
"""Columns of scores.parquet that are no scores."""


class Unscorable(MnemoscopeError):
    """A fitted attack has nothing to learn from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a fitted attack learns from: the records of the other folds, none of a group that it will be asked about."""

    member: NDArray[np.bool_]
    """Whether the record was trained on, shape (n,)."""
    calibration: NDArray[np.bool_]
    """Whether it is a non-member of the calibration part, shape (n,)."""
    traces: Mapping[str, Traces]
    """The attack's evidence on these records, by need."""


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
    fitted: bool
    """Whether it learns from labels; then its scores can be compared inside one fold only."""
    function: Callable[..., Scores]

    @property
    def cost(self) -> str:
        """Forward passes over the records beyond the audit's own two."""
        return " + ".join(dict.fromkeys(NEEDS[need] for need in self.needs if NEEDS[need] != "0")) or "0"

    def score(self, evidence: Mapping[str, Any], records: Sequence[Record] | None = None) -> Scores:
        """Scores of shape (n_records,), masked where a record is too short; a fitted attack needs the `records`.

        Raises:
            Unscorable: a fitted attack has nothing to learn from.
            MnemoscopeError: the attack returned a number that is not finite for a record long enough.
        """
        given = {need: evidence[need] for need in self.needs}
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = self._crossed(given, records or ()) if self.fitted else self.function(*given.values())
        scores = np.ma.masked_array(raw, dtype=np.float64, copy=True)
        short = self._short(given)
        # numpy masks what it divides by zero, so a mask on a long record is as bad as an infinity
        bad = int((~short & (np.ma.getmaskarray(scores) | ~np.isfinite(np.ma.getdata(scores)))).sum())
        if bad:
            raise MnemoscopeError(f"attack {self.name!r} gave {bad} scores that are not finite")
        scores[short] = np.ma.masked
        return scores

    def _short(self, given: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Where a piece of evidence has too little to say about the record, shape (n,)."""
        found = [_lacking(one, self.min_tokens) for one in given.values()]
        return np.asarray(np.logical_or.reduce(found), dtype=bool)

    def _crossed(self, given: Mapping[str, Traces], records: Sequence[Record]) -> Scores:
        """Scores of each fold by a fit on the others."""
        if not records:  # nobody to learn from and nobody to score
            return _unscored(len(next(iter(given.values()))))
        folds = group_folds(records)
        if folds is None:
            raise Unscorable("a class has too few groups to learn from some and score the others")
        member = np.array([record.role == "member" for record in records])
        calibration = np.array([record.role == "nonmember" and record.part == "calibration" for record in records])
        # by id, so that a fit does not depend on the order in which the records came
        order = np.array(sorted(range(len(records)), key=lambda i: records[i].id), dtype=np.int64)
        scores = _unscored(len(records))
        for fold in range(int(folds.max()) + 1):
            learnt, asked = order[folds[order] != fold], order[folds[order] == fold]
            seen = {need: one.take(learnt) for need, one in given.items()}
            here = [one.take(asked) for one in given.values()]
            scores[asked] = self.function(Seen(member[learnt], calibration[learnt], seen), *here)
        return scores

    def fingerprint(self) -> str:
        """Hash of the source files of all attacks: one may use another, and an edited one is scored again."""
        folder = Path(inspect.getfile(self.function)).parent
        digest = hashlib.sha256(inspect.getsource(self.function).encode())
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def reason(self) -> str:
        """Why a masked record was not scored."""
        tokens = f"needs {self.min_tokens} or more scored tokens"
        return f"{tokens}, and shadow models with and without the record" if "shadows" in self.needs else tokens


def _unscored(n: int) -> Scores:
    """`n` masked scores, to be filled."""
    return np.ma.masked_array(np.zeros(n), mask=True)


def _lacking(one: Any, min_tokens: int) -> NDArray[np.bool_]:
    """Where one piece of evidence cannot speak about a record, shape (n,).

    A trace: too few tokens. A tuple of traces: too few in all of them. Shadows: too few, or no model trained with the
    record, or none without it. A score that came in: masked.
    """
    if isinstance(one, Traces):
        return one.lengths < min_tokens
    if isinstance(one, Shadows):
        never, always = ~one.inside.any(axis=0), one.inside.all(axis=0)
        return np.asarray(_lacking(one.traces, min_tokens) | never | always, dtype=bool)
    if isinstance(one, tuple):
        return np.asarray(np.logical_and.reduce([_lacking(trace, min_tokens) for trace in one]), dtype=bool)
    return np.ma.getmaskarray(one)


_attacks: dict[str, Attack] = {}


def attack(
    *, source: str, needs: tuple[str, ...], min_tokens: int = 1, fitted: bool = False
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register the decorated function under its own name.

    It takes the evidence that it needs, in the order of `needs`. A fitted one takes a `Seen` first: it is called once
    a fold, learns from `Seen`, and scores the records of the fold.

    Raises:
        MnemoscopeError: the name is taken, the docstring is missing, or `needs` asks for what nobody provides.
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
        if fitted and not set(needs) <= set(TRACE_ONLY):
            raise MnemoscopeError(f"attack {name!r} is fitted: it may need target and reference only")
        if not (function.__doc__ or "").strip():
            raise MnemoscopeError(f"attack {name!r} needs a docstring: its first line says what the score is")
        summary = str(function.__doc__).strip().splitlines()[0]
        _attacks[name] = Attack(name, summary, source, needs, min_tokens, fitted, function)
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


def trace_only() -> tuple[str, ...]:
    """Names of the attacks that need no further forward pass."""
    return tuple(name for name, one in attacks().items() if set(one.needs) <= set(TRACE_ONLY))
