"""Handing cells to Ray, and gathering what comes back while it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)  # fmt: skip
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mnemoscope.errors import Interrupted
from mnemoscope.executors.events import Event, Note, Told, explained
from mnemoscope.executors.joining import fits, nodes
from mnemoscope.executors.worker import Board, Finished, run_cell

POLL = 0.5
"""Seconds between two looks at the board."""


def submit(
    cells: Sequence[str],
    work: Callable[[Any, str, Note], bytes],
    given: Any,
    *,
    cpus: float,
    gpus: float,
    retries: int,
) -> tuple[dict[Any, str], Any]:
    """Hand all cells to Ray; gives the cells by reference to their result, and the board.

    All at once, because what waits is a few kB a cell (what is given is stored once), and a machine that joins late
    finds work at once.
    """
    home = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=home).remote()
    environment = {"OMP_NUM_THREADS": str(max(1, int(cpus)))}
    if gpus == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides the GPUs that a cell has not been given only if it has one
    task = ray.remote(
        num_cpus=cpus,
        num_gpus=gpus,
        max_retries=retries,
        retry_exceptions=False,
        max_calls=0,  # never end a worker: for tasks with a GPU the default is after one call, and the model is lost
        runtime_env={"env_vars": environment},
    )(_on_worker)
    stored = ray.put(given)
    return {task.remote(work, stored, cell, board): cell for cell in cells}, board


def _on_worker(work: Callable[[Any, str, Note], bytes], given: Any, cell: str, board: Any) -> Finished:
    def pin(stage: str, done: int, total: int) -> None:
        board.pin.remote(cell, stage, done, total)  # not waited for: a note may be lost, a cell may not

    return run_cell(work, given, cell, pin)


class Gathering:
    """The driver's side of a run: tells events and keeps results, one at a time, until no cell waits."""

    def __init__(
        self, waiting: dict[Any, str], board: Any, keep: Callable[[str, bytes], None], told: Told, retries: int
    ) -> None:
        self._waiting, self._board, self._keep, self._told, self._retries = waiting, board, keep, told, retries
        self._begun: set[str] = set()
        self._stranded = False

    def run(self, cpus: float, gpus: float) -> None:
        """Until every cell is done or failed; whatever ends it earlier cancels the cells that are left."""
        try:
            while self._waiting:
                ready, _ = ray.wait(list(self._waiting), num_returns=1, timeout=POLL)
                self._pass_on_notes()
                for reference in ready:
                    self._finish(reference)
                self._watch(fits(nodes(), cpus, gpus))
        finally:
            for reference in self._waiting:
                ray.cancel(reference, force=True)  # a cell computes for minutes without looking up

    def _pass_on_notes(self) -> None:
        running = set(self._waiting.values())
        try:
            notes = ray.get(self._board.take.remote())
        except RayActorError:  # without its board a run is silent, but goes on
            return
        for cell, stage, done, total in notes:
            if cell in running:  # a note may come in after its cell's end
                self._begun.add(cell)
                self._told(Event(cell, "running", stage, done, total))

    def _finish(self, reference: Any) -> None:
        cell = self._waiting.pop(reference)
        if cell not in self._begun:  # it ended before its first note came
            self._told(Event(cell, "running"))
        self._told(self._ended(cell, reference))

    def _ended(self, cell: str, reference: Any) -> Event:
        try:
            finished: Finished = ray.get(reference)
            if finished.result is None:
                return Event(cell, "failed", finished.note, error=finished.error)
            self._keep(cell, finished.result)
        except Interrupted:
            raise
        except RayError as error:
            return Event(cell, "failed", _lost(error, self._retries), error=str(error))
        except Exception as error:
            line, trace = explained(error)
            return Event(cell, "failed", line, error=trace)
        return Event(cell, "done")

    def _watch(self, room: bool) -> None:
        """Say once that cells wait for a machine that may come back (it may: spot machines do)."""
        if not room and not self._stranded:
            for cell in self._begun & set(self._waiting.values()):
                self._told(Event(cell, "running", "waiting: no machine that can hold a cell is left in the cluster"))
        self._stranded = not room


def _lost(error: RayError, retries: int) -> str:
    again = f"on each of {retries + 1} attempts" if retries else "and no retry is allowed"
    if isinstance(error, OutOfMemoryError):
        return f"the machine ran out of memory, {again}: give a cell more cpus, so that fewer run beside it"
    if isinstance(error, NodeDiedError | WorkerCrashedError | ObjectLostError):
        return f"the machine or process that ran it was lost, {again}"
    if isinstance(error, RayTaskError):  # raised before the cell began: something could not be imported or unpacked
        return f"a worker could not begin it: {_last_line(error)}"
    return f"Ray could not run it: {_last_line(error)}"


def _last_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
