"""Progress bars with rate and time left, on the terminal's error stream; silent where there is no terminal.

Inside `listening` the bars are told to a listener as well, and inside `board` they stand under one bar for the whole.
Inside `listening` alone they are not drawn: another process draws the board.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True)
Listener = Callable[[str, int, int], None]
"""Told what is being done, the units done and their total."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_board: ContextVar[Progress | None] = ContextVar("board", default=None)


def say(message: str) -> None:
    """One line for the person at the terminal; nothing inside `listening`, where a study speaks for its cells."""
    if _listener.get() is None:
        tell(message)


def tell(message: str) -> None:
    """One line for the person at the terminal, wherever it is said."""
    console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Units a second since the start of the bar."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, every bar is told to `listener` too."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def board(title: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar of `total` cells with those of the running cell under it; yields tick(n, note="…")."""
    with _progress() as progress:
        token = _board.set(progress)
        try:
            yield _task(progress, title, total, "cells")
        finally:
            _board.reset(token)


@contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    """A bar of `total` units; yields tick(n, note="…")."""
    above = _board.get()
    if above is not None:
        tick = _task(above, title, total, unit)
        try:
            yield _telling(tick, title, total)
        finally:
            above.remove_task(above.task_ids[-1])
        return
    with _progress() as progress:
        yield _telling(_task(progress, title, total, unit), title, total)


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description:<22}"), BarColumn(bar_width=20), MofNCompleteColumn(), _Rate(),
        TextColumn("{task.fields[note]}"), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    shown = sys.stderr.isatty() and _listener.get() is None
    return Progress(*columns, console=console, disable=not shown)


def _task(progress: Progress, title: str, total: int, unit: str) -> Callable[..., None]:
    task = progress.add_task(title, total=total, unit=unit, note="")

    def tick(n: int, note: str | None = None) -> None:
        progress.advance(task, n)
        if note is not None:
            progress.update(task, note=note)

    return tick


def _telling(tick: Callable[..., None], title: str, total: int) -> Callable[..., None]:
    """The same tick, which tells the listener as well where there is one."""
    listener = _listener.get()
    if listener is None:
        return tick
    done = 0

    def told(n: int, note: str | None = None) -> None:
        nonlocal done
        done += n
        tick(n, note)
        listener(title, done, total)

    return told
