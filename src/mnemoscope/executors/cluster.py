"""Cells on a Ray cluster: no shared disk, lost machines are made up for, results come back as bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mnemoscope.executors.events import Note, Told
from mnemoscope.executors.joining import check_room, find_ray, joined, nodes


def run_on_ray(
    cells: Sequence[str],
    work: Callable[[Any, str, Note], bytes],
    given: Any,
    keep: Callable[[str, bytes], None],
    told: Told,
    *,
    address: str | None,
    cpus: float,
    gpus: float,
    retries: int,
) -> None:
    """Run the cells on a Ray cluster, as many at once as its machines hold; the order of their ends is not fixed.

    Worker processes live on between cells, so what `work` caches in its module is made once a worker. They find
    OMP_NUM_THREADS set to the cell's CPUs (at least 1), and no GPU where none was asked for. Arguments travel through
    Ray, which pickles them: a Ray cluster trusts whoever can reach it.

    Args:
        cells: names of cells; those named first are begun first.
        work: a function of a module that every machine can import: the given, a cell's name, and its Note, to the
            result. An exception is a failure of that cell, at once.
        given: what all cells need; it is stored in the cluster once.
        keep: stores a result, in this process; an exception is a failure of that cell.
        told: gets the events, in this process.
        address: "auto", host:port or ray://host:port of a cluster, or None for a Ray on this machine alone.
        cpus: CPUs a cell, > 0.
        gpus: GPUs a cell, >= 0; below 1, cells share one.
        retries: how often a cell is begun again whose machine or process was lost.

    Raises:
        ConfigError: Ray is missing, the cluster cannot be joined, or none of its machines can hold a cell.
        Interrupted, KeyboardInterrupt: the user stopped the work; cells that run are cancelled.
    """
    find_ray(retries)
    from mnemoscope.executors.gathering import Gathering, submit  # needs Ray when it is imported

    with joined(address):
        check_room(nodes(), cpus, gpus)
        waiting, board = submit(cells, work, given, cpus=cpus, gpus=gpus, retries=retries)
        Gathering(waiting, board, keep, told, retries).run(cpus, gpus)
