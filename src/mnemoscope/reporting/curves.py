"""Figures of curves with bands: what comes back after many queries, by temperature, from prefixes of any length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

from mnemoscope.decoding import Decoding, parse_decoding
from mnemoscope.reporting.theme import (
    DASHES,
    MEMBER,
    NEUTRAL,
    NONMEMBER,
    PLANTED,
    QUIET,
    STROKE,
    data,
    framed,
    log_axis,
    scale,
)

WHO = {
    "planted": "planted records",
    "members": "training records",
    "nonmembers": "held-out records",
    "reference_members": "base model, training",
}
"""Whose curve, in the order of the legend."""
COLOURS = {"planted": PLANTED, "members": MEMBER, "nonmembers": NONMEMBER, "reference_members": QUIET}
LEAST_SHARE, LEAST_NUMBER = 1e-5, 1e-3
"""Smaller shares, and smaller numbers of records, lie below a log axis."""
ASKED = {"n1": "1 query", "n100": "100 queries", "n10000": "10,000 queries"}
"""Numbers of queries in the figure over temperatures."""

Leaf = Mapping[str, Any]
Rows = list[dict[str, Any]]


class _Axis(NamedTuple):
    """The vertical axis, which line and band share."""

    title: str
    scale: alt.Scale
    axis: alt.Axis


def queries(expected: Mapping[str, Mapping[str, Leaf]], decoding: str) -> alt.LayerChart:
    """Expected number of records given back after N queries each, with bands; `expected` is N to whose to estimate.

    An estimate is a share: here it stands times the records it was made of, and the legend says of how many.
    """
    rows, of = list[dict[str, Any]](), dict[str, int]()
    for n, whose in expected.items():
        for row, leaf in _points(whose, "n", float(n.removeprefix("n"))):
            of[row["who"]] = size = _size(row["who"], leaf)
            rows.append({**row, **{end: row[end] * size for end in ("share", "low", "high")}})
    labels = {who: f"{WHO[who]}, of {of[who]:,}" for who in WHO if who in of}
    x = alt.X("n:Q", title="queries for each record (log scale)", scale=alt.Scale(type="log"),
              axis=alt.Axis(format="~s"))  # fmt: skip
    shown = _log("records given back (log scale)", rows, LEAST_NUMBER, ",~g", max(of.values()))
    told = f"Expected number of records given back after N queries each, sampling with {decoding}"
    layers = _banded(rows, x, shown, labels)
    return framed(alt.LayerChart(layer=layers), "queries", told, legend=list(labels.values()))


def _size(who: str, leaf: Leaf) -> int:
    return int(leaf["counts"]["nonmembers" if who == "nonmembers" else "members"])


def prefix_lengths(shares: Mapping[str, Mapping[str, Leaf]]) -> alt.LayerChart:
    """Share of records whose rest comes back greedily, over the share that is known; share to whose to estimate."""
    rows = [row for known, whose in shares.items() for row, _ in _points(whose, "known", float(known))]
    labels = _labels(rows)
    x = alt.X("known:Q", title="share of the record that is known", axis=alt.Axis(format="%"))
    shown = _Axis("share of records whose rest comes back", alt.Scale(), alt.Axis(format="~%"))
    told = "Share of records whose rest greedy decoding gives back, over the share that is known"
    layers = _banded(rows, x, shown, labels)
    return framed(alt.LayerChart(layer=layers), "prefix-lengths", told, legend=list(labels.values()))


def temperature_rows(decodings: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Temperature, whose, number of queries, share and its ends, of the decodings that differ in temperature alone.

    Of several such families the one with most temperatures, then the first; nothing below two temperatures. `limits`
    names the family. The base model is sampled with the audit's first decoding only.
    """
    family = max(_families(decodings), key=len, default=[])
    if len(family) < 2:
        return []
    return [
        {**row, "asked": words, "limits": _limits(one)}
        for label, one in family
        for n, words in ASKED.items()
        for row, _ in _points(decodings[label]["expected"].get(n, {}), "temperature", one.temperature)
        if row["who"] != "planted"
    ]


def _families(decodings: Iterable[str]) -> Iterator[list[tuple[str, Decoding]]]:
    parsed = [(label, parse_decoding(label)) for label in decodings]
    for kind in dict.fromkeys((one.top_k, one.top_p) for _, one in parsed):
        yield sorted(
            ((label, one) for label, one in parsed if (one.top_k, one.top_p) == kind),
            key=lambda pair: pair[1].temperature,
        )


def _limits(one: Decoding) -> str:
    parts = [f"top-k {one.top_k}"] * bool(one.top_k) + [f"top-p {one.top_p:g}"] * (one.top_p < 1)
    return ", ".join(parts) or "no limits"


def temperatures(rows: Rows) -> alt.LayerChart:
    """Expected share given back at each temperature, a line for each set of records and number of queries."""
    labels, asked = _labels(rows), list(ASKED.values())
    x = alt.X("temperature:Q", title=f"temperature ({rows[0]['limits']})", scale=alt.Scale(zero=False, padding=8))
    shown = _log("share given back (log scale)", rows, LEAST_SHARE, "~%", 1)
    above = alt.Legend(symbolType="stroke", symbolSize=320, symbolStrokeColor=NEUTRAL, orient="top", columns=len(asked))
    dash = alt.StrokeDash("asked:N", title=None, sort=asked, scale=scale(asked, DASHES), legend=above)
    told = "Expected share of records given back, by temperature and number of queries"
    band, line, mark = _banded(rows, x, shown, labels, dash)
    layers = [band.mark_area(opacity=0.07, clip=True).encode(detail="asked:N"), line, mark]
    return framed(alt.LayerChart(layer=layers), "temperatures", told, legend=list(labels.values()))


def _points(whose: Mapping[str, Leaf], name: str, at: float) -> Iterator[tuple[dict[str, Any], Leaf]]:
    for who, leaf in whose.items():
        if who in WHO and leaf["value"] is not None:
            ends = {end: leaf["value"] if leaf[end] is None else leaf[end] for end in ("low", "high")}
            yield {name: at, "who": who, "share": leaf["value"], **ends}, leaf


def _labels(rows: Rows) -> dict[str, str]:
    present = {row["who"] for row in rows}
    return {who: words for who, words in WHO.items() if who in present}


def _log(title: str, rows: Rows, least: float, form: str, most: float) -> _Axis:
    """A base-10 axis from a power of ten below all values, but not below `least`; what is lower stands on its edge."""
    lowest = min((row["share"] for row in rows if row["share"] > 0), default=most)
    first = max(math.floor(math.log10(lowest)), round(math.log10(least)))
    last = max(math.ceil(math.log10(most)), first + 1)
    low, high = 10.0**first, 10.0**last
    return _Axis(title, alt.Scale(type="log", domain=[low, high], clamp=True), log_axis(low, high, form))


def _banded(
    rows: Rows, x: alt.X, shown: _Axis, labels: Mapping[str, str], dash: alt.StrokeDash | None = None
) -> Sequence[alt.Chart]:
    """Intervals, lines and marks, a colour for each set of records; and a dash, where none is given."""
    order = list(labels.values())
    named = [{**row, "who": labels[row["who"]]} for row in rows]
    colour = alt.Color("who:N", title=None, sort=order, legend=STROKE,
                       scale=scale(order, [COLOURS[who] for who in labels]))  # fmt: skip
    dashed = dash or alt.StrokeDash("who:N", title=None, sort=order, scale=scale(order, DASHES), legend=STROKE)
    band: alt.Chart = data(named).mark_area(opacity=0.14, clip=True)
    line: alt.Chart = data(named).mark_line(strokeWidth=1.8, clip=True)
    # marks of their own layer: as part of the line they would fill its legend
    mark: alt.Chart = data(named).mark_point(filled=True, size=22, opacity=1, clip=True)
    low, share = (alt.Y(f"{end}:Q", title=shown.title, scale=shown.scale, axis=shown.axis) for end in ("low", "share"))
    return (
        band.encode(x=x, y=low, y2="high:Q", color=colour),
        line.encode(x=x, y=share, color=colour, strokeDash=dashed),
        mark.encode(x=x, y=share, color=colour),
    )
