"""Colours and frame of all figures. The page repaints these very colours in dark mode, so they are named once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import altair as alt

MEMBER = "#d55e00"
NONMEMBER = "#0072b2"
PLANTED = "#009e73"
NEUTRAL = "#767676"
GRID = "#76767633"
QUIET = "#999999"
ATTACKS = (MEMBER, NONMEMBER, PLANTED, "#aa3377", "#33306b", "#59636e")
"""The first five are told apart by every common form of colour blindness, the sixth by its dash or its mark too."""
DARK = {
    MEMBER: "#f08a3c", NONMEMBER: "#58aee6", PLANTED: "#2fc998", "#aa3377": "#f06bb5", "#33306b": "#f2e6a0",
    "#59636e": "#9aa6b2",
}  # fmt: skip
"""What figures.css paints these colours with on a dark page."""
DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4])

WIDTH, HEIGHT = 292, 232
"""Of the plot alone. With its axis a figure is as wide as a phone's page, so that its words stay 11 pixels high."""

FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
"""Of equal widths on every system, so that a word takes the room that was measured for it when the figure was drawn."""

WORDS = 54
"""Characters of a subtitle that stand above a plot."""
STROKE = alt.Legend(symbolType="stroke", symbolSize=320)
"""A legend of lines, also where marks stand on them."""

Framed = TypeVar("Framed", alt.Chart, alt.LayerChart)


def data(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of these rows, without a mark yet."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]  # altair's own omission


def scale(order: Sequence[str], marks: Sequence[Any]) -> alt.Scale:
    """A mark (colour, dash, shape, size) for each name; they start again when they run out."""
    return alt.Scale(domain=list(order), range=[marks[i % len(marks)] for i in range(len(order))])


def log_axis(low: float, high: float, form: str) -> alt.Axis:
    """A base-10 axis with a label at every tick: powers of ten, and below two decades their double and fivefold."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    ticks = [step * 10.0**k for k in range(first, last + 1) for step in steps]
    kept = [tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9)]
    # the house's tickCount would make Vega drop labels
    return alt.Axis(values=kept, tickCount=len(kept), format=form, labelOverlap=False)


def framed(
    chart: Framed, name: str, description: str, subtitle: str = "", *, legend: Sequence[str] = (), outline: float = 2
) -> Framed:
    """The chart in the house's frame: transparent, neutral text that the page recolours, legend below.

    Args:
        chart: what is drawn.
        name: prefix of the ids of the SVG, and the name of its file.
        description: what a screen reader says.
        subtitle: one small line above the plot.
        legend: the names in the legend; long ones stand below each other, so that none is cut.
        outline: width of the lines around the legend's marks; 0 where they are filled.
    """
    drawn = chart.properties(name=name, description=description, width=WIDTH, height=HEIGHT)
    if subtitle:
        drawn = drawn.properties(title=alt.TitleParams(
            text=_broken(subtitle), fontSize=11, fontWeight="normal", color=NEUTRAL, anchor="start",
            frame="group", offset=6, lineHeight=14,
        ))  # fmt: skip
    drawn = drawn.configure(background="transparent", font=FONT, padding=4)
    drawn = drawn.configure_view(stroke=None)
    drawn = drawn.configure_axis(
        labelColor=NEUTRAL, titleColor=NEUTRAL, domainColor=NEUTRAL, tickColor=NEUTRAL, gridColor=GRID,
        labelFontSize=11, titleFontSize=11, titleFontWeight="normal", titlePadding=7, tickCount=5,
    )  # fmt: skip
    finished: Framed = drawn.configure_legend(
        orient="bottom", direction="horizontal", columns=_columns(legend), labelColor=NEUTRAL, labelFontSize=11,
        titleColor=NEUTRAL, titleFontSize=11, titleFontWeight="normal", symbolStrokeWidth=outline, symbolSize=80,
        symbolOpacity=1, labelLimit=WIDTH, columnPadding=14, rowPadding=4,
    )  # fmt: skip
    return finished


def _broken(subtitle: str) -> str | list[str]:
    """A long subtitle on several lines, each as long as the plot is wide."""
    lines = [""]
    for part in subtitle.split("; "):
        lines += [part] if lines[-1] and len(lines[-1]) + len(part) > WORDS else []
        lines[-1] = lines[-1] if lines[-1] == part else "; ".join(filter(None, (lines[-1], part)))
    return subtitle if len(lines) == 1 else lines


def _columns(names: Sequence[str]) -> int:
    longest = max(map(len, names), default=0)
    return 4 if longest <= 6 else 3 if longest <= 11 else 2 if longest <= 20 else 1
