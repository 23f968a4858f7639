"""ROC curves: on linear axes, and on logarithmic ones where few false alarms are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from mnemoscope.records import Evidence, RocBand, RocCurve
from mnemoscope.reporting.names import drawn, main_attack
from mnemoscope.reporting.theme import ATTACKS, DASHES, NEUTRAL, STROKE, data, framed, scale
from mnemoscope.reporting.wording import percent

POINTS = 300
"""A drawn curve keeps this many of its corners on each of two grids; the tables use all of them."""

Rows = list[dict[str, Any]]


class Axes(NamedTuple):
    """Both axes of a ROC figure."""

    x: alt.X
    y: alt.Y
    floor: float
    """Where they begin: 0 on linear axes."""


def linear() -> Axes:
    """From 0 to 1."""
    whole = alt.Scale(domain=[0, 1])
    return Axes(
        alt.X("fpr:Q", title="false-positive rate (held-out records)", scale=whole),
        alt.Y("tpr:Q", title="true-positive rate (training records)", scale=whole),
        0.0,
    )


def logarithmic(floor: float) -> Axes:
    """From `floor`, a power of ten, to 1."""
    powers = alt.Scale(type="log", domain=[floor, 1])
    axis = alt.Axis(values=[float(10.0**k) for k in range(round(np.log10(floor)), 1)], format="~%")
    return Axes(
        alt.X("fpr:Q", title="false-positive rate (log scale)", scale=powers, axis=axis),
        alt.Y("tpr:Q", title="true-positive rate (log scale)", scale=powers, axis=axis),
        floor,
    )


def roc(evidence: Evidence) -> alt.LayerChart:
    """The curves of the attacks of `names.drawn` with the headline's band, and the diagonal of guessing."""
    return _attacks(evidence, linear(), "roc", "ROC curves of the attacks fixed beforehand, linear axes")


def roc_low(evidence: Evidence) -> alt.LayerChart:
    """The same on logarithmic axes."""
    held_out = sum(record.role == "nonmember" for record in evidence.records)
    axes = logarithmic(float(10.0 ** np.floor(np.log10(1 / max(held_out, 10)))))
    return _attacks(evidence, axes, "roc-low", "ROC curves of the attacks fixed beforehand, logarithmic axes")


def _attacks(evidence: Evidence, axes: Axes, name: str, description: str) -> alt.LayerChart:
    order = drawn(evidence.curves)
    rows = [row for attack in order for row in corners(attack, evidence.curves[attack], axes.floor)]
    first = main_attack(order)
    band = evidence.curves[first].band if first else None
    layers = curve_layers(rows, order, axes)
    if band is None or first is None:
        return framed(alt.LayerChart(layer=layers), name, description, legend=order)
    least = f", from {percent(float(band.fpr[0]))} on" if axes.floor else ""
    told = f"shaded: {percent(band.level)} interval of {first}{least}"
    return framed(alt.LayerChart(layer=[_band(band, axes), *layers]), name, description, told, legend=order)


def _band(band: RocBand, axes: Axes) -> alt.Chart:
    ends = [
        {"fpr": float(fpr), "tpr": max(float(low), axes.floor), "high": max(float(high), axes.floor)}
        for fpr, low, high in zip(band.fpr, band.low, band.high, strict=True)
        if fpr >= axes.floor
    ]
    shade: alt.Chart = data(ends).mark_area(color=ATTACKS[0], opacity=0.16, clip=True).encode(x=axes.x, y=axes.y)
    return shade.encode(y2="high:Q")


def curve_layers(rows: Rows, order: Sequence[str], axes: Axes) -> list[alt.Chart]:
    """The diagonal of guessing and a line for each `series` of the rows, told apart by colour and dash."""
    colour = alt.Color("series:N", title=None, sort=order, scale=scale(order, ATTACKS), legend=STROKE)
    dash = alt.StrokeDash("series:N", title=None, sort=order, scale=scale(order, DASHES), legend=STROKE)
    chance = [{"fpr": end, "tpr": end} for end in (axes.floor, 1.0)]
    guess: alt.Chart = data(chance).mark_line(color=NEUTRAL, strokeDash=[2, 3], strokeWidth=1)
    # between two thresholds nothing is reached; on logarithmic axes a slanted line over a tie would promise much
    between: Any = "step-after" if axes.floor else "linear"
    lines: alt.Chart = data(rows).mark_line(strokeWidth=1.8, clip=True, interpolate=between)
    # a curve is drawn in the order of its corners: sorting by the false-positive rate would zigzag along steps
    return [
        guess.encode(x=axes.x, y=axes.y),
        lines.encode(x=axes.x, y=axes.y, color=colour, strokeDash=dash, order="i:Q"),
    ]


def corners(series: str, curve: RocCurve, floor: float) -> Rows:
    """Rows of a curve: thinned on a linear and a logarithmic grid; what lies below `floor` stands on the edge."""
    rows = np.arange(len(curve.fpr))
    if len(rows) > 2 * POINTS:
        even = np.linspace(0, len(rows) - 1, POINTS)
        early = np.geomspace(1, len(rows), POINTS) - 1
        rows = np.unique(np.concatenate((even, early)).round().astype(np.int64))
    fpr, tpr = np.maximum(curve.fpr, floor), np.maximum(curve.tpr, floor)
    return [{"series": series, "i": int(i), "fpr": float(fpr[i]), "tpr": float(tpr[i])} for i in rows]
