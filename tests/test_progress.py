"""Bars: told to a listener, and silent where a study speaks for its cells."""

from __future__ import annotations

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
