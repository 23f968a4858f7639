"""One self-contained page: no request, redacted unless text is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Evidence
from mnemoscope.reporting import advice, checks, gallery, leakage, names, ranking, tables, tiles
from mnemoscope.reporting.digest import FAMILIES
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.listed import listed
from mnemoscope.reporting.opened import Known
from mnemoscope.reporting.scripts import RECORDS, TABLE
from mnemoscope.reporting.templating import rendered
from mnemoscope.reporting.wording import estimate, until
from mnemoscope.traces import Traces


def available() -> bool:
    """Whether the extra `report` is installed, which `page` needs."""
    return all(find_spec(package) is not None for package in ("jinja2", "altair", "vl_convert"))


def page(
    evidence: Evidence,
    summary: Mapping[str, Any],
    *,
    show_text: bool,
    target: Traces | None = None,
    reference: Traces | None = None,
    spans: Sequence[SpanLeak] = (),
) -> str:
    """The report as one HTML file.

    Args:
        evidence: what was measured.
        summary: `summary(evidence)`; the page shows its numbers and no others.
        show_text: put the text of the most exposed records on the page. Without it no text, id or token is there.
        target: its traces, which open a record to its tokens.
        reference: its traces over the same tokens, for what fine-tuning changed.
        spans: what target and reference know of each sensitive value.
    """
    prefix = names.main_prefix(row.prefix for row in evidence.extractions)
    front = tiles.front(summary)
    return rendered(
        "page.html.j2",
        runs=(TABLE, RECORDS) if evidence.records else (),
        s=summary,
        show_text=show_text,
        badge=_BADGES.get(summary["verdict"]["validity"], "open"),
        front=front,
        changes=advice.advice(summary, front["tiles"]),
        made=tables.made(summary),
        figures=gallery.drawn(evidence, summary),
        attack=names.main_attack(summary["membership"]) or names.main_attack(evidence.scores),
        attacks=_described(summary),
        level=tables.levels(summary, *(family for family in FAMILIES if family not in ("controls", "validity"))),
        **_membership(summary),
        extraction=tables.extraction(summary),
        rechecked=sum(row.rechecked for row in evidence.extractions),
        records=listed(evidence, Known(target, reference, spans), show_text=show_text) if evidence.records else None,
        prefix=None if prefix is None else until(prefix),
        generation=_generation(summary),
        sampling=leakage.sampling(summary),
        discriminators=leakage.discriminators(summary),
        others=leakage.others(summary),
        spans=leakage.spans(summary),
        spans_ranked=any("top1" in node for node in summary["spans"].values()),
        **_unprompted(summary),
        canaries=leakage.canaries(summary),
        canary_reasons=ranking.reasons(leakage.canaries(summary)),
        one_run=leakage.one_run(summary),
        perplexity=tables.pairs(summary["perplexity"]),
        counterfactual=tables.counterfactual(summary),
        controls=_controls(summary),
        control_level=tables.levels(summary, "controls"),
        facts=checks.facts(names.by_name(evidence.estimates)),
        everything=tables.everything(summary),
        settings=tables.settings(summary["settings"]),
    )


_BADGES = {"valid": "valid", "doubtful": "doubtful", "not resolvable": "unresolved"}


def _described(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, formula in words and source of each attack that is registered."""
    from mnemoscope.registry import attacks

    known = attacks()
    return [(name, known[name].summary, known[name].source) for name in names.attacks(summary) if name in known]


def _membership(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the section on membership shows."""
    rows, whole = ranking.attacks(summary), ranking.groups(summary)
    tree = summary["membership"]
    return {
        "baseline": names.main_attack(tree),
        "compared": bool(summary["comparison"]),
        "membership": rows,
        "rates": ranking.rates(ranking.asked(tree, "tpr_at_fpr")),
        "reasons": ranking.reasons(rows),
        "groups": whole,
        "group_rates": ranking.rates(
            ranking.asked({row["attack"]: tree[row["attack"]]["group"] for row in whole}, "tpr_at_fpr")
        ),
        "group_reasons": ranking.reasons(whole),
        "intervals": ranking.intervals(summary),
        "thresholds": ranking.thresholds(summary),
        "drawn": names.drawn(summary["membership"]),
    }


def _controls(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a control: what it looks at, its AUC, its corrected p-value."""
    return [
        {
            "name": name.removesuffix(".auc").replace("_", " "),
            "seen": checks.seen(name.removesuffix(".auc")),
            "auc": tables.shown("auc", leaf),
            **ranking.chance(leaf),
        }
        for name, leaf in leaves(summary["controls"])
    ]


def _unprompted(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the section on texts written without a prefix shows."""
    searched = summary["unprompted"].get("records", {})
    asked = summary.get("settings", {}).get("config", {}).get("measurement", {})
    return {
        "unprompted": leakage.unprompted(summary),
        "members_searched": searched.get("members", {}).get("counts", {}).get("members", 0),
        "heldout_searched": searched.get("heldout", {}).get("counts", {}).get("nonmembers", 0),
        "match_tokens": asked.get("match_tokens", 0),
    }


def _generation(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for prefix, measures in summary["generation"].items():
        correlation = measures.get("correlation", {})
        rows.append(
            {
                "prefix": until(prefix),
                "shares": tables.pairs(measures),
                "correlation": [(_MODELS.get(k, k), estimate("correlation", leaf)) for k, leaf in correlation.items()],
            }
        )
    return rows


_MODELS = {"perplexity_target": "fine-tuned model", "perplexity_base": "base model"}
