"""The command line: one command is one function, and Ctrl-C is no crash."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import mnemoscope
from mnemoscope import Audit, pipeline, registry, steps
from mnemoscope.cli import app, main


def stopped(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The line of a command that ends as Ctrl-C does."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert stop.value.code == 130
    assert "Traceback" not in said
    assert "the same command goes on" in said.splitlines()[-1]
    return said


def test_one_command_is_one_public_function() -> None:
    """Every verb of the package is a command, with the same parameters."""
    commands = {name for name in app if not name.startswith("-")}
    assert commands == {"demo", "finetune", "audit", "canaries", "study", "compare", "report", "attacks"}
    for name in commands - {"attacks"}:
        assert app[name].default_command is getattr(pipeline, name)
        assert getattr(mnemoscope, name) is getattr(pipeline, name)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Help names every option and its default; the version is the package's."""
    main(["--version"])
    assert capsys.readouterr().out.strip() == metadata.version("mnemoscope")
    for command in (pipeline.finetune, pipeline.audit):
        main([command.__name__, "--help"])
        said = capsys.readouterr().out
        for name in inspect.signature(command).parameters:
            assert (
                name in ("model", "columns", "training", "measurement", "compute")
                or f"--{name.replace('_', '-')} " in said
            )


@pytest.mark.parametrize("command", ["finetune", "audit"])
def test_help_shows_the_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """The examples of a command are in its help."""
    main([command, "--help"])
    assert f"mnemoscope {command} ./" in capsys.readouterr().out


def test_attacks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """mnemoscope attacks names every attack and what it needs."""
    main(["attacks"])
    said = capsys.readouterr().out
    assert all(name in said for name in registry.attacks())
    assert "target, reference" in said


def test_a_finished_audit_through_the_command(copied: Audit, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints verdict and answers on the output stream, and returns without an exit code."""
    main(["audit", str(tiny), "--adapter", str(copied.run), "--dtype", "float32", "--attacks", "loss", "--attacks",
          "lr_diff,zlib", "--resamples", "100", "--generations", "0"])  # fmt: skip
    said = capsys.readouterr()
    assert "Audit: " in said.out
    for part in ("Recognised", "Word for word", "Not tested", "report"):
        assert part in said.out
    assert list(Audit(copied.run, copied.cell).summary["membership"]) == ["loss", "lr_diff", "zlib"]


def shown(page: Path) -> str:
    """The page, and after it the texts that stand in its data token by token."""
    html = page.read_text()
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, flags=re.DOTALL)
    lists = [found for block in blocks for found in re.findall(r'"pieces": ?(\[.*?"\])', block)]
    return "\n".join([html, *("".join(json.loads(found)) for found in lists)])


def test_show_text_is_a_decision(copied: Audit, notes: Path) -> None:
    """The page holds text of the records when asked, and none when it is not."""
    words = [json.loads(line)["text"] for line in notes.read_text().splitlines()]
    page = copied.run / "report.html"
    assert not any(word[:12] in shown(page) for word in words)
    main(["report", str(copied.run), "--show-text"])
    assert any(word[:12] in shown(page) for word in words)
    main(["report", str(copied.run)])
    assert not any(word[:12] in shown(page) for word in words)


def test_brackets_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is in square brackets is printed, not taken for markup."""
    from mnemoscope.progress import say

    say("pip install 'mnemoscope[report]' [/b] :smile:")
    assert capsys.readouterr().err == "pip install 'mnemoscope[report]' [/b] :smile:\n"


def test_a_result_in_a_folder_with_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    """The path of a finished adapter is printed as it is."""
    from rich.console import Console

    Console(width=200).print(mnemoscope.Adapter(Path("runs/[a]"), "qkvo-r8-x1-s13", 1))
    assert "runs/[a]" in capsys.readouterr().out


def test_ctrl_c_in_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C inside a command is one line and exit code 130."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "read", interrupt)
    said = stopped(capsys, "finetune", "tiny", "--data", "synthetic:4", "--out", "unused")
    assert len(said.splitlines()) == 1
    assert not Path("unused").exists()


SHORT = ("--matrices", "vo", "--epochs", "6", "--batch-size", "8", "--dtype", "float32", "--heldout", "0")


def test_ctrl_c_in_training(
    tiny: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in training is exit code 130 too, and no traceback."""
    monkeypatch.setattr(importlib.import_module("mnemoscope.steps.training"), "bar", interrupting_bar)
    stopped(capsys, "finetune", tiny, "--data", notes, "--out", tmp_path / "a", *SHORT)


@contextmanager
def interrupting_bar(*_: object) -> Any:
    """A bar that gets Ctrl-C at its third tick."""
    ticks = []

    def tick(*_: object, **__: object) -> None:
        ticks.append(1)
        if len(ticks) == 3:
            signal.raise_signal(signal.SIGINT)

    yield tick


def test_a_training_goes_on_after_ctrl_c(
    tiny: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training stopped by Ctrl-C ends, when the command is given again, with the adapter of one that was not."""
    from mnemoscope.errors import Interrupted

    words: Callable[[str], list[str]] = lambda name: [  # noqa: E731
        "finetune", str(tiny), "--data", str(notes), "--out", str(tmp_path / name), *SHORT
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("mnemoscope.steps.training"), "bar", interrupting_bar)
        with pytest.raises((Interrupted, SystemExit)):
            main(words("stopped"))
    assert list((tmp_path / "stopped").rglob("checkpoint-*"))
    assert not list((tmp_path / "stopped").rglob("adapter"))
    main(words("stopped"))
    main(words("whole"))
    assert not list((tmp_path / "stopped").rglob("checkpoint-*"))
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    for name in (name for name in files if name.name != "timings.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.parametrize("ignoring", [False, True], ids=["in front", "in the background"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_a_process_of_its_own(
    tiny: Path, notes: Path, tmp_path: Path, sent: signal.Signals, ignoring: bool
) -> None:
    """The real program in the middle of a training stops after a checkpoint: exit code 130 and no traceback."""
    words = [word if word != "6" else "3000" for word in SHORT]
    process = subprocess.Popen(
        [sys.executable, "-m", "mnemoscope", "finetune", tiny, "--data", notes, "--out", "out", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignoring else signal.default_int_handler),
    )  # fmt: skip
    # not rglob, which fails where one of the folders goes while it looks
    saved, deadline = "out/cells/*/.checkpoints-*/checkpoint-*", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not list(tmp_path.glob(saved)):
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()[1]
    assert list(tmp_path.glob(saved))
    process.send_signal(sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped after a checkpoint. What is finished is kept" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("ignoring", [False, True], ids=["in front", "in the background"])
def test_sigterm_between_trainings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ignoring: bool
) -> None:
    """Where nothing has to be written first SIGTERM stops at once, and its handler is gone afterwards."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(steps, "read", lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignoring else signal.default_int_handler)
    try:
        stopped(capsys, "finetune", "tiny", "--data", "synthetic:4", "--out", "unused")
    finally:
        signal.signal(signal.SIGINT, before[1])
    assert signal.getsignal(signal.SIGTERM) is before[0]
