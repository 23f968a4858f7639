"""The summary on a terminal: readable at 80 columns and when piped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mnemoscope.reporting import names
from mnemoscope.reporting.wording import NONE, estimate, rate, until

_STYLES = {"valid": "bold green", "doubtful": "bold yellow", "not resolvable": "bold red"}


OPEN = " (?)"
"""Stands behind a value that too few groups carry."""


def terminal(summary: Mapping[str, Any], timings: Mapping[str, Any]) -> RenderableType:
    """The verdict, the sentences, a table of attacks, what was extracted, and how long the stages took."""
    shown = [_verdict(summary), Text(), *_sentences(summary)]
    if summary.get("membership"):
        shown += [Text(), _attacks(summary["membership"])]
    if summary.get("extraction"):
        shown += [_extractions(summary["extraction"])]
    return Group(*shown, *_timings(timings))


def _verdict(summary: Mapping[str, Any]) -> Text:
    validity = summary["verdict"]["validity"]
    return Text.assemble("Audit: ", (validity.upper(), _STYLES.get(validity, "bold")))


def _sentences(summary: Mapping[str, Any]) -> Iterable[RenderableType]:
    for sentence in summary["headline"]:
        # a grid, so that the second line of a sentence stands under its first word
        row = Table.grid(padding=(0, 1))
        row.add_row(Text("•"), Text(sentence))
        yield row


def _attacks(membership: Mapping[str, Any]) -> Table:
    rates = sorted({asked for attack in membership.values() for asked in attack.get("tpr_at_fpr", {})}, key=float)[::-1]
    table = Table(box=box.SIMPLE_HEAD, title="Membership", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("attack")
    table.add_column("AUC", justify="right")
    for asked in rates:
        table.add_column(f"TPR at {rate(float(asked))} FPR", justify="right")
    unresolved = False
    for name in names.attacks({"membership": membership}):
        cells = [_cell("auc", membership[name].get("auc"))]
        cells += [_cell("tpr_at_fpr", membership[name].get("tpr_at_fpr", {}).get(asked)) for asked in rates]
        table.add_row(Text(name), *cells)
        unresolved |= any(cell.plain.endswith(OPEN) for cell in cells)
    if unresolved:
        table.caption = f"{OPEN.strip()} not resolved: too few non-member groups for this false-positive rate"
    return table


def _extractions(extraction: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Extraction", title_justify="left", title_style="bold", pad_edge=False)
    for column in ("word for word, from the", "training", "held out", "training, base model"):
        table.add_column(column, justify="left" if column.startswith("word") else "right")
    for prefix, measures in extraction.items():
        verbatim = measures.get("verbatim", {})
        whose = ("members", "nonmembers", "reference_members")
        table.add_row(until(prefix), *(_cell("verbatim", verbatim.get(who)) for who in whose))
    return table


def _cell(name: str, leaf: Mapping[str, Any] | None) -> Text:
    if leaf is None:
        return Text(NONE)
    if leaf["value"] is None:
        return Text("not resolved")
    open_mark = OPEN if "reason" in leaf else ""
    return Text(estimate(name, leaf) + open_mark, style="dim" if open_mark else "")


def _timings(timings: Mapping[str, Any]) -> Iterable[Text]:
    stages = [(name, stage) for name, stage in timings.items() if isinstance(stage, Mapping) and "seconds" in stage]
    if not stages:
        return
    yield Text("Time: " + ", ".join(_stage(name, stage) for name, stage in stages), style="dim")


def _stage(name: str, stage: Mapping[str, Any]) -> str:
    rate = stage.get("tokens_per_second")
    return f"{name} {stage['seconds']:.1f} s" + (f" ({rate:,.0f} tokens/s)" if rate else "")
