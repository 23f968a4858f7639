"""The audit on a terminal: the verdict in ten lines of 80 columns, plain when piped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mnemoscope.reporting import names, tiles
from mnemoscope.reporting.rivals import corrected
from mnemoscope.reporting.wording import estimate, p_value

_STYLES = {"valid": "bold blue", "doubtful": "bold yellow", "not resolvable": "bold red"}
LABEL = 15
"""Columns of the label and the space behind it."""
SLOWEST = 3
"""So many stages are named."""

Line = tuple[str, str, str]
"""Label, text and style."""


def terminal(summary: Mapping[str, Any], timings: Mapping[str, Any]) -> RenderableType:
    """The verdict, a line an answer, the strongest attack, what was not tested, and how long it took.

    Where the page lies is for the caller to say. Texts are printed as they are: no markup in a name is obeyed.
    """
    shown = tiles.front(summary)
    lines = [*_answers(shown), *_strongest(summary), *_gaps(summary), *_time(timings)]
    return Group(_verdict(summary, shown["reason"]), Text(shown["leaked"]), _grid(lines))


def _verdict(summary: Mapping[str, Any], reason: str) -> Text:
    validity = summary["verdict"]["validity"]
    if validity == "valid":  # the numbers of the controls are on the page
        reason = reason.partition(" (")[0]
    badge = Text.assemble("Audit: ", (validity.upper(), _STYLES.get(validity, "bold")))
    return badge.append(f". {reason}".rstrip(". ") + ".")


def _grid(lines: Iterable[Line]) -> Table:
    """A grid, so that the second line of a text stands under its first word."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=LABEL - 1)
    grid.add_column()
    for label, text, style in lines:
        grid.add_row(Text(label, style="bold"), Text(text, style=style))
    return grid


def _answers(shown: Mapping[str, Any]) -> Iterable[Line]:
    for tile in shown["tiles"]:
        style = "dim" if tile.above is None else "bold" if tile.above and shown["marked"] else ""
        yield tile.label, tile.line, style


def _strongest(summary: Mapping[str, Any]) -> Iterable[Line]:
    """The attack of the highest AUC beside the headline's; picking the best of several flatters it."""
    compared, tree = summary["comparison"], summary["membership"]
    first, baseline = next(iter(names.ranked(tree)), None), names.main_attack(tree)
    if first not in compared or not tiles.told(compared[first].get("auc")):
        return
    tested = corrected(compared[first])
    p = "not tested" if tested is None else p_value(tested["p_adjusted"])
    by = estimate("comparison.auc", compared[first]["auc"])
    yield f"Best of {len(tree)}", f"{first}: AUC {by} against {baseline}, {p}", ""


def _gaps(summary: Mapping[str, Any]) -> Iterable[Line]:
    first, *others = summary["not_tested"]
    yield "Not tested", f"{first}; {len(others)} more" if others else first, ""


def _time(timings: Mapping[str, Any]) -> Iterable[Line]:
    """All stages together, and the slowest."""
    stages = {name: stage for name, stage in timings.items() if isinstance(stage, Mapping)}
    spent = {name: stage["seconds"] for name, stage in stages.items() if "seconds" in stage}
    if spent:
        slowest = sorted(spent, key=lambda name: -spent[name])[:SLOWEST]
        named = ", ".join(f"{name.partition('/')[0]} {spent[name]:,.1f}" for name in slowest)
        yield "Time", f"{sum(spent.values()):,.1f} s ({named})", "dim"
