"""Figures of a comparison: differences by attack, both ROC curves, what many queries give back on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from mnemoscope.records import RocCurve
from mnemoscope.reporting import roc
from mnemoscope.reporting.theme import ATTACKS, DASHES, NEUTRAL, NONMEMBER, data, framed, scale

WHEN = ("before", "after")
SHAPES = ("circle", "diamond")
FLOOR = 1e-5
"""Smaller shares lie below a log axis."""

Leaf = Mapping[str, Any]
Rows = Sequence[tuple[str, Leaf]]
"""Name on the axis and difference, in the order that is drawn."""


def areas(rows: Rows) -> alt.LayerChart:
    """AUC of each attack before and after, joined by a line."""
    points = [
        {"attack": name, "when": when, "auc": leaf[when]["value"], "i": i}
        for name, leaf in rows for i, when in enumerate(WHEN) if leaf[when]["value"] is not None
    ]  # fmt: skip
    ends = [{"attack": name, "auc": leaf["before"]["value"], "to": leaf["after"]["value"]} for name, leaf in rows]
    y = _attacks(rows)
    x = alt.X("auc:Q", title="AUC (0.5: guessing)", scale=alt.Scale(zero=False, padding=8))
    lines: alt.Chart = data([row for row in ends if None not in row.values()]).mark_rule(color=NEUTRAL, strokeWidth=1.2)
    dots: alt.Chart = data(points).mark_point(filled=True, size=46, opacity=1)
    guess: alt.Chart = data([{"auc": 0.5}]).mark_rule(color=NEUTRAL, strokeDash=[2, 3])
    chart = alt.LayerChart(
        layer=[
            guess.encode(x=x),
            lines.encode(y=y, x=x, x2="to:Q"),
            dots.encode(y=y, x=x, color=_when(alt.Color, ATTACKS), shape=_when(alt.Shape, SHAPES)),
        ]
    )
    drawn = framed(chart, "compare-areas", "AUC of each attack before and after", legend=WHEN)
    return drawn.properties(height=_height(rows))


def differences(rows: Rows) -> alt.LayerChart:
    """Difference of AUC of each attack with its interval; filled where it is resolved."""
    kept = [
        {"attack": name, "by": leaf["value"], "low": leaf["low"], "high": leaf["high"], "told": _told(leaf)}
        for name, leaf in rows if leaf["low"] is not None
    ]  # fmt: skip
    y, told = _attacks(rows), ("resolved", "not resolved")
    title = "AUC after minus before"
    bars: alt.Chart = data(kept).mark_rule(strokeWidth=1.6, color=NONMEMBER)
    dots: alt.Chart = data(kept).mark_point(size=46, opacity=1, color=NONMEMBER, strokeWidth=1.6)
    nothing: alt.Chart = data([{"by": 0.0}]).mark_rule(color=NEUTRAL, strokeDash=[2, 3])
    filled = alt.Fill("told:N", title=None, sort=list(told), scale=scale(told, (NONMEMBER, "#ffffff00")))
    x = alt.X("by:Q", title=title, scale=alt.Scale(padding=8), axis=alt.Axis(format="~g"))
    chart = alt.LayerChart(
        layer=[
            nothing.encode(x=x),
            bars.encode(y=y, x=alt.X("low:Q", title=title), x2="high:Q"),
            dots.encode(y=y, x=x, fill=filled),
        ]
    )
    drawn = framed(chart, "compare-differences", "Difference of AUC of each attack, with its interval", legend=told)
    return drawn.properties(height=_height(rows))


def _told(leaf: Leaf) -> str:
    return "resolved" if leaf["resolved"] else "not resolved"


def _attacks(rows: Rows) -> alt.Y:
    order = [name for name, _ in rows]
    bold = {"condition": {"test": alt.datum.value == order[0], "value": "bold"}, "value": "normal"}
    return alt.Y("attack:N", title=None, sort=order, axis=alt.Axis(labelFontWeight=bold, ticks=False, labelLimit=190))


def _height(rows: Rows) -> int:
    return 18 * len(rows) + 12


def curves(before: RocCurve, after: RocCurve, attack: str, *, low: bool) -> alt.LayerChart:
    """Both ROC curves of one attack; `low` has logarithmic axes from 0.1%."""
    axes = roc.logarithmic(1e-3) if low else roc.linear()
    rows = [row for name, one in zip(WHEN, (before, after), strict=True) for row in roc.corners(name, one, axes.floor)]
    chart = alt.LayerChart(layer=roc.curve_layers(rows, list(WHEN), axes))
    name, kind = ("compare-roc-low", "logarithmic") if low else ("compare-roc", "linear")
    return framed(chart, name, f"ROC curves of {attack} before and after, {kind} axes", legend=WHEN)


def queries(rows: Sequence[tuple[int, Leaf]], decoding: str) -> alt.LayerChart:
    """Expected share of training records given back after N queries, before and after, with bands where known."""
    points = [
        {"n": n, "when": when, "share": leaf[when]["value"], "low": leaf[when]["interval"][0],
         "high": leaf[when]["interval"][1]}
        for n, leaf in rows for when in WHEN if leaf[when]["value"] is not None
    ]  # fmt: skip
    logs = alt.Scale(type="log", domain=[FLOOR, 1], clamp=True)
    title, axis = "expected share given back (log scale)", alt.Axis(format="~%", values=[10.0**-k for k in range(6)])
    x = alt.X("n:Q", title="queries a record (log scale)", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    band: alt.Chart = data([row for row in points if row["low"] is not None]).mark_area(opacity=0.14, clip=True)
    line: alt.Chart = data(points).mark_line(strokeWidth=1.8, clip=True)
    dots: alt.Chart = data(points).mark_point(size=26, filled=True, opacity=1, clip=True)
    low, share = (alt.Y(f"{end}:Q", title=title, scale=logs, axis=axis) for end in ("low", "share"))
    colour = _when(alt.Color, ATTACKS)
    chart = alt.LayerChart(
        layer=[
            band.encode(x=x, y=low, y2="high:Q", color=colour),
            dots.encode(x=x, y=share, color=colour),
            line.encode(x=x, y=share, color=colour, strokeDash=_when(alt.StrokeDash, DASHES, legend=None)),
        ]
    )
    told = f"Expected share of training records given back after N queries, before and after, sampling with {decoding}"
    return framed(chart, "compare-queries", told, legend=WHEN)


def _when(channel: Any, marks: Sequence[Any], **more: Any) -> Any:
    return channel("when:N", title=None, sort=list(WHEN), scale=scale(WHEN, marks), **more)
