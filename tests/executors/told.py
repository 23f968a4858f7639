"""What tests ask of the events that any executor tells."""

from __future__ import annotations

from collections.abc import Sequence

from mnemoscope.executors import Event


def ends(events: Sequence[Event]) -> dict[str, Event]:
    """The last event of each cell, which must be the only one that is not running, and not the first."""
    by_cell: dict[str, list[Event]] = {}
    for event in events:
        by_cell.setdefault(event.cell, []).append(event)
    for told in by_cell.values():
        assert len(told) > 1
        assert [event.state == "running" for event in told] == [True] * (len(told) - 1) + [False]
    return {cell: told[-1] for cell, told in by_cell.items()}
