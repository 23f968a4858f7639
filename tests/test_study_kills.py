"""kill -9 costs a study at most the stage that runs: the same call ends as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_study
import pytest
from killed_study import FIRST, SECOND, Killed, Ledger, files
from small_study import write_study

from mnemoscope.store import LOCK

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
STUDY = {
    "name": "killed",
    "compute": {"dtype": "float32", "device": "cpu"},
    "attacks": ["loss"],
    "training": {
        "rank": 2, "epochs": 2, "learning_rate": 0.01, "batch_size": 8, "dropout": 0.1, "heldout": 4, "save_steps": 2,
    },
    "rules": {"resamples": 100},
    "grid": [
        {"matrices": "q", "every_epoch": True},
        {"matrices": "v", "copies": 4, "planted": 3, "generations": "4"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A folder with the study run whole, the one that was killed, and the ledger."""
    folder = tmp_path_factory.mktemp("studies")
    file = write_study(folder, STUDY, tiny)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    arguments = [sys.executable, killed_study.__file__, str(file), str(folder)]
    said = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert said.returncode == 0, said.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def killed(studies: Path) -> Killed:
    """What the ledger says."""
    return Ledger(studies / "ledger").read()


def stages(folder: Path) -> set[str]:
    """The stages of a run that write files."""
    known = json.loads((folder / "manifest.json").read_text())["stages"]
    return {name for name, stage in known.items() if stage["files"]}


def test_a_killed_study_gives_the_files_of_one_that_was_not(studies: Path, killed: Killed) -> None:
    """Every process but the last died of kill -9; the last ended the study, and no cell failed on the way."""
    assert killed.signals == [signal.SIGKILL] * len(killed.kills)
    assert killed.codes == [0]
    assert killed.failed == []
    assert killed.unequal == []
    assert files(studies / "killed") == files(studies / "whole")


def test_nothing_half_done_is_left(studies: Path) -> None:
    """No half file, no checkpoint: not even empty folders differ."""
    names = [{path.relative_to(studies / one) for path in (studies / one).rglob("*")} for one in ("killed", "whole")]
    assert names[0] == names[1]
    hidden = [path for path in names[0] if path.name.startswith(".") or "checkpoint" in path.name]
    assert {path.name for path in hidden} == {LOCK}


def test_the_kills_were_everywhere(studies: Path, killed: Killed) -> None:
    """In every file of the first cell, after every stage of the second, in and after each of the study; in training."""
    assert len(killed.kills) == len(set(killed.kills)) >= 30
    assert len([label for label in killed.kills if label.startswith("torn ")]) >= 5
    assert {f"step {FIRST}", f"step {SECOND}"} < set(killed.kills)
    out = studies / "killed"
    after = {label.partition(": ")[2] for label in killed.kills if label.startswith(f"whole cells/{SECOND}")}
    assert after == stages(out / "cells" / SECOND)
    after = {label.partition(": ")[2] for label in killed.kills if label.startswith("whole .")}
    assert after == stages(out)
    inside = [label.partition(" ")[2] for label in killed.kills if label.startswith(("half ", "over "))]
    for name in files(out):
        if SECOND not in name:
            assert any(name == one or name.startswith(one + "/") for one in inside), name


def test_a_kill_costs_the_running_stage_alone(killed: Killed) -> None:
    """What the manifest calls finished was never begun again, and training went on from the last whole checkpoint."""
    assert killed.again == []
    for cell in (FIRST, SECOND):
        torn = killed.kills.index(f"step {cell}")
        assert (cell, 3) == killed.steps[torn][-1] == killed.steps[torn + 1][0]
