"""A whole study on a Ray cluster of three nodes on this machine, one of which is lost while a cell runs on it.

The tests run in the order of this file: the last one takes a node away.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_study import write_study

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mnemoscope[ray]'")

import mnemoscope
from mnemoscope import StudyResult, steps
from mnemoscope.errors import RunError

STUDY = {
    "name": "spread",
    "compute": {"dtype": "float32", "device": "cpu"},
    "attacks": ["loss", "in_domain_ratio"],
    "training": {"rank": 2, "epochs": 2, "learning_rate": 0.01, "batch_size": 8, "dropout": 0.1, "heldout": 4},
    "rules": {"resamples": 100},
    "grid": [{"matrices": "q", "every_epoch": True}, {"matrices": "v", "copies": [4, 90], "generations": "4"}],
}
CELLS, FAILING = ("q-r2-x1-s13", "v-r2-x4-s13"), "v-r2-x90-s13"
MORE = {"matrices": ["k", "o"], "epochs": 6}
"""A block of cells that take some seconds."""
LONG = ("k-r2-x1-s13-e6", "o-r2-x1-s13-e6")
MAY_DIFFER = ("timings.json", "status.json")


@dataclass(frozen=True)
class Machines:
    """The cluster, and where its workers keep what they work on."""

    cluster: Any
    folder: Path

    def working(self) -> set[str]:
        """Cells that have a folder on a worker."""
        return {path.name for path in self.folder.glob("mnemoscope-*/*/cells/*")}

    def lose(self, cells: tuple[str, ...], out: Path, kept: list[str]) -> None:
        """Once both of `cells` run, one on each node, take a node away; `kept` gets those that were done before."""
        while not set(cells) <= self.working():
            time.sleep(0.02)
        self.cluster.remove_node(self.cluster.worker_nodes.copy().pop(), allow_graceful=False)
        kept += [cell for cell in cells if (out / "cells" / cell).exists()]


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """A head that runs no cells, two nodes of one CPU each, and a connection to them."""
    folder = Path(tempfile.mkdtemp(prefix="mnemoscope-"))
    quick = {
        "health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 2,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        patch.setenv("TMPDIR", str(folder))  # inherited by the workers
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": quick}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield Machines(cluster, folder)
        ray.shutdown()
        cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """The study file."""
    return write_study(tmp_path_factory.mktemp("spread"), STUDY, tiny)


@pytest.fixture(scope="module")
def longer(file: Path) -> Path:
    """The study file with more cells."""
    path = file.with_name("longer.yaml")
    given = json.loads(file.read_text())
    path.write_text(json.dumps({**given, "grid": [*given["grid"], MORE]}))
    return path


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Run `work` in another thread meanwhile."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def seen() -> list[dict[str, Any]]:
    """What status.json said while the study ran on the cluster."""
    return []


@pytest.fixture(scope="module")
def spread(machines: Machines, file: Path, seen: list[dict[str, Any]]) -> StudyResult:
    """The study, run on the cluster; look, do not touch."""
    out, ended = file.parent / "spread", threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            with suppress(RunError):
                seen.append(steps.read_status(out))

    with beside(watch):
        try:
            return mnemoscope.study(file, out=out, executor="ray", address=machines.cluster.address)
        finally:
            ended.set()


@pytest.fixture(scope="module")
def here(file: Path) -> StudyResult:
    """The study, run in this process."""
    return mnemoscope.study(file, out=file.parent / "here")


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal: all but the base's traces, which stay in the memory of the workers."""
    return {
        name: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in MAY_DIFFER
        for name in [path.relative_to(folder).as_posix()]
        if not name.startswith("reference/")
    }


def test_a_cluster_gives_the_files_of_this_process(spread: StudyResult, here: StudyResult) -> None:
    """Adapters, scores, points, answers and pages are equal byte for byte."""
    assert files(spread.run) == files(here.run)
    assert spread.summary == here.summary
    for cell in CELLS:
        assert f"cells/{cell}/cells/{cell}/adapter/adapter_model.safetensors" in files(spread.run)
        assert spread.audit(cell).scores.equals(here.audit(cell).scores)


def test_a_failing_cell_is_recorded(spread: StudyResult, here: StudyResult) -> None:
    """The same words as from this process, and no folder."""
    assert spread.failed == here.failed == (FAILING,)
    status = [steps.read_status(study.run)["cells"] for study in (spread, here)]
    assert status[0][FAILING]["error"] == status[1][FAILING]["error"]
    assert "needs 90 members" in status[0][FAILING]["error"]
    assert {path.name for path in (spread.run / "cells").iterdir()} == set(CELLS)


@pytest.mark.usefixtures("spread")
def test_no_cell_stays_on_a_worker(machines: Machines) -> None:
    """The folders that workers used are empty: neither cells are left there, nor what was read of the base."""
    assert list(machines.folder.glob("mnemoscope-*/*"))
    assert not [path for path in machines.folder.glob("mnemoscope-*/**/*") if path.is_file()]


def test_the_status_shows_what_runs(spread: StudyResult, seen: list[dict[str, Any]]) -> None:
    """Cells that run are seen from outside, with their stage; in the end there are none."""
    running = [cell for status in seen for cell in status["cells"].values() if cell["state"] == "running"]
    assert {"fine-tune", "estimate"} & {cell["stage"] for cell in running}
    ended = steps.read_status(spread.run)["cells"]
    assert {name: cell["state"] for name, cell in ended.items()} == {**dict.fromkeys(CELLS, "done"), FAILING: "failed"}


def test_a_lost_node_costs_an_attempt(spread: StudyResult, here: StudyResult, longer: Path, machines: Machines) -> None:
    """More cells, one of whose machines is lost: the study ends with all of them, and as in this process."""
    kept: list[str] = []
    with beside(lambda: machines.lose(LONG, spread.run, kept)):
        found = mnemoscope.study(longer, out=spread.run, executor="ray", address=machines.cluster.address)
    assert len(machines.cluster.worker_nodes) == 1
    assert kept == []  # so one of the two went with its node
    assert {*CELLS, *LONG} == set(found.points.cell)
    assert files(found.run) == files(mnemoscope.study(longer, out=here.run).run)
    assert machines.working() == set()
