"""The list of a study's figures: what each shows, where it comes from, and what is said where it cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from altair.utils.schemapi import debug_mode

from mnemoscope.answers import StudyEvidence
from mnemoscope.reporting import study_figures as charts
from mnemoscope.reporting import study_records as records
from mnemoscope.reporting import study_series as chosen
from mnemoscope.reporting.study_figures import AUC, Axis, copies_axis, decodings_figure, lines, rank_axis, suffix_axis
from mnemoscope.reporting.study_relation import KINDS
from mnemoscope.reporting.svg import to_files, to_svg

Rows = list[dict[str, Any]]
Summary = Mapping[str, Any]
_Given = Callable[[StudyEvidence, Summary], Rows]
_EPOCH = Axis("epoch", "epochs trained")
_HELDOUT = "perplexity of held-out records"


class Figure(NamedTuple):
    """One figure."""

    title: str
    text: str
    missing: str
    """Why it is not drawn, where it has no rows."""
    rows: _Given
    draw: Callable[[Rows, Summary], Any]


class Drawn(NamedTuple):
    """A figure as the page and the exports need it; `svg` is empty where it could not be drawn."""

    title: str
    text: str
    missing: str
    svg: str


_ONE = "It needs cells without planted records that differ in their"
_NO_MARKS = "No records were continued by generating, so there is no n-gram share."
_NO_PLANTED = "No cells with planted records that differ in their copies have finished."
_NO_DECODINGS = "Fewer than two decodings were measured."
_NO_RANKS = "It needs cells with Q, K, V and O adapted at two ranks or more."
_FLOOR = "What reaches the lower edge goes on below it, it may be 0."
_NO_EPOCHS = "No cell was measured after every epoch."


def _lines(
    title: str,
    text: str,
    missing: str,
    rows: Callable[[Summary], Rows],
    x: Callable[[Rows], Axis],
    y: Callable[[Rows], Axis],
    name: str,
    description: str,
) -> Figure:
    """Lines over a dose, drawn from the means of the summary alone."""
    return Figure(
        title, text, missing, lambda _, summary: rows(summary),
        lambda found, _: lines(found, x(found), y(found), name, description),
    )  # fmt: skip


def _by_decoding(
    title: str, text: str, rows: Callable[[Summary], Rows], y: Callable[[Rows], Axis], name: str, description: str
) -> Figure:
    """A statistic under each decoding."""
    return Figure(
        title, text, _NO_DECODINGS, lambda _, summary: rows(summary),
        lambda found, _: decodings_figure(found, y(found), name, description),
    )  # fmt: skip


def _value(title: str, *, share: bool = False) -> Callable[[Rows], Axis]:
    return lambda _: Axis("value", title, share=share)


FIGURES: Mapping[str, Figure] = {
    "roc_ranks": Figure(
        "ROC curves over the ranks.",
        "The paper’s Figure 3.2 shows Q. Dotted: guessing.",
        "No finished cell without planted records has a curve, or the figure over the matrices holds them all.",
        lambda evidence, _: records.curves_by_rank(evidence),
        lambda rows, _: records.roc_figure(rows, "roc-ranks", "ROC curves of one set of matrices over the ranks"),
    ),
    "roc_matrices": Figure(
        "ROC curves over the matrices.",
        "At the rank where most matrices were adapted.",
        "Fewer than two sets of matrices were adapted at one rank.",
        lambda evidence, _: records.curves_by_matrices(evidence),
        lambda rows, _: records.roc_figure(rows, "roc-matrices", "ROC curves at one rank over the matrices"),
    ),
    "matrices": _lines(
        "AUC by matrices over the ranks.", "Table 3.1 as a figure.", f"{_ONE} rank.",
        chosen.by_matrices, rank_axis, _value(AUC), "matrices", "AUC by matrices over the ranks",
    ),
    "heat": Figure(
        "AUC by matrices and rank.",
        "The same numbers as a map.",
        f"{_ONE} matrices and in their rank.",
        lambda _, summary: chosen.heat(summary),
        lambda rows, _: charts.heat_figure(rows),
    ),
    "rank": Figure(
        "AUC against the rank, all four matrices.",
        "The paper’s Figure 3.6, its points read off the plot. Where alpha is equal at every rank, the update is "
        "scaled by less as the rank grows, so rank and scale are mixed; where it is in proportion they are not.",
        _NO_RANKS,
        lambda _, summary: chosen.all_four(summary),
        lambda rows, _: charts.rank_figure(rows),
    ),
    "rank_tpr": _lines(
        "At 1% false positives, against the rank.",
        "The share of training records that are found where 1 held-out record in 100 is taken for one.",
        _NO_RANKS,
        lambda summary: chosen.all_four(summary, "tpr_at_1"), rank_axis, _value("TPR at 1% FPR", share=True),
        "rank-tpr", "True-positive rate at 1% false positives against the rank",
    ),
    "rank_verbatim": _lines(
        "Word for word, against the rank.",
        "Records whose second half greedy decoding gives back whole. Held-out records are the control.",
        _NO_RANKS,
        lambda summary: chosen.both_sides(summary, "verbatim"), rank_axis,
        _value("share given back word for word", share=True),
        "rank-verbatim", "Share of records given back word for word against the rank",
    ),
    "rank_suffix": _lines(
        "Chance of the second half, against the rank.",
        f"The mean probability that one sampled continuation is the whole second half. {_FLOOR}",
        _NO_RANKS,
        lambda summary: chosen.decades(chosen.both_sides(summary, "suffix_probability")), rank_axis, suffix_axis,
        "rank-suffix", "Mean probability of the suffix against the rank",
    ),
    "usefulness": Figure(
        "Leakage against usefulness.",
        "A mark for each cell without planted records, at its end. Best is the lower left corner: useful, and little "
        "to find.",
        "No finished cell without planted records has both an AUC and a held-out perplexity.",
        lambda _, summary: chosen.usefulness(summary),
        lambda rows, _: charts.use_figure(rows),
    ),
    "perplexity_both": Figure(
        "N-gram share by both perplexities.",
        "The paper’s Figure 3.3. Large marks: much came back.",
        _NO_MARKS,
        lambda evidence, _: [row for row in records.scattered(evidence) if row["kind"] != KINDS[2]],
        lambda rows, _: records.both_figure(rows),
    ),
    "perplexity_target": Figure(
        "After fine-tuning.",
        "The paper’s Figure 3.4.",
        _NO_MARKS,
        lambda evidence, _: records.scattered(evidence),
        lambda rows, summary: records.share_figure(rows, summary["relation"], "target"),
    ),
    "perplexity_base": Figure(
        "Before fine-tuning.",
        "The paper’s Figure 3.5.",
        _NO_MARKS,
        lambda evidence, _: records.scattered(evidence),
        lambda rows, summary: records.share_figure(rows, summary["relation"], "base"),
    ),
    "copies": _lines(
        "Word for word, by copies.", "Planted records whose second half greedy decoding gives back whole.", _NO_PLANTED,
        lambda summary: chosen.copies(summary, "planted"), copies_axis, _value("share of planted records", share=True),
        "copies", "Share of planted records given back word for word, by copies",
    ),
    "copies_ngram": _lines(
        "N-gram share, by copies.",
        "The longest run that a continuation and the true second half have in common.",
        _NO_PLANTED,
        lambda summary: chosen.copies(summary, "planted_ngram_share"), copies_axis,
        _value("mean n-gram share of planted records", share=True),
        "copies-ngram", "Mean n-gram share of planted records, by copies",
    ),
    "decodings_planted": _by_decoding(
        "Planted records, by decoding.", "The coldest decoding stands first.",
        lambda summary: chosen.decodings(summary, "planted"), _value("share of planted records", share=True),
        "decodings-planted", "Share of planted records given back, by decoding",
    ),
    "decodings_members": _by_decoding(
        "Training records, by decoding.",
        "The mean probability that one sampled continuation is the whole second half, at the rank where most matrices "
        f"were adapted. {_FLOOR}",
        lambda summary: chosen.decades(chosen.decodings(summary, "suffix_probability_members")), suffix_axis,
        "decodings-members", "Probability of training suffixes, by decoding",
    ),
    "epochs_auc": _lines(
        "Leakage, by epoch.", "How well membership can be told after each epoch.", _NO_EPOCHS,
        lambda summary: chosen.epochs(summary, "auc"), lambda _: _EPOCH, _value(AUC),
        "epochs-auc", "AUC after each epoch",
    ),
    "epochs_heldout": _lines(
        "Use for new text, by epoch.",
        "Where it rises again, training only memorizes. Epoch 0 is the base model.",
        _NO_EPOCHS,
        lambda summary: chosen.epochs(summary, "perplexity_heldout"), lambda _: _EPOCH, _value(_HELDOUT),
        "epochs-heldout", "Held-out perplexity after each epoch",
    ),
    "paths": _lines(
        "Leakage against use, by epoch.",
        "Each mark is an epoch, each line a training. Best is the lower left corner.",
        _NO_EPOCHS,
        chosen.paths, lambda _: Axis("heldout", _HELDOUT), _value(AUC),
        "paths", "AUC against held-out perplexity, epoch after epoch",
    ),
}  # fmt: skip


def drawn(evidence: StudyEvidence, summary: Summary) -> dict[str, Drawn]:
    """Every figure by name, as SVG where its rows are there."""
    # the tests hold every figure against the schema; doing so on every page would double its time
    with debug_mode(False):
        return {name: _draw(figure, evidence, summary) for name, figure in FIGURES.items()}


def _draw(figure: Figure, evidence: StudyEvidence, summary: Summary) -> Drawn:
    rows = figure.rows(evidence, summary)
    svg = to_svg(figure.draw(rows, summary)) if rows else ""
    return Drawn(figure.title, figure.text, "" if rows else figure.missing, svg)


def study_figure_files(evidence: StudyEvidence, summary: Summary, formats: Iterable[str]) -> dict[str, bytes]:
    """File name to content of every figure that has something to show, in each of the formats svg, png and pdf."""
    with debug_mode(False):
        given = ((figure, figure.rows(evidence, summary)) for figure in FIGURES.values())
        return to_files([figure.draw(rows, summary) for figure, rows in given if rows], formats)
