"""What an executor tells of its cells, and how a failure is put into words."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mnemoscope.errors import UserError


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a cell: running (once or more), then done or failed (once)."""

    cell: str
    """Its name."""
    state: Literal["running", "done", "failed"]
    note: str = ""
    """The stage a running cell is in, or in one line why it failed."""
    done: int = 0
    """Units of the stage that are done, such as tokens."""
    total: int = 0
    """Units of the stage in all; 0 where that is not known."""
    error: str = ""
    """The whole traceback of a failure that is not the user's to mend."""


Told = Callable[[Event], None]
"""Gets every event, in the process that called the executor."""

Note = Callable[[str, int, int], None]
"""What a cell calls while it runs: stage, units done, units in all."""


def explained(error: Exception) -> tuple[str, str]:
    """One line for the person at the terminal, and the whole traceback where that person cannot mend it.

    A UserError's one line says everything; anything else is told with the place where it was raised.
    """
    if isinstance(error, UserError):
        return " ".join(str(error).split()), ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"{what} ({Path(frame.filename).name}, line {frame.lineno}, in {frame.name})",
        "".join(traceback.format_exception(error)),
    )
