"""What mnemoscope study --status says of the time that is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from mnemoscope.steps import shown_status

DONE, WAITING = {"state": "done", "seconds": 100.0}, {"state": "waiting"}
EARLIER = {"state": "done"}
"""A cell that another call finished."""


def running(seconds: float) -> dict[str, Any]:
    """A cell that has run for so long when the status is written."""
    return {"state": "running", "begun": 1000.0 - seconds, "stage": "x", "total": 0}


def said(capsys: pytest.CaptureFixture[str], *cells: Mapping[str, Any]) -> str:
    """The first line, whole."""
    status = {"begun": 0.0, "updated": 1000.0, "cells": {f"c{i}": cell for i, cell in enumerate(cells)}}
    Console(width=500).print(shown_status(status))
    return capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("cells", "left"),
    [
        # 60 s of one, nothing known of the other, three of 100 s: 360 s of work, two at once
        ([DONE, DONE, running(40), running(130), WAITING, WAITING, WAITING], "about 3 min left"),
        ([DONE, running(10), running(99)], "about 2 min left"),
        ([DONE, {"state": "done", "seconds": 20.0}, WAITING], "about 60 s left"),
        ([EARLIER, DONE, running(100)], "about 0 s left"),
    ],
)
def test_time_left(capsys: pytest.CaptureFixture[str], cells: list[dict[str, Any]], left: str) -> None:
    """By hand: each cell takes the mean of those this call finished; the last one is waited for."""
    assert f"; {left}; written" in said(capsys, *cells)


def test_nothing_is_foretold_without_a_finished_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor where another call finished them, or none is left."""
    for cells in ([running(5), WAITING], [EARLIER, WAITING], [DONE, DONE]):
        assert " left" not in said(capsys, *cells)
