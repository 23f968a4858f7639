"""How far each cell of a study is: told by an executor, shown by a bar, kept in status.json for other terminals."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mnemoscope.errors import RunError
from mnemoscope.progress import tell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mnemoscope.executors import Event
    from mnemoscope.store import Run

STATUS = "status.json"
"""With timings.json the only file that differs between equal studies."""
EVERY = 2.0
"""Seconds between two writes of the status while a cell runs."""


class States:
    """The states of all cells of a study that runs."""

    def __init__(self, run: Run, cells: Sequence[str], waiting: Sequence[str]) -> None:
        self._run, self._written = run, 0.0
        self.tick: Callable[..., None] = lambda *_, **__: None
        self.errors: dict[str, str] = {}
        self.cells: dict[str, dict[str, Any]] = {
            cell: {"state": "waiting" if cell in set(waiting) else "done"} for cell in cells
        }
        self._begun = time.time()

    def told(self, event: Event) -> None:
        """Take down what an executor tells."""
        cell, now = self.cells[event.cell], time.time()
        if event.state == "running":
            self._running(cell, event, now)
        else:
            self._ended(cell, event, now)
        if event.state != "running" or now - self._written > EVERY:
            self.write()

    def _running(self, cell: dict[str, Any], event: Event, now: float) -> None:
        cell.setdefault("begun", now)
        if cell.get("stage") != event.note:
            cell |= {"stage_begun": now, "stage_first": event.done}
        cell |= {"state": "running", "stage": event.note, "done": event.done, "total": event.total}

    def _ended(self, cell: dict[str, Any], event: Event, now: float) -> None:
        seconds = now - cell.get("begun", now)
        cell.clear()
        cell |= {"state": event.state, "seconds": round(seconds, 1)}
        self.tick(1)
        if event.state == "failed":
            cell |= {"error": event.note, "traceback": event.error}
            self.errors[event.cell] = event.note
            tell(f"{event.cell}  failed: {event.note}")
        else:
            tell(f"{event.cell}  done in {span(seconds)}")

    def close(self) -> None:
        """The call ends: what was running is waiting again."""
        for cell in self.cells.values():
            if cell["state"] == "running":
                cell.clear()
                cell["state"] = "waiting"
        self.write()

    def write(self) -> None:
        """Write status.json."""
        self._written = time.time()
        self._run.write_json(STATUS, {"begun": self._begun, "updated": self._written, "cells": self.cells})


def read_status(folder: Path) -> dict[str, Any]:
    """status.json of a study.

    Raises:
        RunError: there is none.
    """
    try:
        value: dict[str, Any] = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(
            f"--status {folder}: no study was begun there; give the folder that mnemoscope study writes to"
        ) from None
    return value


def shown_status(status: Mapping[str, Any]) -> RenderableType:
    """What a person at another terminal sees: counts, time left, and a row for each cell that runs or failed."""
    cells = status["cells"]
    counts = Counter(cell["state"] for cell in cells.values())
    words = ", ".join(f"{counts[state]} {state}" for state in ("done", "running", "failed", "waiting"))
    ago = span(time.time() - status["updated"])
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, cell in cells.items():
        if cell["state"] in ("running", "failed"):
            table.add_row(Text(name), Text(cell["state"]), Text(_doing(cell, status["updated"])))
    return Group(Text(f"{words}, of {len(cells)} cells{_left(status, counts)}; written {ago} ago"), table)


def _left(status: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Time left if every cell takes as long as those that this call finished, with as many at once as now."""
    cells = status["cells"].values()
    ended = [cell["seconds"] for cell in cells if cell["state"] == "done" and "seconds" in cell]
    if not ended or not counts["running"] + counts["waiting"]:
        return ""
    each = sum(ended) / len(ended)
    begun = [status["updated"] - cell["begun"] for cell in cells if cell["state"] == "running"]
    rest = [max(0.0, each - seconds) for seconds in begun]
    left = (sum(rest) + each * counts["waiting"]) / max(1, len(rest))
    return f"; about {span(max([left, *rest]))} left"


def _doing(cell: Mapping[str, Any], now: float) -> str:
    if cell["state"] == "failed":
        return str(cell["error"])
    if not cell.get("total"):
        return str(cell.get("stage", ""))
    seconds = now - cell["stage_begun"]
    rate = (cell["done"] - cell["stage_first"]) / seconds if seconds > 0 else 0
    return f"{cell['stage']}: {cell['done']:,} of {cell['total']:,}" + (f", {rate:,.0f}/s" if rate else "")


def span(seconds: float) -> str:
    """Seconds as a person says them.

    >>> span(45), span(600), span(9000)
    ('45 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
