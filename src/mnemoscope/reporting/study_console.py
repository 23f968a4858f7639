"""A study on a terminal: how far it is, and its decisions, a line a question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES = {"done": "bold green", "failed": "bold red", "waiting": "bold yellow"}


def study_terminal(summary: Mapping[str, Any]) -> RenderableType:
    """Cells by state, then each question with its sentence; at most a dozen lines at 80 columns.

    Where the page lies is for the caller to say. Texts are printed as they are: no markup in a name is obeyed.
    """
    return Group(_cells(summary), Text(), *_questions(summary["answers"]))


def _cells(summary: Mapping[str, Any]) -> Text:
    cells = summary["cells"]
    line = Text.assemble("Study ", (summary["name"], "bold"), ": ")
    parts = [(f"{cells[state]} {state}", style) for state, style in _STYLES.items() if cells[state]]
    for i, (text, style) in enumerate(parts):
        line.append(", " if i else "").append(text, style)
    return line.append(f" of {cells['total']} cells" if parts else "no cells")


def _questions(answers: Mapping[str, Any]) -> Iterable[RenderableType]:
    asked = [node for node in answers.values() if node["claims"]]
    if not asked:
        yield Text("No question can be answered from these cells yet.")
    for node in asked:
        # a grid, so that the second line of a sentence stands under its first word
        row = Table.grid(padding=(0, 1))
        row.add_row(Text("•"), Text.assemble((node["title"], "bold"), " ", node["sentence"]))
        yield row
