"""Cells in this process, and what executors tell of them."""

from __future__ import annotations

import pytest

from mnemoscope.errors import DataError, Interrupted
from mnemoscope.executors import Event, Note, run_here
from mnemoscope.executors.worker import PAUSE, Board, sparing


def run(cells: list[str], faults: dict[str, BaseException]) -> tuple[list[str], list[Event]]:
    """Run cells of which some raise; gives those that were begun, and the events."""
    begun: list[str] = []
    events: list[Event] = []

    def work(cell: str, note: Note) -> None:
        begun.append(cell)
        note("tracing", 1, 2)
        if cell in faults:
            raise faults[cell]

    run_here(cells, work, events.append)
    return begun, events


def test_cells_run_in_order_and_tell_it() -> None:
    """Each cell is running, tells its notes, and is done before the next one begins."""
    _, events = run(["b", "a"], {})
    assert events == [
        event
        for cell in ("b", "a")
        for event in (Event(cell, "running"), Event(cell, "running", "tracing", 1, 2), Event(cell, "done"))
    ]


def test_no_cells() -> None:
    """Nothing to run is not a fault, and nothing is told."""
    assert run([], {}) == ([], [])


def test_a_failing_cell_does_not_stop_the_others() -> None:
    """A UserError is told as its one line; anything else with its place, and the whole traceback beside it."""
    begun, events = run(["a", "b", "c"], {"a": DataError("no text,\n  none at all"), "b": KeyError("x")})
    ends = [event for event in events if event.state != "running"]
    assert begun == ["a", "b", "c"]
    assert ends[0] == Event("a", "failed", "no text, none at all")
    assert ends[1].state == "failed"
    assert ends[1].note.startswith("KeyError: 'x' (test_run_here.py, line ")
    assert ends[1].note.endswith(", in work)")
    assert ends[1].error.startswith("Traceback")
    assert "KeyError: 'x'" in ends[1].error
    assert ends[2] == Event("c", "done")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("stopped"), SystemExit(1)])
def test_a_stop_passes_through_at_once(stop: BaseException) -> None:
    """What the user stops ends the run: no later cell is begun, and the stopped one is neither done nor failed."""
    begun: list[str] = []
    events: list[Event] = []

    def work(cell: str, _: Note) -> None:
        begun.append(cell)
        raise stop

    with pytest.raises(type(stop)):
        run_here(["a", "b"], work, events.append)
    assert begun == ["a"]
    assert events == [Event("a", "running")]


def test_notes_of_a_stage_are_spared() -> None:
    """Of a stage's notes the first, the last, and one every PAUSE seconds are passed on."""
    seen: list[tuple[str, int]] = []
    now = [0.0]
    note = sparing(lambda stage, done, _: seen.append((stage, done)), clock=lambda: now[0])
    for step in range(129):  # 32 steps in a pause
        now[0] = step * PAUSE / 32
        note("training", step, 128)
    note("tracing", 0, 9)
    steps = [done for stage, done in seen if stage == "training"]
    assert steps == [0, 32, 64, 96, 128]
    assert seen[-1] == ("tracing", 0)


def test_the_board_keeps_the_last_note_of_a_stage() -> None:
    """A look at the board takes all notes off it, the newest last, one for each stage of each cell."""
    board = Board()
    for note in [("a", "training", 1, 3), ("b", "training", 1, 3), ("a", "tracing", 0, 2), ("a", "training", 2, 3)]:
        board.pin(*note)
    assert board.take() == [("b", "training", 1, 3), ("a", "tracing", 0, 2), ("a", "training", 2, 3)]
    assert board.take() == []
