"""One self-contained page: no request, redacted unless text is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from mnemoscope.records import Evidence
from mnemoscope.reporting import checks, leakage, names, ranking, tables
from mnemoscope.reporting.digest import FAMILIES
from mnemoscope.reporting.found import ROWS, found
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.templating import rendered
from mnemoscope.reporting.wording import estimate, until
from mnemoscope.traces import Traces


def available() -> bool:
    """Whether the extra `report` is installed, which `page` needs."""
    return all(find_spec(package) is not None for package in ("jinja2", "altair", "vl_convert"))


def page(evidence: Evidence, summary: Mapping[str, Any], *, show_text: bool, traces: Traces | None = None) -> str:
    """The report as one HTML file.

    Args:
        evidence: what was measured.
        summary: `summary(evidence)`; the page shows its numbers and no others.
        show_text: put the text of extracted records on the page. Without it no text, id or token is there.
        traces: the target's; with `show_text` they tell where the prefix of a text ends and how far it matched.
    """
    prefix, rows, total = found(evidence, show_text=show_text, traces=traces)
    return rendered(
        "page.html.j2",
        s=summary,
        show_text=show_text,
        badge=_BADGES.get(summary["verdict"]["validity"], "open"),
        figures=_figures(evidence, summary),
        attack=names.main_attack(summary["membership"]) or names.main_attack(evidence.scores),
        attacks=_described(summary),
        level=tables.levels(summary, *(family for family in FAMILIES if family not in ("controls", "validity"))),
        **_membership(summary),
        extraction=tables.extraction(summary),
        rechecked=sum(row.rechecked for row in evidence.extractions),
        found=rows,
        found_total=total,
        found_limit=ROWS,
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


def _figures(evidence: Evidence, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Figure name to safe SVG, for every figure that has something to show."""
    from altair.utils.schemapi import debug_mode
    from markupsafe import Markup

    from mnemoscope.reporting import figures
    from mnemoscope.reporting.svg import to_svg

    attack = names.main_attack(evidence.scores)
    prefix = names.main_prefix(row.prefix for row in evidence.extractions)
    wanted: dict[str, Callable[[], Any]] = {}
    if areas := ranking.areas(summary):
        wanted["aucs"] = lambda: figures.areas(areas, names.main_attack(summary["membership"]))
    if evidence.curves:
        wanted |= {"roc": lambda: figures.roc(evidence), "roc_low": lambda: figures.roc_low(evidence)}
    if attack is not None:
        wanted["scores"] = lambda: figures.score_histogram(evidence, attack)
    if evidence.generations:
        wanted["base"] = lambda: figures.perplexity_scatter(evidence, "base", _spearman(summary, "base"))
        wanted["target"] = lambda: figures.perplexity_scatter(evidence, "target", _spearman(summary, "target"))
    wanted |= _curves(summary)
    if prefix is not None:
        wanted["runs"] = lambda: figures.matched_runs(evidence, prefix)
    if any(step.loss is not None for step in evidence.training):
        wanted["loss"] = lambda: figures.training_loss(evidence)
    if any(step.heldout_perplexity is not None for step in evidence.training):
        wanted["heldout"] = lambda: figures.heldout_perplexity(evidence)
    # the tests hold every figure against the schema; doing so on every page would double its time
    with debug_mode(False):
        drawn = {name: Markup(to_svg(chart())) for name, chart in wanted.items()}
    return dict.fromkeys(FIGURES, "") | drawn


def _curves(summary: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    from mnemoscope.reporting import curves

    tree, wanted = summary["sampling"], dict[str, Callable[[], Any]]()
    if shares := summary["prefix_length"]:
        wanted["prefix_lengths"] = lambda: curves.prefix_lengths(shares)
    if prefix := names.main_prefix(tree):
        decoding = next(iter(tree[prefix]))
        wanted["queries"] = lambda: curves.queries(tree[prefix][decoding]["expected"], decoding)
    return wanted


FIGURES = ("queries", "prefix_lengths", "aucs", "roc", "roc_low", "scores", "base", "target", "runs", "loss", "heldout")


def _spearman(summary: Mapping[str, Any], model: str) -> str:
    prefix = names.main_prefix(summary["generation"])
    leaf = summary["generation"].get(prefix, {}).get("correlation", {}).get(f"perplexity_{model}")
    return "" if leaf is None else f"Spearman correlation {estimate('correlation', leaf)}"
