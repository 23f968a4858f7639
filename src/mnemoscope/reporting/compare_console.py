"""A comparison on a terminal: about ten lines, readable at 80 columns and when piped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES = {"valid": "bold green", "doubtful": "bold yellow", "not resolvable": "bold red"}


def compare_terminal(summary: Mapping[str, Any]) -> RenderableType:
    """The two audits, whether the comparison can be trusted, and its sentences; no markup in a name is obeyed."""
    validity = summary["verdict"]["validity"]
    names = Text.assemble(
        "before  ", (summary["before"]["name"], "bold"), "\nafter   ", (summary["after"]["name"], "bold")
    )
    trust = Text.assemble("Comparison: ", (validity.upper(), _STYLES.get(validity, "bold")))
    return Group(names, trust, *map(_line, summary["headline"][2:]), *map(_line, summary["findings"]))


def _line(sentence: str) -> RenderableType:
    # a grid, so that the second line of a sentence stands under its first word
    row = Table.grid(padding=(0, 1))
    row.add_row(Text("•"), Text(sentence))
    return row
