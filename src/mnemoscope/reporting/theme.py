"""Colours and frame of all figures. The page repaints these very colours in dark mode, so they are named once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import altair as alt

MEMBER = "#d55e00"
NONMEMBER = "#0072b2"
NEUTRAL = "#767676"
GRID = "#76767633"
QUIET = "#999999"
ATTACKS = (MEMBER, "#56b4e9", "#009e73", "#cc79a7", "#e69f00", NONMEMBER)
"""Okabe and Ito's colours, told apart by every common form of colour blindness."""
DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4])

WIDTH, HEIGHT = 360, 270

Framed = TypeVar("Framed", alt.Chart, alt.LayerChart)


def attack_colours(order: Sequence[str]) -> alt.Scale:
    """A colour for each attack; the colours start again when they run out, and the dash then differs."""
    return alt.Scale(domain=list(order), range=[ATTACKS[i % len(ATTACKS)] for i in range(len(order))])


def dashes(order: Sequence[str]) -> alt.Scale:
    """A dash for each attack, so that the curves differ in print too."""
    return alt.Scale(domain=list(order), range=[DASHES[i % len(DASHES)] for i in range(len(order))])


def framed(chart: Framed, name: str, description: str, subtitle: str = "") -> Framed:
    """The chart in the house's frame: transparent, neutral text that the page recolours, legend below."""
    drawn = chart.properties(name=name, description=description, width=WIDTH, height=HEIGHT)
    if subtitle:
        drawn = drawn.properties(title=alt.TitleParams(
            text=subtitle, fontSize=11, fontWeight="normal", color=NEUTRAL, anchor="start", offset=6,
        ))  # fmt: skip
    drawn = drawn.configure(background="transparent", font="sans-serif", padding=4)
    drawn = drawn.configure_view(stroke=None)
    drawn = drawn.configure_axis(
        labelColor=NEUTRAL, titleColor=NEUTRAL, domainColor=NEUTRAL, tickColor=NEUTRAL, gridColor=GRID,
        labelFontSize=11, titleFontSize=12, titleFontWeight="normal", titlePadding=8, tickCount=5,
    )  # fmt: skip
    finished: Framed = drawn.configure_legend(
        orient="bottom", direction="horizontal", columns=3, labelColor=NEUTRAL, labelFontSize=12,
        symbolStrokeWidth=2, symbolSize=90, symbolOpacity=1, labelLimit=240, columnPadding=18, rowPadding=5,
    )  # fmt: skip
    return finished
