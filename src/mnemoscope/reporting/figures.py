"""Figures: evidence -> chart, each a pure function. The unit stands on every axis; no mark names a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Evidence, Role
from mnemoscope.reporting.names import main_prefix
from mnemoscope.reporting.theme import (
    ATTACKS,
    DASHES,
    MEMBER,
    NEUTRAL,
    NONMEMBER,
    QUIET,
    STROKE,
    data,
    framed,
    log_axis,
    scale,
)
from mnemoscope.reporting.wording import count, rate, until

ROLES: Mapping[Role, str] = {"member": "training records", "nonmember": "held-out records"}
FOREST, NAMED = 185, 160
"""Width of the plot beside the names of attacks, and of these."""

MARKS = 2000
"""A scatter draws at most so many records."""


def areas(rows: Sequence[Mapping[str, Any]], marked: str | None) -> alt.LayerChart:
    """AUC and interval of each attack, in the order given; one dot for records, one for whole groups below it.

    Args:
        rows: attack, level (what a score is given to), auc, low, high; all of 0..1.
        marked: the attack of the headline, in bold.
    """
    order = list(dict.fromkeys(row["attack"] for row in rows))
    levels = list(dict.fromkeys(row["level"] for row in rows))
    bold = {"condition": {"test": alt.datum.value == marked, "value": "bold"}, "value": "normal"}
    y = alt.Y("attack:N", title=None, sort=order, axis=alt.Axis(labelFontWeight=bold, ticks=False, labelLimit=NAMED))
    axis = "AUC (0.5: guessing)"
    x = alt.X("auc:Q", title=axis, scale=alt.Scale(zero=False, padding=6))
    colour = alt.Color("level:N", title=None, sort=levels, scale=scale(levels, (ATTACKS[4], ATTACKS[2])))
    shape = alt.Shape("level:N", title=None, sort=levels, scale=scale(levels, ("circle", "diamond")))
    below = alt.YOffset("level:N", sort=levels)
    bars: alt.Chart = data(rows).mark_rule(strokeWidth=1.6)
    bars = bars.encode(y=y, x=alt.X("low:Q", title=axis), x2="high:Q", color=colour, yOffset=below)
    dots: alt.Chart = data(rows).mark_point(filled=True, size=42, opacity=1)
    dots = dots.encode(y=y, x=x, color=colour, shape=shape, yOffset=below)
    guess: alt.Chart = data([{"auc": 0.5}]).mark_rule(color=NEUTRAL, strokeDash=[2, 3])
    chart = alt.LayerChart(layer=[guess.encode(x=x), bars, dots])
    drawn = framed(chart, "aucs", "AUC of each attack with its interval", legend=levels)
    return drawn.properties(width=FOREST, height=len(order) * (9 + 7 * len(levels)))


def score_histogram(
    evidence: Evidence, attack: str, limit: Mapping[str, Any] | None = None
) -> alt.Chart | alt.LayerChart:
    """Densities of an attack's scores by role over shared bins; the subtitle says how many lie beyond the axis.

    Args:
        evidence: its records and scores.
        attack: whose scores.
        limit: the estimate of a TPR at a stated FPR: its threshold is drawn, and named in the subtitle.
    """
    scores = {role: _scores_of(evidence, attack, role) for role in ROLES}
    pooled = np.concatenate(list(scores.values()))
    low, high = np.quantile(pooled, [0.01, 0.99]) if len(pooled) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, 31)
    outside = int(((pooled < edges[0]) | (pooled > edges[-1])).sum())
    x = alt.X("score:Q", title=f"{attack} score (higher: more likely a training record)", scale=_exact(edges))
    shape: alt.Chart = data([row for role, found in scores.items() for row in _density(ROLES[role], found, edges)])
    shape = shape.mark_area(interpolate="step-after", line=True, opacity=0.22).encode(
        x=x,
        y=alt.Y("density:Q", title="density (share per unit of score)", stack=None),
        color=_role_colour("role"),
    )
    beyond = f"{count(outside, 'score')} beyond the axis not drawn" if outside else "all scores are drawn"
    said = [f"right of the broken line: called training, at {rate(limit['fpr'])} false alarms"] if limit else []
    told = f"Distribution of {attack} scores, training against held-out records"
    chart = alt.LayerChart(layer=[shape, *([_threshold(limit, x, edges)] if limit else [])])
    return framed(chart, "scores", told, "; ".join([*said, beyond]), legend=list(ROLES.values()))


def _threshold(limit: Mapping[str, Any], x: alt.X, edges: NDArray[np.float64]) -> alt.Chart:
    """A line at the threshold of an estimate, at the axis' end where it lies beyond."""
    line: alt.Chart = data([{"score": float(np.clip(limit["threshold"], edges[0], edges[-1]))}]).mark_rule(
        color=NEUTRAL, strokeDash=[5, 3]
    )
    return line.encode(x=x)


def _exact(edges: NDArray[np.float64]) -> alt.Scale:
    return alt.Scale(domain=[float(edges[0]), float(edges[-1])], nice=False, zero=False)


def _scores_of(evidence: Evidence, attack: str, role: Role) -> NDArray[np.float64]:
    chosen = np.array([record.role == role for record in evidence.records], dtype=bool)
    values: NDArray[np.float64] = np.ma.masked_array(evidence.scores[attack])[chosen].compressed()
    return values


def _density(role: str, scores: NDArray[np.float64], edges: NDArray[np.float64]) -> list[dict[str, Any]]:
    inside, _ = np.histogram(scores, edges)
    height = inside / max(len(scores), 1) / np.diff(edges)
    closed = np.append(height, height[-1])  # the last step needs its right end
    return [{"role": role, "score": float(x), "density": float(y)} for x, y in zip(edges, closed, strict=True)]


def perplexity_scatter(evidence: Evidence, model: Literal["base", "target"], subtitle: str = "") -> alt.Chart:
    """Share of the suffix that came back against the record's perplexity in one model."""
    named, order = {"base": "base model", "target": "fine-tuned model"}[model], list(ROLES.values())
    role_of = {record.id: record.role for record in evidence.records}
    prefix = main_prefix(generation.prefix for generation in evidence.generations)
    rows = list[dict[str, Any]]()
    for g in evidence.generations:
        perplexity = float(g.perplexity_base if model == "base" else g.perplexity_target)
        role = ROLES.get(role_of.get(g.id, "excluded"))
        if g.prefix == prefix and role and np.isfinite(perplexity) and perplexity > 0:
            rows.append({"perplexity": perplexity, "share": float(g.ngram_share), "role": role})
    chart: alt.Chart = data(spread(rows)).mark_point(filled=True, size=24, opacity=0.7, aria=False)
    chart = chart.encode(
        x=alt.X(
            "perplexity:Q",
            title=f"perplexity of the record in the {named} (log scale)",
            scale=alt.Scale(type="log", nice=False, padding=8),
            axis=log_axis(*_ends([row["perplexity"] for row in rows]), "~s"),
        ),
        y=alt.Y("share:Q", title="n-gram share (common run / suffix)", scale=alt.Scale(domain=[0, 1])),
        color=_role_colour("role"),
        shape=alt.Shape("role:N", title=None, sort=order, scale=scale(order, ("circle", "triangle-up"))),
    )
    subtitle += f"; {MARKS:,} of {len(rows):,} records drawn" if len(rows) > MARKS else ""
    return framed(
        chart, f"perplexity-{model}", f"N-gram share against perplexity in the {named}", subtitle, legend=order
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (1.0, 10.0)


def spread(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most MARKS rows, evenly over their order."""
    return [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MARKS).round().astype(int))] if rows else []


def matched_runs(evidence: Evidence, prefix: str) -> alt.Chart:
    """How many records give back at least so many tokens after the cut."""
    role_of = {record.id: record.role for record in evidence.records}
    series: dict[str, list[int]] = {"training records": [], "held-out records": [], "base model, training": []}
    for row in evidence.extractions:
        role = role_of.get(row.id, "excluded")
        if row.prefix != prefix or role not in ROLES or (row.model == "reference" and role != "member"):
            continue
        series["base model, training" if row.model == "reference" else ROLES[role]].append(row.matched_tokens)
    rows = [point for name, runs in series.items() for point in _at_least(name, runs)]
    chart: alt.Chart = data(rows).mark_line(interpolate="step-before", strokeWidth=1.8)
    order = list(series)
    chart = chart.encode(
        x=alt.X(
            "tokens:Q", title=f"at least so many tokens back after the {until(prefix)}", axis=alt.Axis(tickMinStep=1)
        ),
        y=alt.Y(
            "share:Q",
            title="share of records (log scale)",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(format="~%", values=[1.0, 0.1, 0.01, 0.001, 0.0001]),
        ),
        color=alt.Color("who:N", title=None, sort=order, scale=scale(order, (MEMBER, NONMEMBER, QUIET)), legend=STROKE),
        strokeDash=alt.StrokeDash("who:N", title=None, sort=order, scale=scale(order, DASHES), legend=STROKE),
    )
    told = "Records that give back at least so many tokens by greedy decoding"
    return framed(chart, "runs", told, legend=order)


def _at_least(name: str, runs: Sequence[int]) -> list[dict[str, Any]]:
    longest = max(runs, default=-1)
    tally = np.bincount(np.array(runs, dtype=np.int64), minlength=1) if runs else np.zeros(1, dtype=np.int64)
    share = tally[::-1].cumsum()[::-1] / max(len(runs), 1)
    return [{"who": name, "tokens": k, "share": float(share[k])} for k in range(longest + 1)]


def training_loss(evidence: Evidence) -> alt.Chart:
    """Loss of each optimizer step."""
    rows = [{"step": t.step, "y": float(t.loss)} for t in evidence.training if t.loss is not None]
    return framed(_curve(rows, "loss (nats a token)", MEMBER), "training-loss", "Training loss at each step")


def heldout_perplexity(evidence: Evidence) -> alt.Chart:
    """Perplexity of held-out records during training."""
    measured = [(t.step, t.heldout_perplexity) for t in evidence.training if t.heldout_perplexity is not None]
    rows = [{"step": step, "y": float(perplexity)} for step, perplexity in measured]
    chart = _curve(rows, "perplexity of held-out records", NONMEMBER)
    return framed(chart, "training-perplexity", "Held-out perplexity during training")


def _curve(rows: Sequence[Mapping[str, float]], unit: str, colour: str) -> alt.Chart:
    finite = [row for row in rows if np.isfinite(row["y"])]
    # few evaluations would vanish as a line: a single one has no line at all
    point = alt.OverlayMarkDef(filled=True, size=30, color=colour) if len(finite) <= 40 else False
    chart: alt.Chart = data(finite).mark_line(color=colour, strokeWidth=1.6, point=point)
    encoded: alt.Chart = chart.encode(
        x=alt.X("step:Q", title="optimizer step", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("y:Q", title=unit, scale=alt.Scale(zero=False)),
    )
    return encoded


def _role_colour(field: str) -> alt.Color:
    order = list(ROLES.values())
    return alt.Color(f"{field}:N", title=None, sort=order, scale=scale(order, (MEMBER, NONMEMBER)))
