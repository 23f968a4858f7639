"""A study as one self-contained page: no request, no text unless the evidence holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from mnemoscope.answers import StudyEvidence
from mnemoscope.reporting import study_profiles, study_tables, tables
from mnemoscope.reporting.paper import R_SQUARED, SETTING
from mnemoscope.reporting.study_digest import sentence
from mnemoscope.reporting.study_findings import findings
from mnemoscope.reporting.study_forest import bars
from mnemoscope.reporting.study_gallery import drawn
from mnemoscope.reporting.study_relation import KINDS, MODELS
from mnemoscope.reporting.templating import rendered

FIRST = ("matrices", "perplexity", "rank")
"""The paper's three questions."""


def study_page(evidence: StudyEvidence, summary: Mapping[str, Any]) -> str:
    """The study's page as one HTML file.

    Args:
        evidence: what the cells gave. Generated text is shown where `texts` holds it, and nowhere else.
        summary: `study_summary(evidence)`; the page shows its numbers and no others.
    """
    questions = {name: _question(node) for name, node in summary["answers"].items()}
    texts = [row.text for row in evidence.texts]
    return rendered(
        "study.html.j2",
        s=summary,
        show_text=any(text is not None for text in texts),
        first=[node for name, node in questions.items() if name in FIRST],
        further=[node for name, node in questions.items() if name not in FIRST and node["claims"]],
        overall=_overall(summary),
        levels=_levels(summary),
        by_rank=study_profiles.rank_tables(summary),
        by_copies=study_profiles.copies_tables(summary),
        facts=study_tables.facts(summary),
        paper_setting=SETTING,
        areas=study_tables.areas(summary, _pages(evidence)),
        by_attack=study_tables.by_attack(summary),
        drawn=_safe(evidence, summary),
        models=MODELS,
        kinds=KINDS,
        r_squared=R_SQUARED,
        canaries=study_tables.canaries(summary, texts),
        cells=_linked(_pages(evidence), summary),
        methods=_methods(summary),
        means=study_tables.others(summary),
        settings=tables.settings(summary["settings"]),
    )  # fmt: skip


OPEN = 6
"""A question with more claims than this shows those of the page's head; the others are folded away."""


def _question(node: Mapping[str, Any]) -> dict[str, Any]:
    drawn_bars, told = bars(node["claims"]), findings(node)
    rows = [{**row, "bar": bar} for row, bar in zip(study_tables.claims(node), drawn_bars, strict=True)]
    told["told"] = [{**one, "bar": drawn_bars[i]} for one, i in zip(told["told"], told["places"], strict=True)]
    ahead = list(range(len(rows))) if len(rows) <= OPEN else told["places"]
    more = [row for i, row in enumerate(rows) if i not in ahead]
    return {**node, **told, "rows": [rows[i] for i in ahead], "more": more, "level": study_tables.levels(node)}


def _overall(summary: Mapping[str, Any]) -> str:
    """What came of all claims together, in one sentence; "" without claims."""
    claims = [claim for node in summary["answers"].values() for claim in node["claims"]]
    return sentence(claims) if claims else ""


def _levels(summary: Mapping[str, Any]) -> str:
    """The confidence levels of all claims, in words; "" without claims."""
    return study_tables.levels({"claims": [c for node in summary["answers"].values() for c in node["claims"]]})


def _safe(evidence: StudyEvidence, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with their SVG marked as markup: it is ours, and Vega has escaped the names in it."""
    from markupsafe import Markup

    return {name: {**figure._asdict(), "svg": Markup(figure.svg)} for name, figure in drawn(evidence, summary).items()}


def _linked(pages: Mapping[str, str], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "page": pages.get(row["cell"], "")} for row in study_tables.cells(summary)]


def _pages(evidence: StudyEvidence) -> dict[str, str]:
    """Finished cell to the link to its own page."""
    return {cell: place for cell, state in evidence.cells.items()
            if state == "done" and (place := link(evidence.pages.get(cell, "")))}  # fmt: skip


def link(place: str) -> str:
    """A place below the study's folder as a link; empty for any other.

    >>> link("cells/vo-r8/report.html"), link("javascript:alert(1)"), link("../../etc"), link("/etc")
    ('cells/vo-r8/report.html', '', '', '')
    """
    parts = urlsplit(place)
    if parts.scheme or parts.netloc or place.startswith(("/", "\\")) or ".." in place.replace("\\", "/").split("/"):
        return ""
    return quote(place)


def _methods(summary: Mapping[str, Any]) -> list[str]:
    found = (claim["method"] for node in summary["answers"].values() for claim in node["claims"])
    return list(dict.fromkeys(method for method in found if method not in ("", "none")))
