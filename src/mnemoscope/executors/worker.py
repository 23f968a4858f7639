"""What runs in another process: one cell, and the board that its notes are left on in a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mnemoscope.errors import Interrupted
from mnemoscope.executors.events import Note, explained

PAUSE = 0.25
"""Seconds between two notes of the same stage: more would only load the driver's machine."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What travels back from a cell."""

    result: bytes | None
    """None where the cell failed."""
    note: str = ""
    error: str = ""


class Board:
    """The last note of every stage of every cell since the driver last looked; an actor on the driver's machine."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], tuple[int, int]] = {}

    def pin(self, cell: str, stage: str, done: int, total: int) -> None:
        """Leave a note; an older one of the same stage is replaced, and the newest stands last."""
        self._notes.pop((cell, stage), None)
        self._notes[cell, stage] = done, total

    def take(self) -> list[tuple[str, str, int, int]]:
        """The notes since the last call, oldest first: cell, stage, units done, units in all."""
        notes, self._notes = self._notes, {}
        return [(*key, *units) for key, units in notes.items()]


def run_cell(work: Callable[[Any, str, Note], bytes], given: Any, cell: str, pin: Note) -> Finished:
    """Run one cell; an Exception comes back as words, because not every exception can travel or be built again.

    Raises:
        Interrupted: the user stopped the work.
    """
    note = sparing(pin)
    note("", 0, 0)
    try:
        return Finished(work(given, cell, note))
    except Interrupted:
        raise
    except Exception as error:
        return Finished(None, *explained(error))


def sparing(pin: Note, clock: Callable[[], float] = time.monotonic) -> Note:
    """Pass on a stage's first note, its last (done = total), and between them one every PAUSE seconds."""
    last: tuple[str | None, float] = None, 0.0

    def note(stage: str, done: int, total: int) -> None:
        nonlocal last
        if stage != last[0] or done == total or clock() - last[1] >= PAUSE:
            last = stage, clock()
            pin(stage, done, total)

    return note
