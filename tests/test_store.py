"""A run folder: stages are skipped exactly when nothing changed, and files appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mnemoscope.errors import RunError
from mnemoscope.store import SCHEMA_VERSION, Run, canonical, key_of

KILLED = """
import os, signal, sys
from pathlib import Path
from mnemoscope.store import Run
with Run(Path(sys.argv[1])).writing("a.txt") as path:
    path.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def put(run: Run, name: str = "a", text: str = "whole", inputs: object = 1) -> bool:
    """A stage that writes one file."""
    return run.stage(name, {"inputs": inputs}, [f"{name}.txt"], lambda: run.write_text(f"{name}.txt", text))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A new run folder."""
    return Run(tmp_path / "run")


def test_equal_inputs_and_files_skip_the_stage(run: Run) -> None:
    """A stage runs once, and not again for the process that opens the folder later."""
    assert put(run)
    assert not put(run, text="other")
    assert not put(Run(run.folder), text="other")
    assert run.path("a.txt").read_text() == "whole"


def test_other_inputs_run_the_stage(run: Run) -> None:
    """Inputs that differ in one value run the stage again, and so does going back to the old ones."""
    assert put(run, inputs=1)
    assert put(run, inputs=2)
    assert put(run, inputs=1)


@pytest.mark.parametrize("harm", ["deleted", "damaged", "emptied", "replaced by a folder"])
def test_a_file_that_changed_runs_the_stage(run: Run, harm: str) -> None:
    """A file that is gone or differs by one byte is written again."""
    put(run)
    path = run.path("a.txt")
    if harm in ("deleted", "replaced by a folder"):
        path.unlink()
    if harm == "replaced by a folder":
        path.mkdir()
    if harm in ("damaged", "emptied"):
        path.write_text("wholE" if harm == "damaged" else "")
    assert put(Run(run.folder))
    assert path.read_text() == "whole"


def test_a_folder_counts_with_all_it_holds(run: Run) -> None:
    """A stage that writes a folder runs again when a file in it is changed, removed or added."""

    def make() -> None:
        with run.writing("adapter") as folder:
            folder.mkdir()
            (folder / "weights").write_text("w")
            (folder / "config").write_text("c")

    def again() -> bool:
        return run.stage("train", {}, ["adapter"], make)

    assert again()
    assert not again()
    (run.path("adapter") / "weights").write_text("x")
    assert again()
    (run.path("adapter") / "config").unlink()
    assert again()
    (run.path("adapter") / "stray").write_text("s")
    assert again()
    assert sorted(path.name for path in run.path("adapter").iterdir()) == ["config", "weights"]


def test_a_failing_stage_leaves_no_entry(run: Run) -> None:
    """A stage that fails is not in the manifest, its half file is gone, and it runs the next time."""

    def fail() -> None:
        with run.writing("a.txt") as path:
            path.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run.stage("a", {"inputs": 1}, ["a.txt"], fail)
    assert not run.holds("a")
    assert not Run(run.folder).holds("a")
    assert not any(run.folder.rglob("*.txt"))
    assert put(run)


def test_a_failing_stage_forgets_nothing_of_the_others(run: Run) -> None:
    """A failure in one stage keeps what the others finished, and does not pass the old file off as new."""
    put(run, "a")
    put(run, "b")
    with pytest.raises(ZeroDivisionError):
        run.stage("b", {"inputs": 2}, ["b.txt"], lambda: 1 / 0)
    again = Run(run.folder)
    assert not put(again, "a")
    assert put(again, "b", "new", inputs=2)
    assert again.path("b.txt").read_text() == "new"


def test_a_failure_inside_writing_keeps_the_old_file(run: Run) -> None:
    """What is written beside the target replaces it at the end or not at all."""
    run.write_text("a.txt", "old")
    with contextlib.suppress(RuntimeError), run.writing("a.txt") as path:
        path.write_text("half")
        raise RuntimeError
    assert run.path("a.txt").read_text() == "old"
    assert sorted(path.name for path in run.folder.iterdir()) == ["a.txt", "manifest.json"]


def test_a_kill_inside_writing_keeps_the_old_file(run: Run) -> None:
    """A process killed while it writes leaves the old file, and the next run goes on as if nothing had happened."""
    put(run)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(run.folder)], check=False)
    assert killed.returncode == -9
    assert run.path("a.txt").read_text() == "whole"
    assert not put(Run(run.folder), text="other")


def test_a_killed_process_leaves_no_private_text(run: Run) -> None:
    """What a killed process was writing is removed by the next one: equal runs hold equal files, killed or not."""
    put(run)
    subprocess.run([sys.executable, "-c", KILLED, str(run.folder)], check=False)
    put(Run(run.folder), inputs=2)
    assert sorted(path.name for path in run.folder.iterdir()) == ["a.txt", "manifest.json", "timings.json"]


def test_a_kill_at_the_first_write_does_not_lock_the_folder(run: Run) -> None:
    """A process killed before its first file was whole leaves a folder that the same command goes on with."""
    subprocess.run([sys.executable, "-c", KILLED, str(run.folder)], check=False)
    assert put(Run(run.folder))


def test_opening_a_run_makes_nothing(tmp_path: Path) -> None:
    """A folder is made with its first file, not by looking at it."""
    Run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_reads(run: Run) -> None:
    """Files are 0600 and folders 0700, whatever the umask allows."""
    put(run)
    with run.writing("one/adapter") as folder:
        folder.mkdir()
        (folder / "weights").write_text("w")
    for path in [run.folder, *run.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_folders_in_between_are_private_too(run: Run) -> None:
    """Every folder on the way to a file is 0700, not only the last one."""
    run.write_text("cells/one/log.txt", "x")
    assert stat.S_IMODE(run.path("cells").stat().st_mode) == 0o700


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    """A folder that holds other things is left alone."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and holds no run"):
        Run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    """An empty folder that is there already becomes the run folder."""
    assert Run(tmp_path).manifest["schema_version"] == SCHEMA_VERSION


def test_file_as_folder_is_refused(tmp_path: Path) -> None:
    """A file cannot be a run folder."""
    path = tmp_path / "out"
    path.write_text("mine")
    with pytest.raises(RunError, match="--out out is a file"):
        Run(path)
    assert path.read_text() == "mine"


def test_file_on_the_way_is_refused(tmp_path: Path) -> None:
    """A run folder cannot lie inside a file."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RunError):
        put(Run(tmp_path / "out" / "run"))


def test_other_schema_is_refused(run: Run) -> None:
    """A run of another schema version is neither read nor written over."""
    run.note(schema_version="0")
    with pytest.raises(RunError, match="another version of mnemoscope"):
        Run(run.folder)
    assert json.loads(run.path("manifest.json").read_text())["schema_version"] == "0"


@pytest.mark.parametrize("text", ["{", "", "\ufeff{}", "not json"])
def test_torn_manifest_is_refused(run: Run, text: str) -> None:
    """A manifest that is no JSON is refused in one line that names it."""
    run.note()
    run.path("manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"run/manifest\.json is not as mnemoscope writes it"):
        Run(run.folder)


@pytest.mark.parametrize("text", ["[1]", '"x"', '{"schema_version": "1"}', '{"schema_version": "1", "stages": []}'])
def test_manifest_of_another_shape_is_refused(run: Run, text: str) -> None:
    """A manifest that is JSON but no manifest is refused like one that is no JSON."""
    run.note()
    run.path("manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError):
        put(Run(run.folder))


def test_keys_follow_values_not_order() -> None:
    """Equal values give equal keys whatever their order, and a number is not its text."""
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": [1, 2], "a": 1})
    assert len({key_of(value) for value in (1, "1", [1], {"a": 1}, None, True, 1.5)}) == 7
    assert canonical({"é": 1}) == '{\n  "é": 1\n}\n'


def test_no_number_outside_json() -> None:
    """NaN and infinity are no JSON, so they never reach a file."""
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical({"x": value})


def test_timings_hold_rates(run: Run) -> None:
    """timings.json says for every stage how long it took and how fast it was; the manifest says neither."""
    run.stage("a", {}, [], lambda: None, units=10)
    timings = json.loads(run.path("timings.json").read_text())["stages"]["a"]
    assert set(timings) == {"seconds", "finished", "per_second", "units"}
    assert set(json.loads(run.path("manifest.json").read_text())["stages"]["a"]) == {"key", "files"}
