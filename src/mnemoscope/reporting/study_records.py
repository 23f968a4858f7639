"""Charts of a study that draw records: ROC curves of its cells, n-gram share against perplexity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt

from mnemoscope.answers import StudyEvidence
from mnemoscope.reporting.figures import spread
from mnemoscope.reporting.paper import R_SQUARED
from mnemoscope.reporting.roc import corners, curve_layers, linear
from mnemoscope.reporting.study_means import setting_row
from mnemoscope.reporting.study_relation import KINDS, MODELS, chosen, kind, perplexity
from mnemoscope.reporting.study_series import LINES, matrix_names, series, variant
from mnemoscope.reporting.theme import (
    ATTACKS,
    MEMBER,
    NEUTRAL,
    NONMEMBER,
    PLANTED,
    QUIET,
    data,
    framed,
    log_axis,
    scale,
)
from mnemoscope.reporting.wording import count, number

Row = dict[str, Any]
BINS = ("below 25%", "25% to 50%", "50% to 75%", "75% and more")
_COLOURS = (PLANTED, MEMBER, NONMEMBER)
_MARKS = ("diamond", "circle", "triangle-up")


def curves_by_rank(evidence: StudyEvidence) -> list[Row]:
    """Corners of the ROC curves of one seed over the ranks, as in the paper's Figure 3.2: of Q, else of the first
    matrices that have a curve.

    Nothing where these have one curve, and the curves by matrices hold it.
    """
    cells = _with_curve(evidence)
    sets = [cell["matrices"] for cell in cells]
    matrices = "q" if "q" in sets else next(iter(sets), "")
    rows = sorted((cell for cell in cells if cell["matrices"] == matrices), key=lambda cell: int(cell["rank"]))
    held = len(rows) == 1 and rows[0] in _at_one_rank(cells)
    return [] if held else _corners_of(evidence, rows)


def curves_by_matrices(evidence: StudyEvidence) -> list[Row]:
    """The same over the matrices, at the rank at which most of them have one; the smallest of several such ranks.

    Nothing where one set of matrices has a curve there: the curves by rank hold it.
    """
    return _corners_of(evidence, _at_one_rank(_with_curve(evidence)))


def _at_one_rank(cells: Sequence[Row]) -> list[Row]:
    """The cells at the rank at which most sets of matrices have a curve; nothing where it is one set."""
    ranks = [cell["rank"] for cell in cells]
    rank = min(ranks, key=lambda r: (-ranks.count(r), r), default=0)
    rows = [cell for cell in cells if cell["rank"] == rank]
    return rows if len(rows) > 1 else []


def _with_curve(evidence: StudyEvidence) -> list[Row]:
    """Cells with a curve and without planted records: those with the seed and the options of the first."""
    found = {
        point.cell: {"cell": point.cell, **setting_row(point)}
        for point in evidence.points
        if point.cell in evidence.curves and point.copies == 1
    }
    cells = sorted(found.values(), key=lambda cell: (cell["alpha_rule"] != "fixed", bool(cell["others"])))
    return [cell for cell in cells if (cell["seed"], variant(cell)) == (cells[0]["seed"], variant(cells[0]))]


def _corners_of(evidence: StudyEvidence, cells: Sequence[Row]) -> list[Row]:
    rows = []
    for cell in cells[:LINES]:
        label = f"{matrix_names(cell['matrices'])}, rank {cell['rank']}"
        told = {"seed": cell["seed"], "of_series": len(cells)}
        rows += [{**corner, **told} for corner in corners(label, evidence.curves[cell["cell"]], 0.0)]
    return rows


def roc_figure(rows: Sequence[Row], name: str, description: str) -> alt.LayerChart:
    """ROC curves on linear axes with the diagonal of guessing."""
    order = series(rows)
    told = f"seed {rows[0]['seed']}"
    told += f"; {len(order)} of {rows[0]['of_series']} curves drawn" if rows[0]["of_series"] > len(order) else ""
    layers = curve_layers(list(rows), order, linear())
    return framed(alt.LayerChart(layer=layers), name, description, told, legend=order)


def scattered(evidence: StudyEvidence) -> list[Row]:
    """The chosen records with their kind, their perplexities and the share that came back."""
    return [
        {
            "kind": kind(mark),
            "base": perplexity(mark, "base"),
            "target": perplexity(mark, "target"),
            "share": mark.ngram_share,
            "bin": BINS[min(int(mark.ngram_share * 4), 3)],
        }
        for mark in chosen(evidence)
    ]


def both_figure(rows: Sequence[Row]) -> alt.Chart:
    """Records by their two perplexities; colour and size are the share that came back (the paper's Figure 3.3)."""
    trained = [row for row in rows if row["kind"] != KINDS[2]]
    told = count(len(trained), "training record")
    shown = spread(trained)
    told += f"; {len(shown):,} of them drawn" if len(shown) < len(trained) else ""
    order = list(BINS)
    legend = alt.Legend(titleColor=NEUTRAL, columns=2)
    colour = alt.Color("bin:O", title="n-gram share", sort=order, scale=scale(order, _SHADES), legend=legend)
    size = alt.Size("bin:O", title="n-gram share", sort=order, scale=scale(order, (16, 40, 80, 140)), legend=legend)
    chart: alt.Chart = data(shown).mark_point(filled=True, opacity=0.75, aria=False)
    chart = chart.encode(x=_perplexity(rows, "base"), y=_perplexity(rows, "target", alt.Y), color=colour, size=size)
    return framed(
        chart,
        "perplexity-both",
        "N-gram share by the perplexity in the base and the fine-tuned model",
        told,
        legend=order,
    )


_SHADES = (QUIET, NONMEMBER, ATTACKS[3], MEMBER)


def share_figure(rows: Sequence[Row], relation: Sequence[Mapping[str, Any]], model: str) -> alt.Chart:
    """N-gram share against the perplexity in one of MODELS (the paper's Figures 3.4 and 3.5)."""
    order = [name for name in KINDS if any(row["kind"] == name for row in rows)]
    colour = alt.Color("kind:N", title=None, sort=order, scale=_kinds(order, _COLOURS))
    shape = alt.Shape("kind:N", title=None, sort=order, scale=_kinds(order, _MARKS))
    chart: alt.Chart = data(spread(list(rows))).mark_point(filled=True, size=26, opacity=0.7, aria=False)
    share = "n-gram share (common run / suffix)"
    y = alt.Y("share:Q", title=share, scale=alt.Scale(domain=[0, 1]))
    chart = chart.encode(x=_perplexity(rows, model), y=y, color=colour, shape=shape)
    told = f"N-gram share against the perplexity in the {MODELS[model]}"
    return framed(chart, f"perplexity-{model}", told, r_squared(relation, model), legend=order)


def r_squared(relation: Sequence[Mapping[str, Any]], model: str) -> str:
    """R² of the first kind of record that has one, beside the paper's."""
    found = next((row for row in relation if row["model"] == model), None)
    theirs = f"paper {R_SQUARED[model]}"
    if found is None:
        return f"R² not resolved: too few records ({theirs})"
    ends = f" [{number(found['low'])}, {number(found['high'])}]" if found["low"] is not None else ""
    return f"R² {number(found['r_squared'])}{ends}, {found['kind']} ({theirs})"


def _perplexity(rows: Sequence[Row], model: str, channel: Callable[..., Any] = alt.X) -> Any:
    values = [row[model] for row in rows]
    axis, padded = log_axis(min(values), max(values), "~s"), alt.Scale(type="log", nice=False, padding=8)
    title = f"perplexity in the {MODELS[model]} (log scale)"
    return channel(f"{model}:Q", title=title, scale=padded, axis=axis)


def _kinds(order: Sequence[str], marks: Sequence[str]) -> alt.Scale:
    return scale(order, [marks[KINDS.index(name)] for name in order])
