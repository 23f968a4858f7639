"""Progress bars with rate and time left, on the terminal's error stream; silent where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True)


def say(message: str) -> None:
    """One line for the person at the terminal."""
    console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Units a second since the start of the bar."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")


@contextmanager
def bar(title: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
    """A bar of `total` units; yields tick(n, note="…")."""
    columns = (
        TextColumn("{task.description:<22}"), BarColumn(bar_width=20), MofNCompleteColumn(), _Rate(),
        TextColumn("{task.fields[note]}"), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=total, unit=unit, note="")

        def tick(n: int, note: str | None = None) -> None:
            progress.advance(task, n)
            if note is not None:
                progress.update(task, note=note)

        yield tick
