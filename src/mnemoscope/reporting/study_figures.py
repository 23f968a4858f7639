"""Charts of a study: rows -> chart, each a pure function; an interval is a bar, and no line is told by colour alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import altair as alt

from mnemoscope.reporting.paper import FIGURE_3_6, SETTING
from mnemoscope.reporting.study_means import Row
from mnemoscope.reporting.study_series import matrix_names, series
from mnemoscope.reporting.theme import ATTACKS, DASHES, NEUTRAL, QUIET, WIDTH, data, framed, log_axis, scale
from mnemoscope.reporting.wording import number, percent

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
AUC = "AUC (0.5: guessing)"
PAPER = f"paper ({SETTING})"


class Axis(NamedTuple):
    """What runs along an axis."""

    field: str
    title: str
    values: tuple[float, ...] = ()
    """Where its ticks stand; on a base-2 logarithmic axis."""
    share: bool = False
    """Shown in percent, from 0 on."""
    floor: float = 0.0
    """Above 0 the axis is base-10 logarithmic and goes from here to `top`."""
    top: float = 1.0

    @property
    def scale(self) -> alt.Scale:
        """Base-2 logarithmic where ticks are given, base-10 above a floor, else linear."""
        if self.floor:
            return alt.Scale(type="log", domain=[self.floor, self.top], clamp=True)
        if self.values:
            return alt.Scale(type="log", base=2, nice=False, padding=14)
        return alt.Scale(zero=self.share, padding=0 if self.share else 8)

    @property
    def axis(self) -> alt.Axis:
        """Ticks and their form."""
        if self.floor:
            return log_axis(self.floor, self.top, ".0e")
        if self.values:
            # the house's tickCount would drop every other tick; a log scale's own format would drop labels
            return alt.Axis(
                values=list(self.values), tickCount=len(self.values), labelExpr="datum.value", labelOverlap="greedy"
            )
        return alt.Axis(format="~%") if self.share else alt.Axis(tickMinStep=1 if self.field == "epoch" else 0.001)


def whiskers(rows: Sequence[Row]) -> str:
    """What the bars of a figure are, in words."""
    ends = [row for row in rows if row["low"] is not None and row["high"] is not None]
    level = " or ".join(sorted({percent(row["level"]) for row in ends}))
    over = {row["basis"]: row["n_seeds"] for row in ends if row["basis"]}
    most = [str(n) for n in sorted({row["n_seeds"] for row in ends if row["basis"] == "seeds"})]
    told = []
    if "seeds" in over:
        told.append(f"t over {most[0] if len(most) == 1 else most[0] + ' to ' + most[-1]} seeds")
    if "records" in over:
        told.append("from the records of 1 seed")
    drawn, every = len(series(rows)) if "series" in rows[0] else 0, rows[0].get("of_series", 0)
    notes = [f"bars: {level} interval, {' or '.join(told)}" if told else "no intervals"]
    notes += [f"{drawn} of {every} lines drawn"] if every > drawn else []
    return "; ".join(notes)


def lines(rows: Sequence[Row], x: Axis, y: Axis, name: str, description: str) -> alt.LayerChart:
    """A line with a mark a point and its interval as a bar for each series."""
    order = series(rows)
    across = alt.X(f"{x.field}:Q", title=x.title, scale=x.scale, axis=x.axis)
    up = alt.Y(f"{y.field}:Q", title=y.title, scale=y.scale, axis=y.axis)
    colour = alt.Color("series:N", title=None, sort=order, scale=_colours(order))
    dash = alt.StrokeDash("series:N", title=None, sort=order, scale=scale(order, DASHES))
    shape = alt.Shape("series:N", title=None, sort=order, scale=scale(order, SHAPES))
    line: alt.Chart = data(rows).mark_line(strokeWidth=1.8)
    dots: alt.Chart = data(rows).mark_point(filled=True, size=48, opacity=1)
    encoded = [
        line.encode(x=across, y=up, color=colour, strokeDash=dash, order=alt.Order(f"{_along(x)}:Q")),
        dots.encode(x=across, y=up, color=colour, shape=shape),
    ]
    bars = _bars([row for row in rows if y.field == "value"], across, y, colour)
    chart = alt.LayerChart(layer=[*([bars] if bars else []), *encoded])
    return framed(chart, name, description, whiskers(rows), legend=order, outline=0)


def _along(x: Axis) -> str:
    return "epoch" if x.field == "heldout" else x.field


def _bars(rows: Sequence[Row], x: alt.X, y: Axis, colour: alt.Color) -> alt.Chart | None:
    ends = [row for row in rows if row["low"] is not None and row["high"] is not None]
    if not ends:
        return None
    rule: alt.Chart = data(ends).mark_rule(strokeWidth=1.5, opacity=0.75)
    encoded: alt.Chart = rule.encode(
        x=x, y=alt.Y("low:Q", title=y.title, scale=y.scale, axis=y.axis), y2="high:Q", color=colour
    )
    return encoded


def _colours(order: Sequence[str]) -> alt.Scale:
    """The house's colours; what the paper reports is grey."""
    own = [name for name in order if name != PAPER]
    return alt.Scale(
        domain=list(order),
        range=[QUIET if name == PAPER else ATTACKS[own.index(name) % len(ATTACKS)] for name in order],
    )


def rank_figure(rows: Sequence[Row]) -> alt.LayerChart:
    """AUC against the rank with all four matrices, the paper's Figure 3.6 beside it as its own line."""
    told = {"low": None, "high": None, "basis": None, "n_seeds": 1, "level": rows[0]["level"]}
    theirs = [{"rank": rank, "value": auc, "series": PAPER, **told} for rank, auc in FIGURE_3_6]
    every = rows[0].get("of_series", 0)
    ours = [{**row, "of_series": every + 1} for row in rows]
    return lines([*ours, *theirs], rank_axis([*ours, *theirs]), Axis("value", AUC), "rank", "AUC against the rank")


def rank_axis(rows: Sequence[Row]) -> Axis:
    """Ranks on a logarithmic axis, with a tick at each that was measured."""
    return Axis("rank", "rank (log scale)", tuple(sorted({row["rank"] for row in rows})))


def copies_axis(rows: Sequence[Row]) -> Axis:
    """Copies on a logarithmic axis, with a tick at each number."""
    return Axis("copies", "copies of a planted record (log scale)", tuple(sorted({row["copies"] for row in rows})))


def suffix_axis(rows: Sequence[Row]) -> Axis:
    """Probabilities on a logarithmic axis from the floor of the rows on (`study_series.decades`)."""
    highest = max(row[end] for row in rows for end in ("value", "high") if row[end] is not None)
    top = 10.0 ** math.ceil(math.log10(highest))
    return Axis("value", "probability of the suffix (log scale)", floor=rows[0]["floor"], top=top)


FIELD = 48
"""Least width of a field of the map: its number must stand inside."""


def heat_figure(rows: Sequence[Row]) -> alt.LayerChart:
    """AUC by matrices and rank: in each field the mean and half the width of its interval, or that there is no cell."""
    order = [matrix_names(text) for text in dict.fromkeys(row["matrices"] for row in rows)]
    ranks = sorted({row["rank"] for row in rows})
    fields = [_field(row) for row in rows]
    known = {(field["matrices"], field["rank"]) for field in fields}
    empty = [{"matrices": m, "rank": r, "said": ["no cell"]} for m in order for r in ranks if (m, r) not in known]
    values = [row["value"] for row in rows]
    x = alt.X("matrices:N", title="adapted matrices", sort=order, axis=alt.Axis(labelAngle=0, orient="top"))
    y = alt.Y("rank:O", title="rank", sort=ranks)
    shade = alt.Color("value:Q", title=AUC, scale=alt.Scale(scheme="blues", zero=False),
                      legend=alt.Legend(gradientLength=WIDTH // 2, tickCount=3))  # fmt: skip
    # fixed inks: the fields keep their colour in dark mode, so their numbers must too
    dark = alt.datum.value > min(values) + 0.7 * (max(values) - min(values))
    ink = {"condition": {"test": dark, "value": "#ffffff"}, "value": "#1a1a1a"}
    boxes: alt.Chart = data(fields).mark_rect(stroke=QUIET, strokeWidth=0.5).encode(x=x, y=y, color=shade)
    layers = [boxes, _said(fields).encode(x=x, y=y, color=ink)]
    if empty:
        layers.append(_said(empty).encode(x=x, y=y, color=alt.value(NEUTRAL)))
    told = "means over the seeds; ±: half the width of their interval"
    drawn = framed(alt.LayerChart(layer=layers), "heat", "AUC by adapted matrices and rank", told)
    return drawn.properties(width=max(WIDTH, FIELD * len(order)), height=max(110, 38 * len(ranks)))


def _field(row: Row) -> Row:
    ends = row["low"] is not None and row["high"] is not None
    half = [f"±{(row['high'] - row['low']) / 2:.3f}"] if ends else []
    matrices = matrix_names(row["matrices"])
    return {"matrices": matrices, "rank": row["rank"], "value": row["value"], "said": [f"{row['value']:.3f}", *half]}


def _said(fields: Sequence[Row]) -> alt.Chart:
    """Words in the middle of each field, one or two lines."""
    lines = max(len(field["said"]) for field in fields)
    words: alt.Chart = data(fields).mark_text(fontSize=11, lineHeight=14, dy=-7 if lines > 1 else 0)
    encoded: alt.Chart = words.encode(text="said:N")
    return encoded


def decodings_figure(rows: Sequence[Row], y: Axis, name: str, description: str) -> alt.LayerChart:
    """A statistic under each decoding, coldest first: a mark with its interval a series, side by side."""
    order, places = series(rows), list(dict.fromkeys(row["decoding"] for row in rows))
    x = alt.X("decoding:N", title="decoding (t: temperature, k: top-k, p: top-p)", sort=places,
              axis=alt.Axis(labelAngle=-35 if len(places) > 5 else 0))  # fmt: skip
    beside = alt.XOffset("series:N", sort=order)
    colour = alt.Color("series:N", title=None, sort=order, scale=_colours(order))
    shape = alt.Shape("series:N", title=None, sort=order, scale=scale(order, SHAPES))
    dots: alt.Chart = data(rows).mark_point(filled=True, size=48, opacity=1)
    up = alt.Y("value:Q", title=y.title, scale=y.scale, axis=y.axis)
    layers = [dots.encode(x=x, y=up, color=colour, shape=shape, xOffset=beside)]
    if (bars := _bars(rows, x, y, colour)) is not None:
        layers.insert(0, bars.encode(xOffset=beside))
    return framed(alt.LayerChart(layer=layers), name, description, whiskers(rows), legend=order, outline=0)


def use_figure(rows: Sequence[Row]) -> alt.LayerChart:
    """AUC against held-out perplexity, a mark a cell; a dashed line where the base model stands."""
    order, base = series(rows), rows[0]["base"]
    heldout, area = Axis("perplexity_heldout", "perplexity of held-out records"), Axis("auc", AUC)
    x = alt.X(f"{heldout.field}:Q", title=heldout.title, scale=heldout.scale, axis=heldout.axis)
    y = alt.Y(f"{area.field}:Q", title=area.title, scale=area.scale, axis=area.axis)
    colour = alt.Color("series:N", title=None, sort=order, scale=_colours(order))
    shape = alt.Shape("series:N", title=None, sort=order, scale=scale(order, SHAPES))
    # on a logarithm every doubling of the rank adds as much
    size = alt.Size("rank:Q", legend=None, scale=alt.Scale(type="log", base=2, range=[40, 150]))
    dots: alt.Chart = data(rows).mark_point(filled=True, size=55, opacity=0.9)
    dots = dots.encode(x=x, y=y, color=colour, shape=shape)
    layers = [dots.encode(size=size) if _ranks(rows) > 1 else dots]
    if base is not None:
        rule: alt.Chart = data([{heldout.field: base}]).mark_rule(color=NEUTRAL, strokeDash=[5, 4])
        layers.insert(0, rule.encode(x=x))
    told = "AUC against held-out perplexity"
    return framed(alt.LayerChart(layer=layers), "usefulness", told, _use_told(rows), legend=order, outline=0)


def _ranks(rows: Sequence[Row]) -> int:
    return len({row["rank"] for row in rows})


def _use_told(rows: Sequence[Row]) -> str:
    base, bases, drawn, every = rows[0]["base"], rows[0]["n_bases"], len(series(rows)), rows[0]["of_series"]
    told = ["larger: higher rank"] if _ranks(rows) > 1 else []
    if base is not None:
        told.append(f"dashed: base model, {number(base)}" + (f", mean of {bases} seeds" if bases > 1 else ""))
    told += [f"{drawn} of {every} kinds drawn"] if every > drawn else []
    return "; ".join(told)
