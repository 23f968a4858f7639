"""The summary on a terminal: readable at 80 columns and when piped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mnemoscope.reporting import names
from mnemoscope.reporting.names import main_attack
from mnemoscope.reporting.rivals import corrected
from mnemoscope.reporting.wording import NONE, bare_p, estimate, rate, until

_STYLES = {"valid": "bold green", "doubtful": "bold yellow", "not resolvable": "bold red"}


OPEN = " (?)"
"""Stands behind a value that too few groups carry."""
RATE = "0.01"
ROWS = 5
"""So many attacks are listed, and the headline's."""


def terminal(summary: Mapping[str, Any], timings: Mapping[str, Any]) -> RenderableType:
    """The verdict, the sentences, a table of attacks, what was extracted, and how long the stages took."""
    shown = [_verdict(summary), Text(), *_sentences(summary)]
    if summary.get("membership"):
        shown += [Text(), _attacks(summary["membership"], summary.get("comparison") or {})]
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


def _attacks(membership: Mapping[str, Any], comparison: Mapping[str, Any]) -> Table:
    """The headline's attack and the strongest ones, at one false-positive rate."""
    asked = _shown_rate(membership)
    table = Table(box=box.SIMPLE_HEAD, title="Membership", title_justify="left", title_style="bold", pad_edge=False)
    heads = ["attack", "AUC", *([f"TPR at {rate(float(asked))} FPR"] if asked else [])]
    for head in [*heads, *(["p"] if comparison else [])]:
        table.add_column(head, justify="left" if head == "attack" else "right")
    chosen = _chosen(membership)
    unresolved = False
    for name in chosen:
        cells = [_cell("auc", membership[name].get("auc"))]
        cells += [_cell("tpr_at_fpr", membership[name].get("tpr_at_fpr", {}).get(asked))] if asked else []
        cells += [_chance(comparison.get(name, {}))] if comparison else []
        table.add_row(Text(name, style="bold" if name == main_attack(membership) else ""), *cells)
        unresolved |= any(cell.plain.endswith(OPEN) for cell in cells)
    baseline = main_attack(membership) if comparison else None
    table.caption = _below(len(membership) - len(chosen), unresolved, baseline) or None
    table.caption_justify = "left"
    return table


def _shown_rate(membership: Mapping[str, Any]) -> str | None:
    rates = sorted({asked for attack in membership.values() for asked in attack.get("tpr_at_fpr", {})}, key=float)
    return RATE if RATE in rates else next(iter(rates), None)


def _chosen(membership: Mapping[str, Any]) -> list[str]:
    """The strongest by AUC in order, the headline's among them whatever its place."""
    order = names.ranked(membership)
    kept = {*order[:ROWS], main_attack(membership)}
    return [name for name in order if name in kept]


def _below(left: int, unresolved: bool, baseline: str | None) -> str:
    notes = [
        "sorted by AUC: the first looks better than it is" if left > 0 else "",
        f"{left} more in summary.json" if left > 0 else "",
        f"p: of the difference to {baseline}, Holm-corrected" if baseline else "",
        f"{OPEN.strip()} not resolved: too few non-member groups for this rate" if unresolved else "",
    ]
    return "; ".join(note for note in notes if note)


def _chance(compared: Mapping[str, Any]) -> Text:
    tested = corrected(compared)
    return Text(NONE if tested is None else bare_p(tested["p_adjusted"]))


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
