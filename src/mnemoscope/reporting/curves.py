"""Figures of curves with bands: what comes back after many queries, from prefixes of any length, in ranked texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

from mnemoscope.reporting.theme import MEMBER, NONMEMBER, QUIET, framed

WHO = {
    "planted": "planted records",
    "members": "training records",
    "nonmembers": "held-out records",
    "reference_members": "base model, training",
}
"""Whose curve, in the order of the legend."""
COLOURS = {"planted": "#009e73", "members": MEMBER, "nonmembers": NONMEMBER, "reference_members": QUIET}
FLOOR = 1e-5
"""Smaller shares lie below a log axis."""

Leaf = Mapping[str, Any]


def queries(expected: Mapping[str, Mapping[str, Leaf]], decoding: str) -> alt.LayerChart:
    """Expected share of records given back after N queries, with bands; `expected` is N to whose to estimate."""
    rows = [row for n, whose in expected.items() for row in _points(whose, "n", float(n.removeprefix("n")))]
    x = alt.X("n:Q", title="queries a record (log scale)", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    shown = _Axis(
        "expected share given back (log scale)",
        alt.Scale(type="log", domain=[FLOOR, 1], clamp=True),
        alt.Axis(format="~%", values=[10.0**-k for k in range(6)]),
    )
    told = f"Expected share of records given back after N queries, sampling with {decoding}"
    return framed(_banded(rows, x, shown), "queries", told)


def prefix_lengths(shares: Mapping[str, Mapping[str, Leaf]]) -> alt.LayerChart:
    """Share of records whose rest comes back greedily, over the share that is known; share to whose to estimate."""
    rows = [row for known, whose in shares.items() for row in _points(whose, "known", float(known))]
    x = alt.X("known:Q", title="share of the record that is known", axis=alt.Axis(format="%"))
    shown = _Axis("share of records whose rest comes back", alt.Scale(), alt.Axis(format="~%"))
    told = "Share of records whose rest greedy decoding gives back, over the share that is known"
    return framed(_banded(rows, x, shown), "prefix-lengths", told)


def _points(whose: Mapping[str, Leaf], name: str, at: float) -> list[dict[str, Any]]:
    return [
        {name: at, "who": WHO[who], "share": leaf["value"], "low": leaf["low"], "high": leaf["high"]}
        for who, leaf in whose.items()
        if who in WHO and leaf["value"] is not None
    ]


class _Axis(NamedTuple):
    """The vertical axis, which line and band share."""

    title: str
    scale: alt.Scale
    axis: alt.Axis


def _banded(rows: Sequence[Mapping[str, Any]], x: alt.X, shown: _Axis) -> alt.LayerChart:
    """Lines over their intervals, one colour a set of records."""
    present = {row["who"] for row in rows}
    names = [who for who, label in WHO.items() if label in present]
    order = [WHO[who] for who in names]
    colour = alt.Color(
        "who:N", title=None, sort=order, scale=alt.Scale(domain=order, range=[COLOURS[who] for who in names])
    )
    data = alt.Data(values=list(rows))  # type: ignore[no-untyped-call]  # altair's own omission
    band: alt.Chart = alt.Chart(data).mark_area(opacity=0.14, clip=True)
    line: alt.Chart = alt.Chart(data).mark_line(strokeWidth=1.8, point={"size": 22}, clip=True)
    low, share = (alt.Y(f"{end}:Q", title=shown.title, scale=shown.scale, axis=shown.axis) for end in ("low", "share"))
    return alt.LayerChart(
        layer=[band.encode(x=x, y=low, y2="high:Q", color=colour), line.encode(x=x, y=share, color=colour)]
    )
