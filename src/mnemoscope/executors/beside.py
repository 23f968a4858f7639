"""Cells in processes of their own on this machine, several at once.

Not a ProcessPoolExecutor: that gives up all its processes where one is lost, so that a cell that always runs out of
memory would use up the attempts of those beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from typing import Any

from mnemoscope.errors import Interrupted
from mnemoscope.executors.events import Event, Note, Told
from mnemoscope.executors.worker import Finished, run_cell

PATIENCE = 30.0
"""Seconds that a process may take to end when the work is stopped: a training ends its step and writes a checkpoint."""
Work = Callable[[Any, str, Note], bytes]
_context = multiprocessing.get_context("spawn")  # a fork would share the threads and the GPU of the driver


def run_in_processes(cells: Sequence[str], work: Work, given: Any, told: Told, *, jobs: int, retries: int) -> None:
    """Run the cells in `jobs` processes; they are begun in the order given, and end in any.

    A process lives on between cells, so what `work` caches in its module is made once a process. They share the CPUs
    out among them, by OMP_NUM_THREADS. A process that is lost (killed, out of memory) costs its own cell one attempt;
    the cell is begun again after the others. No process outlives the driver.

    Args:
        cells: names of cells.
        work: a function of a module, from the given, a cell's name and its Note; it keeps its result itself, and what
            it returns is not looked at. An exception is a failure of that cell, at once.
        given: what all cells need; it is sent to each process once.
        told: gets the events, in this process.
        jobs: processes, 1 or more.
        retries: how often a cell is begun again whose process was lost.

    Raises:
        Interrupted, KeyboardInterrupt: the user stopped the work; cells that run are stopped as well.
    """
    beside = _Beside(cells, (work, given), told, retries, str(threads_each(jobs)))
    try:
        beside.run(jobs)
    finally:
        beside.stop()


def threads_each(jobs: int) -> int:
    """Threads of one of `jobs` processes; not by the cells that are left, because numbers depend on it."""
    return max(1, usable_cpus() // jobs)


def usable_cpus() -> int:
    """CPUs that this process may use, a scheduler's binding included."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A process that runs one cell after the other, and the driver's end of the pipe to it."""

    def __init__(self) -> None:
        self.pipe, theirs = _context.Pipe()
        self.process = _context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.cell: str | None = None

    def send(self, what: Any) -> None:
        with suppress(OSError):  # it is lost, which is seen when its end of the pipe is read
            self.pipe.send(what)

    def interrupt(self) -> None:
        """Ctrl-C, and no further cell."""
        self.send(None)
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, signal.SIGINT)

    def end(self, patience: float) -> int:
        """Wait for its end, then kill it; gives its exit code."""
        try:
            self.process.join(patience)
        finally:
            self.process.kill()
            self.process.join()
            self.pipe.close()
        return self.process.exitcode or 0


class _Beside:
    """The driver's side: hands out cells and tells events until no cell is left."""

    def __init__(self, cells: Sequence[str], task: tuple[Work, Any], told: Told, retries: int, threads: str) -> None:
        self._left, self._task, self._told, self._retries, self._threads = deque(cells), task, told, retries, threads
        self._workers: list[_Worker] = []
        self._lost: Counter[str] = Counter()

    def run(self, jobs: int) -> None:
        while self._left or self._workers:
            while self._left and len(self._workers) < jobs:
                self._add()
            ready = connection.wait([worker.pipe for worker in self._workers])
            for worker in [one for one in self._workers if one.pipe in ready]:
                self._hear(worker)

    def stop(self) -> None:
        """End what still runs; a second Ctrl-C ends the waiting for it."""
        until = time.monotonic() + PATIENCE
        try:
            for worker in self._workers:
                worker.interrupt()
            for worker in self._workers:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:
            for worker in self._workers:
                worker.end(0)

    def _add(self) -> None:
        with _without_interrupts(), _environment(OMP_NUM_THREADS=self._threads):
            self._workers.append(_Worker())
        self._workers[-1].send(self._task)
        self._hand_out(self._workers[-1])

    def _hand_out(self, worker: _Worker) -> None:
        """Give a process its next cell; without one it ends, and leaves its memory to the others."""
        worker.cell = self._left.popleft() if self._left else None
        if worker.cell is not None:
            self._told(Event(worker.cell, "running"))
        worker.send(worker.cell)

    def _hear(self, worker: _Worker) -> None:
        try:
            said: Finished | Interrupted | tuple[str, int, int] = worker.pipe.recv()
        except (EOFError, OSError):
            self._miss(worker)
            return
        assert worker.cell is not None
        if isinstance(said, Interrupted):  # Ctrl-C that this process was told to ignore, as one in the background is
            raise said
        if not isinstance(said, Finished):
            self._told(Event(worker.cell, "running", *said))
            return
        done = said.result is not None
        self._told(Event(worker.cell, "done") if done else Event(worker.cell, "failed", said.note, error=said.error))
        self._hand_out(worker)

    def _miss(self, worker: _Worker) -> None:
        """A process has ended: as it should, or with a cell that is begun again or failed."""
        code = worker.end(PATIENCE)
        self._workers.remove(worker)
        if worker.cell is None:
            return
        self._lost[worker.cell] += 1
        if self._lost[worker.cell] <= self._retries:
            self._left.append(worker.cell)
        else:
            self._told(Event(worker.cell, "failed", _words(code, self._retries)))


def _words(code: int, retries: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    again = f"on each of {retries + 1} attempts" if retries else "and no retry is allowed"
    return f"the process that ran it {how}, {again}: is there memory for so many jobs?"


@contextmanager
def _environment(**wanted: str) -> Iterator[None]:
    """What processes that are started inside find in their environment."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started inside keeps Ctrl-C until it can answer it; this one answers afterwards."""
    resource_tracker.ensure_running()  # it takes the block away where it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: connection.Connection) -> None:
    """The life of a process: cells in, notes and ends of cells out, until there is no cell or no driver."""
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def pin(stage: str, done: int, total: int) -> None:
        pipe.send((stage, done, total))

    try:
        signal.signal(signal.SIGINT, _interrupted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        work, given = pipe.recv()
        for cell in iter(pipe.recv, None):
            pipe.send(run_cell(work, given, cell, pin))
    except (Interrupted, KeyboardInterrupt) as stop:
        with suppress(OSError):
            pipe.send(Interrupted(str(stop)))
    except (EOFError, ConnectionError):  # the driver is gone
        pass


def _interrupted(*_: object) -> None:
    """Once: Ctrl-C comes from the terminal and from the driver, and must not break off the end that it began."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """A killed driver must not leave processes that go on writing into its study."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
