"""Cells in processes beside this one, which are lost in mid-cell, and whose driver is stopped or killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import cells_of_tests
import driver_of_tests
import pytest
from told import ends

from mnemoscope.errors import Interrupted
from mnemoscope.executors import Event, beside, run_here, run_in_processes

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not list its processes")
Given = dict[str, str]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """What cells are given: where they leave marks; what they do is added."""
    return {"salt": "x", "marks": str(tmp_path)}


def run(cells: Sequence[str], given: Given, *, jobs: int = 2, retries: int = 1) -> list[Event]:
    """Run cells that keep what they give; gives the events."""
    events: list[Event] = []
    run_in_processes(cells, cells_of_tests.keep, given, events.append, jobs=jobs, retries=retries)
    assert multiprocessing.active_children() == []
    return events


def test_results_and_events_are_those_of_this_process(given: Given, tmp_path: Path) -> None:
    """Every cell gives what it gives here, is running before it is done, and is begun in its turn."""
    cells = ["d", "a", "c", "b"]
    events = run(cells, given)
    here = {"salt": "x", "marks": str(tmp_path / "here")}
    Path(here["marks"]).mkdir()
    run_here(cells, lambda cell, note: cells_of_tests.keep(here, cell, note) and None, lambda _: None)
    assert cells_of_tests.kept(given) == cells_of_tests.kept(here)
    assert ends(events) == {cell: Event(cell, "done") for cell in cells}
    assert list(dict.fromkeys(event.cell for event in events)) == cells
    for cell in cells:
        assert Event(cell, "running", "training", 3, 3) in events  # the last note of a stage is never lost


def test_a_failing_cell_does_not_stop_the_others(given: Given) -> None:
    """A UserError is told as its one line; anything else with its place, and the whole traceback beside it."""
    given |= {"bad": "user", "odd": "fault"}
    last = ends(run(["bad", "odd", "a", "b"], given))
    assert last["bad"] == Event("bad", "failed", "rank must be at least 1, got 0")
    assert last["odd"].state == "failed"
    assert last["odd"].note.startswith("LookupError: no such thing (cells_of_tests.py, line ")
    assert "Traceback" in last["odd"].error
    assert set(cells_of_tests.kept(given)) == {"a", "b"}


@pytest.mark.parametrize(("retries", "words"), [(0, "and no retry is allowed"), (1, "on each of 2 attempts")])
def test_a_lost_process_costs_its_own_cell_alone(given: Given, retries: int, words: str) -> None:
    """A cell is begun again `retries` times; one that runs meanwhile goes on undisturbed, in its own process."""
    given |= {"gone": "crash", "beside": "watched"}
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if event.cell == "gone" and event.state == "failed":
            (Path(given["marks"]) / "seen-beside").touch()

    cells = ["gone", "beside", "a", "b"]
    run_in_processes(cells, cells_of_tests.keep, given, told, jobs=2, retries=retries)
    last = ends(events)
    assert last.pop("gone").note.startswith(f"the process that ran it ended with code 1, {words}")
    assert "\n" not in events[-1].note
    assert cells_of_tests.attempts(given, "gone") == retries + 1
    assert events.count(Event("beside", "running", "tracing", 1, 3)) == 1
    assert last == {cell: Event(cell, "done") for cell in ("beside", "a", "b")}
    assert set(cells_of_tests.kept(given)) == set(last)


def test_a_cell_whose_process_was_lost_once_is_done(given: Given) -> None:
    """It is begun again after the others, and a crash of one cell is not counted against another."""
    given |= {"a": "crash once", "b": "crash once", "c": "crash once"}
    events = run(["a", "b", "c", "d"], given, jobs=1)
    assert [cell for cell, _ in groupby(events, lambda event: event.cell)] == [*"abcd", *"abc"]
    assert ends(events) == {cell: Event(cell, "done") for cell in "abcd"}
    assert [cells_of_tests.attempts(given, cell) for cell in "abc"] == [2, 2, 2]


def test_kill_9_of_a_process(given: Given) -> None:
    """As the kernel does when memory runs out: the reason names the signal, and other cells go on."""
    given |= {"big": "endless"}
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if event.note == "waiting":
            os.kill(int((Path(given["marks"]) / "pid-big").read_text()), signal.SIGKILL)

    run_in_processes(["big", "a"], cells_of_tests.keep, given, told, jobs=2, retries=1)
    last = ends(events)
    assert last["big"].note.startswith("the process that ran it was killed by signal 9, on each of 2 attempts")
    assert last["a"] == Event("a", "done")


class Missing:
    """A function that other processes do not find."""

    __module__ = "cells_of_tests"

    def __reduce__(self) -> str:
        return "missing"


def test_a_process_that_cannot_begin_is_not_started_for_ever(
    given: Given, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What cannot be unpacked in a process fails every cell, after its attempts."""
    work, events = Missing(), list[Event]()
    monkeypatch.setattr(cells_of_tests, "missing", work, raising=False)
    run_in_processes(["a", "b"], work, given, events.append, jobs=2, retries=1)
    assert {cell: event.state for cell, event in ends(events).items()} == {"a": "failed", "b": "failed"}
    assert "missing" in capfd.readouterr().err


@pytest.mark.parametrize("own", ["7", None])
@pytest.mark.parametrize(("cells", "jobs", "threads"), [(5, 2, "2"), (2, 9, "1")])
def test_processes_are_used_again_and_share_the_cpus(
    given: Given, monkeypatch: pytest.MonkeyPatch, own: str | None, cells: int, jobs: int, threads: str
) -> None:
    """No more processes than jobs or cells; what one caches it makes once; the driver's environment is as it was."""
    monkeypatch.setattr(beside, "usable_cpus", lambda: 5)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if own:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    names = [f"c{i}" for i in range(cells)]
    run(names, given | dict.fromkeys(names, "tell"), jobs=jobs)
    found = {cell: text.decode().split() for cell, text in cells_of_tests.kept(given).items()}
    assert set(found) == set(names)
    assert len({pid for pid, *_ in found.values()}) == len({loaded for _, loaded, *_ in found.values()}) <= 2
    assert {words[2] for words in found.values()} == {threads}
    assert os.environ.get("OMP_NUM_THREADS") == own


def test_no_cells(given: Given) -> None:
    """Nothing to run is not a fault, and nothing is told."""
    assert run([], given) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_what_the_driver_raises_passes_through(given: Given, stop: type[BaseException]) -> None:
    """The cells that run are stopped, and no process is left."""
    given |= {"a": "endless", "b": "endless"}

    def told(event: Event) -> None:
        if event.note == "waiting":
            raise stop

    with pytest.raises(stop):
        run_in_processes(["a", "b", "c"], cells_of_tests.keep, given, told, jobs=2, retries=1)
    assert multiprocessing.active_children() == []
    assert cells_of_tests.kept(given) == {}


def test_a_cell_that_was_stopped_stops_the_others(given: Given) -> None:
    """Ctrl-C may reach the processes alone, where their driver is told to ignore it: nothing failed, and all ends."""
    given |= {"a": "interrupted", "b": "endless"}
    events: list[Event] = []
    with pytest.raises(Interrupted, match="after a checkpoint"):
        run_in_processes(["a", "b", "c"], cells_of_tests.keep, given, events.append, jobs=2, retries=1)
    assert multiprocessing.active_children() == []
    assert {event.state for event in events} == {"running"}


@pytest.fixture
def driver(given: Given) -> Iterator[subprocess.Popen[str]]:
    """A driver of two endless cells in a group of processes of its own, which start as soon as `go` is there."""
    said = subprocess.Popen(
        [sys.executable, driver_of_tests.__file__, given["marks"]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    yield said
    with suppress(ProcessLookupError):
        os.killpg(said.pid, signal.SIGKILL)
    said.communicate()


def until(holds: Callable[[], object]) -> None:
    """Wait, not for ever."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def living(group: int) -> list[int]:
    """The processes of a group that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(of) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def both_run(given: Given) -> bool:
    """Whether both cells of the driver run; they may."""
    (Path(given["marks"]) / "go").touch()
    return all((Path(given["marks"]) / f"pid-{cell}").exists() for cell in "ab")


@linux
def test_a_killed_driver_leaves_no_process(driver: subprocess.Popen[str], given: Given) -> None:
    """No cell goes on writing into a study that the same command may already go on with."""
    until(lambda: both_run(given))
    assert len(living(driver.pid)) >= 3
    driver.kill()
    until(lambda: not living(driver.pid))
    assert not (Path(given["marks"]) / "checkpoint-b").exists()


@linux
@pytest.mark.parametrize("to", ["all", "the driver"])
def test_ctrl_c(driver: subprocess.Popen[str], given: Given, to: str) -> None:
    """From the terminal or to the driver alone: cells stop, a training with a checkpoint, and nothing else is said."""
    until(lambda: both_run(given))
    (os.killpg if to == "all" else os.kill)(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert out.split()[-1] == "stopped"
    assert "never" not in out.split()
    assert err == ""
    assert (Path(given["marks"]) / "checkpoint-b").exists()
    until(lambda: not living(driver.pid))


@linux
def test_ctrl_c_while_a_process_starts(driver: subprocess.Popen[str], given: Given) -> None:
    """A process that cannot answer yet answers once it can, without a word."""
    until((Path(given["marks"]) / "starting").exists)
    os.killpg(driver.pid, signal.SIGINT)
    (Path(given["marks"]) / "go").touch()
    out, err = driver.communicate(timeout=60)
    assert (driver.returncode, err) == (130, "")
    assert out.split()[-1] == "stopped"
    until(lambda: not living(driver.pid))
