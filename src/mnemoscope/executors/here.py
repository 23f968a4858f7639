"""Cells one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mnemoscope.errors import Interrupted
from mnemoscope.executors.events import Event, Note, Told, explained


def run_here(cells: Sequence[str], work: Callable[[str, Note], None], told: Told) -> None:
    """Run each cell, in the order given; a cell that fails does not stop the others.

    Args:
        cells: names of cells.
        work: runs one cell and keeps its result; its Note tells how far it is.
        told: gets the events.

    Raises:
        Interrupted, KeyboardInterrupt: the user stopped the work; later cells are not begun.
    """
    for cell in cells:
        told(Event(cell, "running"))
        told(_ended(cell, work, told))


def _ended(cell: str, work: Callable[[str, Note], None], told: Told) -> Event:
    def note(stage: str, done: int, total: int) -> None:
        told(Event(cell, "running", stage, done, total))

    try:
        work(cell, note)
    except Interrupted:
        raise
    except Exception as error:
        line, trace = explained(error)
        return Event(cell, "failed", line, error=trace)
    return Event(cell, "done")
