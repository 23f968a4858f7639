"""A comparison as one self-contained page: no request, no text and no id of a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mnemoscope.changes import Comparison
from mnemoscope.reporting import compare_tables as tables
from mnemoscope.reporting import names
from mnemoscope.reporting.compare_sentences import decodings
from mnemoscope.reporting.tables import settings
from mnemoscope.reporting.templating import rendered
from mnemoscope.reporting.wording import percent

Leaf = Mapping[str, Any]
Charts = dict[str, Callable[[], Any]]

FIGURES = ("areas", "differences", "roc", "roc_low", "queries")
CLAIMS = {
    "valid": "Both audits are valid",
    "doubtful": "This comparison is doubtful",
    "not resolvable": "This comparison cannot be resolved",
}
_BADGES = {"valid": "valid", "doubtful": "doubtful", "not resolvable": "unresolved"}


def compare_page(found: Comparison, summary: Mapping[str, Any]) -> str:
    """The page as one HTML file.

    Args:
        found: the two audits; only their ROC curves come from here.
        summary: `compare_summary(found)`; the page shows its numbers and no others.
    """
    known, validity = tables.known(summary), summary["verdict"]["validity"]
    attack = summary["attack"]
    return rendered(
        "compare.html.j2",
        s=summary,
        show_text=False,
        claim=CLAIMS.get(validity, "Whether this comparison is valid was not judged"),
        badge=_BADGES.get(validity, "open"),
        counted=summary["headline"][2],
        sentences=[one for i, one in enumerate(summary["headline"]) if i != 2],
        tiles=tables.tiles(known, attack),
        attack=attack,
        level=" or ".join(sorted({percent(leaf["level"]) for leaf in known.values()})) or "95%",
        membership=tables.membership(known, attack),
        rates=tables.rates(known, attack),
        extraction=tables.extraction(known),
        use=tables.use(known),
        everything=tables.everything(known),
        differing=tables.differing(summary),
        settings=settings(summary["settings"]),
        figures=_figures(found, known, attack),
    )


def _figures(found: Comparison, known: Mapping[str, Leaf], attack: str | None) -> dict[str, Any]:
    """Figure name to safe SVG; empty where there is nothing to draw."""
    from altair.utils.schemapi import debug_mode
    from markupsafe import Markup

    from mnemoscope.reporting.svg import to_svg

    # the tests hold every figure against the schema; doing so on every page would double its time
    with debug_mode(False):
        drawn = {name: Markup(to_svg(chart())) for name, chart in charts(found, known, attack).items()}
    return dict.fromkeys(FIGURES, "") | drawn


def charts(found: Comparison, known: Mapping[str, Leaf], attack: str | None) -> Charts:
    """The figures that have something to show, by name."""
    from mnemoscope.reporting import compare_figures as figures

    wanted: Charts = {}
    by_attack = [(row["label"], known[row["name"]]) for row in tables.membership(known, attack)]
    if by_attack:
        wanted["areas"] = lambda: figures.areas(by_attack)
        wanted["differences"] = lambda: figures.differences(by_attack)
    curves = found.curves
    if curves is not None and attack is not None and all(len(one.fpr) for one in curves):
        wanted["roc"] = lambda: figures.curves(*curves, attack, low=False)
        wanted["roc_low"] = lambda: figures.curves(*curves, attack, low=True)
    return wanted | _queries(known)


def _queries(known: Mapping[str, Leaf]) -> Charts:
    """The curve of the first decoding that both audits have."""
    from mnemoscope.reporting import compare_figures as figures

    paths = decodings(known)
    if not paths:
        return {}
    path = f"{paths[0]}.expected.n"
    rows = [
        (int(name.removeprefix(path).removesuffix(".members")), leaf)
        for name, leaf in known.items()
        if name.startswith(path) and name.endswith(".members")
    ]
    return {"queries": lambda: figures.queries(rows, names.parts(paths[0])[2])}
