"""All figures of an audit by name, from which the page and the files draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mnemoscope.records import Evidence
from mnemoscope.registry import attacks
from mnemoscope.reporting import names, ranking
from mnemoscope.reporting.wording import estimate

FIGURES = (
    "queries", "temperatures", "prefix_lengths", "aucs", "roc", "roc_low", "scores", "base", "target", "runs", "loss",
    "heldout",
)  # fmt: skip
Charts = dict[str, Callable[[], Any]]
"""Name of a figure to what builds its chart."""


def drawn(evidence: Evidence, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Name of each of FIGURES to its SVG, safe for HTML: it is ours, and Vega has escaped the names in it.

    What has nothing to show is empty.
    """
    from altair.utils.schemapi import debug_mode
    from markupsafe import Markup

    from mnemoscope.reporting.svg import to_svg

    # the tests hold every figure against the schema; doing so on every page would double its time
    with debug_mode(False):
        made = {name: Markup(to_svg(build())) for name, build in charts(evidence, summary).items()}
    return dict.fromkeys(FIGURES, "") | made


def figure_files(evidence: Evidence, summary: Mapping[str, Any], formats: Iterable[str]) -> dict[str, bytes]:
    """File name to content of every figure that has something to show, in each of the formats svg, png and pdf."""
    from altair.utils.schemapi import debug_mode

    from mnemoscope.reporting.svg import to_files

    with debug_mode(False):
        return to_files([build() for build in charts(evidence, summary).values()], formats)


def charts(evidence: Evidence, summary: Mapping[str, Any]) -> Charts:
    """Those of FIGURES that have something to show."""
    return {**_membership(evidence, summary), **_leakage(summary), **_records(evidence, summary), **_training(evidence)}


def _membership(evidence: Evidence, summary: Mapping[str, Any]) -> Charts:
    from mnemoscope.reporting import figures, roc

    wanted: Charts = {}
    if areas := ranking.areas(summary):
        wanted["aucs"] = lambda: figures.areas(areas, names.main_attack(summary["membership"]))
    if evidence.curves:
        wanted |= {"roc": lambda: roc.roc(evidence), "roc_low": lambda: roc.roc_low(evidence)}
    attack = names.main_attack(evidence.scores)
    if attack is not None:
        limit = resolved_limit(summary["membership"].get(attack, {}))
        folded = attack in attacks() and attacks()[attack].fitted  # its threshold is a rank inside a fold
        wanted["scores"] = lambda: figures.score_histogram(evidence, attack, None if folded else limit)
    return wanted


def resolved_limit(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The estimate of an attack's TPR at the lowest FPR that is resolved; None where none is."""
    leaves = [leaf for leaf in node.get("tpr_at_fpr", {}).values() if "threshold" in leaf]
    kept = [leaf for leaf in leaves if not str(leaf.get("reason", "")).startswith("not resolved")]
    return min(kept, key=lambda leaf: float(leaf["fpr"]), default=None)


def _leakage(summary: Mapping[str, Any]) -> Charts:
    from mnemoscope.reporting import curves

    tree, wanted = summary["sampling"], Charts()
    if shares := summary["prefix_length"]:
        wanted["prefix_lengths"] = lambda: curves.prefix_lengths(shares)
    if prefix := names.main_prefix(tree):
        sampled = {label: node for label, node in tree[prefix].items() if "expected" in node}
        if first := next(iter(sampled), None):
            wanted["queries"] = lambda: curves.queries(sampled[first]["expected"], first)
        if rows := curves.temperature_rows(sampled):
            wanted["temperatures"] = lambda: curves.temperatures(rows)
    return wanted


def _records(evidence: Evidence, summary: Mapping[str, Any]) -> Charts:
    from mnemoscope.reporting import figures

    wanted, prefix = Charts(), names.main_prefix(row.prefix for row in evidence.extractions)
    if evidence.generations:
        wanted["base"] = lambda: figures.perplexity_scatter(evidence, "base", _spearman(summary, "base"))
        wanted["target"] = lambda: figures.perplexity_scatter(evidence, "target", _spearman(summary, "target"))
    if prefix is not None:
        wanted["runs"] = lambda: figures.matched_runs(evidence, prefix)
    return wanted


def _training(evidence: Evidence) -> Charts:
    from mnemoscope.reporting import figures

    wanted: Charts = {}
    if any(step.loss is not None for step in evidence.training):
        wanted["loss"] = lambda: figures.training_loss(evidence)
    if any(step.heldout_perplexity is not None for step in evidence.training):
        wanted["heldout"] = lambda: figures.heldout_perplexity(evidence)
    return wanted


def _spearman(summary: Mapping[str, Any], model: str) -> str:
    prefix = names.main_prefix(summary["generation"])
    leaf = summary["generation"].get(prefix, {}).get("correlation", {}).get(f"perplexity_{model}")
    return "" if leaf is None else f"Spearman correlation {estimate('correlation', leaf)}"
