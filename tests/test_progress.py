"""Bars: told to a listener, and silent where a study speaks for its cells."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import pytest

from mnemoscope import progress
from mnemoscope.progress import bar, board, listening, say, tell


def test_a_listener_hears_every_bar():
    """What is done, and how much of how much; also of bars that stand under a board."""
    heard = []
    with board("cells", 2) as tick, listening(lambda *told: heard.append(told)):
        with bar("read", 10, "tokens") as step:
            step(4)
            step(6, note="loss 1.0")
        tick(1)
    with bar("read", 10, "tokens") as step:
        step(1)
    assert heard == [("read", 4, 10), ("read", 10, 10)]


def test_cells_say_nothing_of_their_own(capsys):
    """Inside a study only what is told reaches the terminal."""
    with listening(lambda *_: None):
        say("said")
        tell("told")
    say("after")
    assert capsys.readouterr().err.split() == ["told", "after"]


@pytest.mark.parametrize("inside", [True, False])
def test_only_one_process_draws(monkeypatch, capsys, inside):
    """A cell in a process beside the driver's draws no bar on the terminal that they share."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "console", progress.Console(stderr=True, force_terminal=True))
    with listening(lambda *_: None) if inside else nullcontext(), bar("read", 10, "tokens") as step:
        step(10)
    assert ("read" in capsys.readouterr().err) is not inside
