"""A study whose cells run in processes beside the driver, which is killed in its middle: the files of one run here.

And what a cell of either keeps for the answers, so that what is large in it is not needed again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import outcome_twin
import pytest
from small_study import write_study

import mnemoscope
from mnemoscope import StudyResult, executors, steps
from mnemoscope.executors import beside as executor
from mnemoscope.records import Extraction
from mnemoscope.steps import studying
from mnemoscope.steps.collecting import keep, outcome
from mnemoscope.store import Run
from mnemoscope.study_yaml import read_study
from mnemoscope.tables import read_rows, write_rows

STUDY = {
    "name": "jobs",
    "compute": {"dtype": "float32", "device": "cpu"},
    "attacks": ["loss", "in_domain_ratio"],
    "training": {"rank": 2, "epochs": 2, "learning_rate": 0.01, "batch_size": 8, "dropout": 0.1, "heldout": 4},
    "rules": {"resamples": 100},
    "grid": [{"matrices": "q", "every_epoch": True}, {"matrices": "v", "copies": [4, 90], "generations": "4"}],
}
CELLS, FAILING = ("q-r2-x1-s13", "v-r2-x4-s13"), "v-r2-x90-s13"
MAY_DIFFER = ("timings.json", "status.json")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A thread a process, as in this one, however many CPUs there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "usable_cpus", lambda: 2)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """The study file."""
    return write_study(tmp_path_factory.mktemp("jobs"), STUDY, tiny)


@pytest.fixture(scope="module")
def here(file: Path) -> StudyResult:
    """The study, run in this process."""
    return mnemoscope.study(file, out=file.parent / "here")


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal, the base's traces too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in MAY_DIFFER
    }


@pytest.fixture(scope="module")
def scratch(file: Path) -> Iterator[Path]:
    """The folder for temporary files, of this process and those that it starts."""
    folder = file.parent / "scratch"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield folder


@pytest.fixture(scope="module")
def killed(file: Path, scratch: Path) -> Path:
    """The folder of the study, whose driver was killed while a cell was measured."""
    out = file.parent / "beside"
    driver = begun(file, out, scratch, "cells/*/cells/*/traces.parquet")
    driver.kill()
    driver.communicate()  # its processes hold the other ends until they have ended
    return out


def begun(file: Path, out: Path, scratch: Path, until: str) -> subprocess.Popen[str]:
    """The driver of a study in two processes, which has come so far that `until` is in its folder."""
    driver = subprocess.Popen(
        [sys.executable, "-m", "mnemoscope", "study", str(file), "--out", str(out), "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(scratch)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in a shell's background
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(out.glob(until)):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return driver


@pytest.fixture(scope="module")
def beside(killed: Path, file: Path) -> StudyResult:
    """The study, ended by the same call."""
    assert "answers" not in json.loads((killed / "manifest.json").read_text())["stages"]
    return mnemoscope.study(file, out=killed, jobs=2)


def test_jobs_give_the_files_of_this_process(beside: StudyResult, here: StudyResult) -> None:
    """Adapters, traces, answers and pages are equal byte for byte, also after the driver was killed."""
    assert files(beside.run) == files(here.run)
    assert beside.summary == here.summary
    for cell in CELLS:
        assert beside.audit(cell).scores.equals(here.audit(cell).scores)


def test_a_failing_cell_is_recorded(beside: StudyResult, here: StudyResult) -> None:
    """The same words as from this process, and no folder."""
    assert beside.failed == here.failed == (FAILING,)
    status = [steps.read_status(study.run)["cells"] for study in (beside, here)]
    assert {cell: one["state"] for cell, one in status[0].items()} == {
        **dict.fromkeys(CELLS, "done"),
        FAILING: "failed",
    }
    assert status[0][FAILING]["error"] == status[1][FAILING]["error"]
    assert {path.name for path in (beside.run / "cells").iterdir()} == set(CELLS)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_all_processes(tiny: Path, tmp_path: Path, scratch: Path, sent: signal.Signals) -> None:
    """Ctrl-C, or what a scheduler sends, to the driver alone: all end after a checkpoint, in one line."""
    longer = {**STUDY, "training": {**STUDY["training"], "epochs": 400, "save_steps": 4}}
    driver = begun(write_study(tmp_path, longer, tiny), tmp_path / "run", scratch, "cells/*/cells/*/.checkpoints-*/c*")
    driver.send_signal(sent)
    _, said = driver.communicate(timeout=60)  # its processes hold the other ends until they have ended
    assert driver.returncode == 130
    assert "What is finished is kept; the same command goes on from there." in said
    assert "Traceback" not in said
    assert "running" not in {one["state"] for one in steps.read_status(tmp_path / "run")["cells"].values()}


@pytest.mark.usefixtures("beside")
def test_nothing_private_is_left_elsewhere(scratch: Path) -> None:
    """Cells are written in their place; the killed processes left no file outside the study's folder either."""
    assert not [path for path in scratch.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--jobs", "0"), "--jobs 0: give 1 or more"),
        (("--jobs", "-2"), "--jobs -2: give 1 or more"),
        (("--jobs", "2", "--executor", "ray"), "--jobs needs --executor here"),
        (("--jobs", "2", "--address", "auto"), "--address needs --executor ray"),
        (("--address", "auto", "--dry-run"), "--address needs --executor ray"),
    ],
)
def test_what_does_not_go_together_is_refused(
    refused: Callable[..., str], file: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """One line, before anything is read or written."""
    assert says in refused("study", file, "--out", tmp_path / "run", *words)
    assert not (tmp_path / "run").exists()


def test_the_dtype_of_a_finished_cell_is_that_of_the_study(
    beside: StudyResult, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a cell's end and before the note of its dtype, a study goes on in that dtype all the same."""
    out = Path(shutil.copytree(beside.run, tmp_path / "run"))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest.pop("dtype") == "float32"
    (out / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(executors, "run_in_processes", lambda *_, **__: None)
    planned = steps.plan(read_study(file), None, out)
    assert steps.run_cells(planned, steps.Where(jobs=2)) == {}
    assert json.loads((out / "manifest.json").read_text())["dtype"] == "float32"


def test_what_a_cell_keeps_is_what_its_traces_say(here: StudyResult) -> None:
    """outcome.parquet gives the answers what a slow reading of the traces, token by token, gives."""
    planned = studying.reopened(Run(here.run))
    for cell in planned.cells[:2]:
        found = outcome(planned.folder(cell.id), cell, planned.study)
        outcome_twin.check(found, planned.folder(cell.id), cell, planned.study.extraction.prefixes[0])


def test_what_came_back_word_for_word_is_kept(here: StudyResult, tmp_path: Path) -> None:
    """Of the fine-tuned model, at the first prefix; records that were not cut there are not spoken of."""
    planned = studying.reopened(Run(here.run))
    cell, folder = planned.cells[0], Path(shutil.copytree(planned.folder(CELLS[0]), tmp_path / "cell"))
    own = folder / "cells" / cell.id
    rows = [row for row in read_rows(own / "extractions.parquet", Extraction) if row.id not in ("n0", "n4")]
    other = [replace(row, model="reference" if row.model == "target" else "target", prefix="0.9") for row in rows]
    rows = [replace(row, verbatim=(row.model == "target") == (row.id in ("n2", "n9"))) for row in rows]
    write_rows(own / "extractions.parquet", Extraction, [*rows, *other])
    (own / "outcome.parquet").unlink()
    keep(Run(folder), cell, planned.study)
    found = outcome(folder, cell, planned.study)
    assert found.verbatim == {one.id: one.id in ("n2", "n9") for one in found.records if one.id not in ("n0", "n4")}


def test_a_study_is_reported_again_without_traces_and_adapters(here: StudyResult, tmp_path: Path) -> None:
    """What is large in a cell may be deleted: page, summary and exports come out as they do with it, byte for byte."""
    whole, small = (Path(shutil.copytree(here.run, tmp_path / name)) for name in ("whole", "small"))
    for large in [*small.rglob("adapter"), *small.rglob("epochs"), *small.rglob("reference")]:
        shutil.rmtree(large)
    for large in small.rglob("traces.parquet"):
        large.unlink()
    for run in (whole, small):
        shutil.rmtree(run / "export")
        (run / "report.html").write_text("gone")
        mnemoscope.report(run)
    kept = files(small)
    assert {name: content for name, content in files(whole).items() if name in kept} == kept
    assert {name for name in files(here.run) if "/" not in name or name.startswith("export/")} <= set(kept)


def test_a_study_of_an_earlier_mnemoscope_is_not_reported(
    here: StudyResult, tmp_path: Path, refused: Callable[..., str]
) -> None:
    """Its answers have no curves: one line says to run it again, which finds its cells."""
    old = Path(shutil.copytree(here.run, tmp_path / "old"))
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["stages"]["answers"]["files"]["curves.parquet"]
    (old / "manifest.json").write_text(json.dumps(manifest))
    assert "run mnemoscope study" in refused("report", old)
