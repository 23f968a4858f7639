"""A tiny model, a small set of records, and one finished run of both, made once for all tests."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub client is imported: a test never waits for a network

from mnemoscope import Audit, Compute, Measurement, Training

RECIPE = Training(
    matrices="all",
    rank=16,
    alpha=32,
    dropout=0,
    learning_rate=1e-2,
    batch_size=8,
    epochs=20,
    heldout=8,
    save_steps=1000,
)
"""Learns two dozen short records by heart in two seconds."""

FLOAT32 = Compute(dtype="float32", device="cpu")
QUICK = Measurement(resamples=200, generations="4")


def rows(n: int, *, seed: int = 5, length: int = 24) -> list[dict[str, str]]:
    """`n` records of random letters, every other one for training, the rest half dev and half test."""
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [
        {
            "id": f"note-{i}",
            "text": "".join(draw.choice(letters) for _ in range(length)),
            "split": ("train", "dev", "train", "test")[i % 4],
        }
        for i in range(n)
    ]


def write_jsonl(path: Path, records: list[dict[str, str]]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that train and audit come first, so that short ones are left to fill the cores at the end."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session")
def threads() -> int:
    """The threads of torch, set to one: a tiny model is fastest so, and the machine may be shared."""
    import torch

    torch.set_num_threads(1)
    return torch.get_num_threads()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, threads: int) -> Path:
    """A tiny model with random weights."""
    from mnemoscope.models import write_tiny

    assert threads == 1
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other random weights."""
    from mnemoscope.models import write_tiny

    return write_tiny(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 records of random letters, 24 of them for training."""
    return write_jsonl(tmp_path_factory.mktemp("data") / "notes.jsonl", rows(48))


@pytest.fixture(scope="session")
def instrument(tiny: Path, notes: Path) -> Callable[..., Audit]:
    """Fine-tune and audit into a folder."""
    import mnemoscope

    def run(out: Path, *, training: Training = RECIPE, data: Path = notes, seed: int = 13) -> Audit:
        adapter = mnemoscope.finetune(str(tiny), out=out, data=str(data), training=training, compute=FLOAT32, seed=seed)
        return mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=QUICK, compute=FLOAT32, seed=seed)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, instrument: Callable[..., Audit]) -> Audit:
    """A finished run that learnt its records by heart; look, do not touch."""
    return instrument(tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture
def copied(finished: Audit, tmp_path: Path) -> Audit:
    """A copy of the finished run, for tests that change it."""
    return Audit(Path(shutil.copytree(finished.run, tmp_path / "copied")), finished.cell)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with exit code 2 and one line; gives the line."""
    from mnemoscope.cli import main

    def run(*arguments: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert stop.value.code == 2
        assert said.out == ""
        assert "Traceback" not in said.err
        assert "SECRET" not in said.err
        # what was read is told before a fault that shows only later; the fault itself is one line, the last
        *before, fault = said.err.splitlines()
        assert all(line.startswith(("read ", "note: ")) for line in before), said.err
        assert fault.startswith("mnemoscope: ")
        return fault.strip()

    return run
