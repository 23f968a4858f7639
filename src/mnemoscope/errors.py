"""What can go wrong that the user can mend.

    MnemoscopeError
    ├── Interrupted          Ctrl-C where what was done is kept; exit code 130
    └── UserError            one line: what, got, allowed, next step; the command exits with 2
        ├── DataError        the text that was given
        ├── ModelError       the model or the adapter
        ├── ConfigError      an option or its value
        └── RunError         the run folder

Anything else that is raised is a fault of mnemoscope and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MnemoscopeError(Exception):
    """Base of everything raised on purpose."""


class Interrupted(MnemoscopeError):
    """The user stopped the work; the same call goes on from there."""


class UserError(MnemoscopeError):
    """The user can mend this; the message is one line and ends with the next step."""


class DataError(UserError):
    """The given text cannot be used as it is."""


class ModelError(UserError):
    """The given model or adapter cannot be used as it is."""


class ConfigError(UserError):
    """An option has a value that is not allowed."""


class RunError(UserError):
    """The run folder is missing something or belongs to another run."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """One line for a name that is not known: the nearest one, then all of them.

    >>> unknown("attack", "los", ["loss", "zlib"])
    "unknown attack 'los'. Did you mean 'loss'? Known: loss, zlib"
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}"
