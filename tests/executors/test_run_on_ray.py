"""Cells on a Ray cluster of three nodes on this machine, which are lost in mid-cell.

The tests run in the order of this file: the last ones of the cluster take its nodes away.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mnemoscope[ray]'")

import cells_of_tests
from told import ends

from mnemoscope.errors import ConfigError, DataError
from mnemoscope.executors import Event, Note, run_here, run_on_ray
from mnemoscope.executors.joining import fits

QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
}
ONE_A_NODE: dict[str, Any] = {"cpus": 2, "gpus": 0, "retries": 1}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that runs no cells, two nodes of two CPUs, one with a (pretended) GPU, and a connection to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        patch.setenv("OMP_NUM_THREADS", "1")  # inherited by the workers, which must put it right
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK_TO_NOTICE}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2, num_gpus=1)
        cluster.add_node(num_cpus=2)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


Run = Callable[..., tuple[dict[str, bytes], list[Event]]]


@pytest.fixture
def run(cluster: Any) -> Run:
    """Run cells on the cluster, one a node; gives what was kept, and the events."""

    def run(cells: Sequence[str], work: Any, given: object, **options: Any) -> tuple[dict[str, bytes], list[Event]]:
        kept: dict[str, bytes] = {}
        events: list[Event] = []
        settings = {"keep": kept.__setitem__, "told": events.append, "address": cluster.address, **ONE_A_NODE}
        run_on_ray(cells, work, given, **{**settings, **options})
        return kept, events

    return run


def here(cells: Sequence[str], given: dict[str, str]) -> dict[str, bytes]:
    """The results of the same cells in this process."""
    kept: dict[str, bytes] = {}

    def work(cell: str, note: Note) -> None:
        kept[cell] = cells_of_tests.behave(given, cell, note)

    run_here(cells, work, lambda _: None)
    return kept


def test_a_failing_cell_is_told_and_the_others_go_on(run: Run, tmp_path: Path) -> None:
    """Results equal those of this process; an exception is not tried again, a lost process is, `retries` times."""
    given = {"salt": "x", "marks": str(tmp_path), "bad": "user", "odd": "fault", "gone": "crash", "seen": "tell"}
    kept: dict[str, bytes] = {}

    def keep(cell: str, result: bytes) -> None:
        if cell == "torn":
            raise DataError("the result is torn")
        kept[cell] = result

    _, events = run(["gone", "bad", "odd", "torn", "seen", "a", "b"], cells_of_tests.behave, given, keep=keep)
    assert kept.pop("seen").split()[2:] == [b"2", b"''"]  # the cell's CPUs, and no GPU: none was asked for
    assert kept == here(["a", "b"], given)
    last = ends(events)
    failed = {cell for cell, event in last.items() if event.state == "failed"}
    assert failed == {"gone", "bad", "odd", "torn"}
    assert last["bad"] == Event("bad", "failed", "rank must be at least 1, got 0")
    assert last["torn"] == Event("torn", "failed", "the result is torn")
    assert last["odd"].note.startswith("LookupError: no such thing (cells_of_tests.py, line ")
    assert "Traceback" in last["odd"].error
    assert last["gone"].note == "the machine or process that ran it was lost, on each of 2 attempts"
    assert cells_of_tests.attempts(given, "gone") == 2


def test_notes_of_a_running_cell_are_passed_on(run: Run, tmp_path: Path) -> None:
    """The last note of a stage is told while its cell runs (the cell waits for that: at its end a note may be lost)."""
    given = {"salt": "x", "marks": str(tmp_path), "a": "watched"}
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if event == Event("a", "running", "tracing", 3, 3):
            (tmp_path / "seen-a").touch()

    kept, _ = run(["a"], cells_of_tests.behave, given, told=told)
    assert kept == {"a": b"a:x"}
    assert ends(events)["a"] == Event("a", "done")


def test_workers_live_on_between_cells(run: Run) -> None:
    """With a GPU too, a worker makes once what it caches; it has the cell's threads and sees the cell's GPU alone."""
    kept, _ = run([f"c{i}" for i in range(5)], cells_of_tests.tell_worker, None, gpus=1)
    assert len(kept) == 5
    assert len(set(kept.values())) == 1  # one slot, one worker, one load
    assert kept["c0"].decode().split()[2:] == ["2", "'0'"]


@pytest.mark.parametrize(("cpus", "gpus", "words"), [(2, 8, "8 GPUs"), (3, 0, "3 CPUs"), (1, 1.5, "whole")])
def test_what_no_machine_holds_is_refused_at_once(run: Run, cpus: float, gpus: float, words: str) -> None:
    """No waiting for a machine that will never come: one line at once, and no cell is begun."""
    start = time.monotonic()
    with pytest.raises(ConfigError, match=words) as refused:
        run(["a"], cells_of_tests.behave, {"salt": ""}, cpus=cpus, gpus=gpus)
    assert time.monotonic() - start < 30
    assert "\n" not in str(refused.value)


def test_an_interrupt_cancels_and_passes_through(run: Run, tmp_path: Path) -> None:
    """Ctrl-C ends the cells that run, and leaves a connection alone that was there before."""
    import ray

    given = {"salt": "z", "marks": str(tmp_path), "a": "endless", "b": "endless", "c": "endless"}

    def told(event: Event) -> None:
        if event.note == "waiting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["a", "b", "c"], cells_of_tests.behave, given, told=told)
    assert ray.is_initialized()
    processes = [int(path.read_text()) for path in tmp_path.glob("pid-*")]
    assert 1 <= len(processes) <= 2
    deadline = time.monotonic() + 60  # an endless cell takes ten times that
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_lost_node_costs_one_attempt(cluster: Any, run: Run, tmp_path: Path) -> None:
    """A cell whose node is lost in its middle is run again on another, and all results are those of this process."""
    import ray

    given = {"salt": "s", "marks": str(tmp_path), "a": "slow"}
    cells = ["a", "b", "c", "d"]
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if event.cell == "a" and cells_of_tests.attempts(given, "a") == 1 and len(cluster.worker_nodes) == 2:
            name = (tmp_path / "a").read_text().strip()
            lost = next(node for node in cluster.worker_nodes if node.node_id == name)
            cluster.remove_node(lost, allow_graceful=False)

    ray.shutdown()  # this run joins by the address, and leaves again
    kept, _ = run(cells, cells_of_tests.slow_first, given, told=told)
    assert not ray.is_initialized()
    where = (tmp_path / "a").read_text().split()
    assert len(where) == 2
    assert where[0] != where[1]
    assert kept == here(cells, {"salt": "s"})
    assert {event.state for event in ends(events).values()} == {"done"}


def test_when_no_machine_is_left(cluster: Any, run: Run, tmp_path: Path) -> None:
    """Cells wait for a machine that may come back, and say so once, instead of failing or hanging without a word."""
    given = {"salt": "s", "marks": str(tmp_path), "a": "slow"}
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        if "no machine" in event.note:
            raise KeyboardInterrupt
        if cells_of_tests.attempts(given, "a") == 1 and cluster.worker_nodes:
            cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)

    with pytest.raises(KeyboardInterrupt):
        run(["a", "b"], cells_of_tests.slow_first, given, told=told)
    assert [event.cell for event in events if "no machine" in event.note] == ["a"]
    assert {event.state for event in events} == {"running"}


@pytest.mark.parametrize(("cpus", "gpus", "room"), [(4, 0, True), (1, 2, True), (4, 1, False), (4.5, 0, False)])
def test_room_is_that_of_one_living_machine(cpus: float, gpus: float, room: bool) -> None:
    """What two machines have together, or a dead one had, is no room for a cell."""
    machines = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 1.0, "GPU": 2.0}},
        {"Alive": False, "Resources": {"CPU": 9.0, "GPU": 9.0}},
    ]
    assert fits(machines, cpus, gpus) is room


def test_this_machine_alone() -> None:
    """Without an address a Ray is started for the run, and nothing of it is left afterwards."""
    import ray

    kept: dict[str, bytes] = {}
    before = set(Path("/tmp").glob("mnemoscope-*"))
    options = {"address": None, "cpus": 1.0, "gpus": 0.0, "retries": 0}
    run_on_ray(["a"], cells_of_tests.tell_worker, None, kept.__setitem__, lambda _: None, **options)
    assert int(kept["a"].split()[0]) != os.getpid()
    assert not ray.is_initialized()
    assert set(Path("/tmp").glob("mnemoscope-*")) == before


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_an_address_that_does_not_answer(address: str) -> None:
    """One line that names it and says what to do, within seconds."""
    start = time.monotonic()
    with pytest.raises(ConfigError, match=address) as refused:
        run_on_ray(["a"], cells_of_tests.behave, {}, lambda *_: None, print, address=address, cpus=1, gpus=0, retries=0)
    assert "\n" not in str(refused.value)
    assert "ray start --head" in str(refused.value)
    assert time.monotonic() - start < 30


def test_ray_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'mnemoscope\[ray\]'"):
        run_on_ray(["a"], cells_of_tests.behave, {}, lambda *_: None, print, address=None, cpus=1, gpus=0, retries=0)
