"""Cells for the tests of executors, in a module of their own because worker processes import them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import cache
from pathlib import Path

from mnemoscope.errors import ConfigError, Interrupted
from mnemoscope.executors import Note


@cache
def loaded() -> str:
    """What is made once a worker: a name that no other worker has, and no later call in this one."""
    return f"{os.getpid()}-{time.monotonic_ns()}"


def tell_worker(_given: object, _cell: str, _note: Note) -> bytes:
    """Where the cell ran, and what it found there."""
    time.sleep(0.1)
    threads, gpus = os.environ.get("OMP_NUM_THREADS"), os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"{os.getpid()} {loaded()} {threads} {gpus!r}".encode()


def behave(given: dict[str, str], cell: str, note: Note) -> bytes:
    """Does what `given` says of the cell; anything else is worked on in three steps."""
    match given.get(cell):
        case "user":
            raise ConfigError("rank must be at least 1,\n got 0")
        case "interrupted":
            raise Interrupted("stopped after a checkpoint")
        case "fault":
            raise LookupError("no such\nthing")
        case "crash":
            leave_mark(given, cell)
            os._exit(1)
        case "crash once":
            if leave_mark(given, cell) == 1:
                os._exit(1)
        case "tell":
            return tell_worker(given, cell, note)
        case "endless":
            (Path(given["marks"]) / f"pid-{cell}").write_text(str(os.getpid()))
            note("waiting", 0, 1)
            time.sleep(600)
        case "training":
            train(given, cell, note)
        case "watched":
            wait_until_seen(given, cell, note)
    for step in range(1, 4):
        note("training", step, 3)
    return f"{cell}:{given['salt']}".encode()


def keep(given: dict[str, str], cell: str, note: Note) -> bytes:
    """Behave, and keep what it gives in the file `kept-CELL`."""
    found = behave(given, cell, note)
    (Path(given["marks"]) / f"kept-{cell}").write_bytes(found)
    return b""


def kept(given: dict[str, str]) -> dict[str, bytes]:
    """What cells kept."""
    return {path.name.removeprefix("kept-"): path.read_bytes() for path in Path(given["marks"]).glob("kept-*")}


def train(given: dict[str, str], cell: str, note: Note) -> None:
    """As a training does: Ctrl-C ends it after its step, with a checkpoint."""
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    (Path(given["marks"]) / f"pid-{cell}").write_text(str(os.getpid()))
    deadline = time.monotonic() + 60
    while not stopped and time.monotonic() < deadline:
        note("training", 1, 2)
        time.sleep(0.05)
    (Path(given["marks"]) / f"checkpoint-{cell}").touch()
    signal.signal(signal.SIGINT, before)
    raise Interrupted("stopped after a checkpoint")


def wait_until_seen(given: dict[str, str], cell: str, note: Note) -> None:
    """Note all steps of a stage, then go on only when whoever watches has left the file `seen-CELL`."""
    for step in range(1, 4):
        note("tracing", step, 3)
    deadline = time.monotonic() + 60
    while not (Path(given["marks"]) / f"seen-{cell}").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the note was not passed on")
        time.sleep(0.05)


def slow_first(given: dict[str, str], cell: str, _: Note) -> bytes:
    """The first attempt at a cell that is in `given` takes long."""
    if leave_mark(given, cell) == 1 and cell in given:
        time.sleep(60)
    return f"{cell}:{given['salt']}".encode()


def leave_mark(given: dict[str, str], cell: str) -> int:
    """Count the attempts at a cell in a file, and say where each was; gives the count."""
    path = Path(given["marks"]) / cell
    with path.open("a") as file:
        file.write(node() + "\n")
    return attempts(given, cell)


def attempts(given: dict[str, str], cell: str) -> int:
    """How often a cell was begun."""
    path = Path(given["marks"]) / cell
    return len(path.read_text().splitlines()) if path.exists() else 0


def node() -> str:
    """The Ray node that this process works for, or its own number where it is no worker of Ray."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_node_id()) if ray else str(os.getpid())
