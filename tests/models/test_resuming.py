"""A training that was broken off ends as if it had not been."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mnemoscope.errors import Interrupted
from mnemoscope.models.finetune import newest_checkpoint

CHILD = """
import os, signal, sys
from pathlib import Path
from runpy import run_path
from transformers import Trainer

folder, base, how = Path(sys.argv[2]), sys.argv[3], sys.argv[4]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
steps = 0

def tick(tokens, note=None):
    global steps
    steps += note is None
    if steps == 6:
        if how == "step":
            die()
        Trainer._save_rng_state = die  # after weights and optimizer, before trainer_state.json

run_path(sys.argv[1])["train_tiny"](base, folder / "work", folder / "out", tick=tick)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module", name="whole")
def uninterrupted(train, tmp_path_factory):
    """The files and the history of a training that nothing breaks off."""
    folder = tmp_path_factory.mktemp("whole")
    _, steps = train(folder / "work", folder / "out")
    return contents(folder / "out"), steps


@pytest.fixture(scope="module", name="killed")
def killed_trainings(tiny, tmp_path_factory):
    """Folders of two trainings that were killed with kill -9: in a step, and while a checkpoint was written."""
    root = tmp_path_factory.mktemp("killed")
    script = str(Path(__file__).with_name("conftest.py"))
    children = {
        how: subprocess.Popen(
            [sys.executable, "-c", CHILD, script, str(root / how), str(tiny), how],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for how in ("step", "checkpoint")
    }
    for how, child in children.items():
        assert child.wait(180) == -signal.SIGKILL, how
    return root


def end(train, folder, whole):
    """Give the same command again, and compare files and history with the training that nothing broke off."""
    _, steps = train(folder / "work", folder / "out")
    files, history = whole
    assert contents(folder / "out") == files
    assert steps == history
    assert not (folder / "work").exists()


def copied(killed, how, tmp_path):
    return Path(shutil.copytree(killed / how, tmp_path / how))


def test_killed_in_a_step(train, killed, whole, tmp_path):
    """After kill -9 in a step the same call goes on from the checkpoint before, and the end is equal bit for bit."""
    folder = copied(killed, "step", tmp_path)
    assert newest_checkpoint(folder / "work").name == "checkpoint-5"
    assert not (folder / "out").exists()
    end(train, folder, whole)


def test_killed_while_a_checkpoint_was_written(train, killed, whole, tmp_path):
    """After kill -9 within a checkpoint the same call goes on from the whole one before it."""
    folder = copied(killed, "checkpoint", tmp_path)
    torn = folder / "work" / "checkpoint-6"
    assert (torn / "adapter_model.safetensors").exists()
    assert not (torn / "trainer_state.json").exists()
    end(train, folder, whole)


def test_resuming_does_not_start_again(train, killed, tmp_path):
    """A resumed training trains on the steps that are left, and tells the bar of those that are done."""
    folder, ticks = copied(killed, "step", tmp_path), []

    def tick(tokens, note=None):
        ticks.extend([tokens] * (note is None))

    train(folder / "work", folder / "out", tick=tick)
    total = 3 * sum(6 + 5 * (i % 3) for i in range(14))
    assert len(ticks) == 1 + 7  # the five that are done at once, then steps 6 to 12
    assert sum(ticks) == pytest.approx(total, abs=8)


@pytest.mark.parametrize("damage", ["no state", "half a state", "an empty folder"])
def test_torn_checkpoints_are_passed_over(train, killed, whole, tmp_path, damage):
    """Checkpoints that a kill left torn are removed, and the newest whole one is taken."""
    folder = copied(killed, "step", tmp_path)
    torn = folder / "work" / "checkpoint-10"
    shutil.copytree(folder / "work" / "checkpoint-5", torn)
    state = torn / "trainer_state.json"
    if damage == "no state":
        state.unlink()
        (torn / "optimizer.pt").write_bytes(b"half")
    elif damage == "half a state":
        state.write_bytes(state.read_bytes()[:100])
    else:
        shutil.rmtree(torn)
        torn.mkdir()
    assert newest_checkpoint(folder / "work").name == "checkpoint-5"
    assert not torn.exists()
    end(train, folder, whole)


def test_newest_is_by_number(tmp_path):
    """Checkpoint 10 is newer than checkpoint 9; where there is none, or no folder, there is nothing to resume."""
    assert newest_checkpoint(tmp_path / "none") is None
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 10, 1):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert newest_checkpoint(tmp_path).name == "checkpoint-10"


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
@pytest.mark.parametrize("step", [1, 6, 12])
def test_interrupted(train, whole, tmp_path, step):
    """Ctrl-C ends the training after its step with a checkpoint, and the same call ends it equal bit for bit."""
    ticks, before = [], signal.getsignal(signal.SIGINT)

    def tick(tokens, note=None):
        ticks.extend([tokens] * (note is None))
        if note is None and len(ticks) == step:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        train(tmp_path / "work", tmp_path / "out", tick=tick, save_steps=99)
    assert "\n" not in str(caught.value)
    assert len(ticks) == step
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "out").exists()
    assert newest_checkpoint(tmp_path / "work").name == f"checkpoint-{step}"
    end(train, tmp_path, whole)


def test_a_fault_restores_ctrl_c(train, tmp_path):
    """A training that fails gives Ctrl-C back to whoever had it."""
    before = signal.getsignal(signal.SIGINT)

    def tick(*_, **__):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "work", tmp_path / "out", tick=tick)
    assert signal.getsignal(signal.SIGINT) is before
