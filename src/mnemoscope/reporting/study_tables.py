"""study.json -> tables: numbers as people read them, in the forms of the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mnemoscope.reporting.paper import TABLE_3_1, Area
from mnemoscope.reporting.study_means import KEYS, Row, at_end
from mnemoscope.reporting.study_series import ended, grids, matrix_names, strength, temperature, variant
from mnemoscope.reporting.wording import NONE, count, number, p_value, percent, signed, significant

_PAPER = {(area.matrices, area.rank): area for area in TABLE_3_1}


def claims(question: Mapping[str, Any]) -> list[Row]:
    """A row a claim: value, both intervals, both corrected p-values, the decision and its reason."""
    return [_claim(claim) for claim in question["claims"]]


def _claim(claim: Mapping[str, Any]) -> Row:
    level = claim["level"]
    return {
        **{key: claim[key] for key in ("claim", "statistic", "paper", "decision", "reason", "n_seeds")},
        "value": shown(claim, "value"),
        "records": ends(claim, "low", "high"),
        "seeds": ends(claim, "seed_low", "seed_high"),
        "p": _p(claim["p_adjusted"]),
        "p_told": significant(claim["p_adjusted"], level),
        "seed_p": _p(claim["seed_p_adjusted"]),
        "seed_p_told": significant(claim["seed_p_adjusted"], level),
        "each": [
            {"seed": seed, "value": _worded(claim, value)}
            for seed, value in zip(claim["seeds"], claim["seed_values"], strict=False)
        ],
    }


def shown(claim: Mapping[str, Any], key: str) -> str:
    """A number of a claim; a difference has its sign."""
    return NONE if claim[key] is None else _worded(claim, claim[key])


def ends(claim: Mapping[str, Any], low: str, high: str) -> str:
    """One of a claim's intervals, or a dash."""
    if claim[low] is None or claim[high] is None:
        return NONE
    return f"[{shown(claim, low)}, {shown(claim, high)}]"


def _column(matrices: str) -> int:
    """Where the paper's table has a column, and what it lacks behind it."""
    known = list(dict.fromkeys(area.matrices for area in TABLE_3_1))
    return known.index(matrices) if matrices in known else len(known)


def _worded(claim: Mapping[str, Any], value: float) -> str:
    is_signed = any(word in claim["statistic"].lower() for word in ("difference", "minus", "correlation", "spearman"))
    return signed(number(value)) if is_signed else number(value)


def _p(p: float | None) -> str:
    return NONE if p is None else p_value(p)


def levels(question: Mapping[str, Any]) -> str:
    """The confidence levels of a question's claims, in words."""
    return " or ".join(sorted({percent(claim["level"]) for claim in question["claims"]}))


def areas(summary: Mapping[str, Any], pages: Mapping[str, str] | None = None) -> list[Row]:
    """Table 3.1 a variant: ranks down, matrices across; the paper's own numbers beside the first.

    `pages` is cell to the place of its own page; a field has those of its seeds.
    """
    linked, rules = _linked(summary, pages or {}), summary.get("settings", {}).get("study", {}).get("rules", {})
    return [_table(rows, linked, rules.get("attack", ""), first=i == 0) for i, rows in enumerate(grids(summary))]


_SETTING = [key for key in KEYS if key not in ("epoch", "statistic")]


def _linked(summary: Mapping[str, Any], pages: Mapping[str, str]) -> dict[tuple[Any, ...], list[tuple[int, str]]]:
    """Setting to seed and page of its finished cells."""
    found: dict[tuple[Any, ...], list[tuple[int, str]]] = {}
    for cell in summary["cells"]["states"] if pages else ():
        if "rank" in cell and pages.get(cell["cell"]):
            found.setdefault(tuple(cell[key] for key in _SETTING), []).append((cell["seed"], pages[cell["cell"]]))
    return found


def _table(rows: Sequence[Row], linked: Mapping[tuple[Any, ...], Any], attack: str, *, first: bool) -> Row:
    at = {(row["matrices"], row["rank"]): row for row in rows}
    columns = sorted(dict.fromkeys(row["matrices"] for row in rows), key=_column)
    ranks, words = sorted({row["rank"] for row in rows}), variant(rows[0])
    return {
        "variant": ", ".join(words if rows[0]["others"] else words[:-1]),
        "attack": attack,
        "heads": [matrix_names(matrices) for matrices in columns],
        "rows": [{"rank": rank, "cells": [
            {**area(row := at.get((m, rank)), _PAPER.get((m, rank)), first),
             "pages": linked.get(tuple(row[key] for key in _SETTING), []) if row else []}
            for m in columns
        ]} for rank in ranks],
        "intervals": intervals(rows),
        "linked": any(tuple(row[key] for key in _SETTING) in linked for row in rows),
        "with_paper": first and any((m, rank) in _PAPER for m, rank in at),
    }  # fmt: skip


def by_attack(summary: Mapping[str, Any]) -> Row:
    """AUC of every attack at the rank that most sets of matrices have: attacks down, matrices across; {} without any.

    Attacks need not agree on which matrices leave more: a target-minus-reference score also varies with what the
    training was good for, which differs from record to record. `memorization` has the fields of a last row, which is
    of no attack.
    """
    grid = next(iter(grids(summary)), [])
    ranks = [row["rank"] for row in grid]
    rank = min(ranks, key=lambda one: (-ranks.count(one), one), default=0)
    columns = sorted((row["matrices"] for row in grid if row["rank"] == rank), key=_column)
    at: dict[str, list[Row]] = {name: _across(rows, rank, columns) for name, rows in _attacks(summary)}
    if not at or len(columns) < 2:
        return {}
    return {
        "rank": rank,
        "heads": [matrix_names(matrices) for matrices in columns],
        "rows": [{"attack": name, "cells": cells} for name, cells in at.items()],
        "memorization": _across(next(iter(grids(summary, "memorization")), []), rank, columns),
    }


def _across(rows: Sequence[Row], rank: int, columns: Sequence[str]) -> list[Row]:
    """A field a set of matrices at `rank`; none at all where no row has the rank."""
    found = {row["matrices"]: row for row in rows if row["rank"] == rank}
    return [area(found.get(matrices), None, False) for matrices in columns] if found else []


def _attacks(summary: Mapping[str, Any]) -> Iterator[tuple[str, list[Row]]]:
    """Each attack with its part of the first grid."""
    names = dict.fromkeys(row["statistic"] for row in summary["means"] if row["statistic"].startswith("auc@"))
    for name in names:
        if found := grids(summary, name):
            yield name.removeprefix("auc@"), found[0]


def area(row: Row | None, paper: Area | None, first: bool) -> Row:
    """One field: AUC, half width of its interval, trainable parameters, and the paper's value."""
    theirs = f"{paper.auc:.2f} ± {paper.half_width:.2f}" if paper and first else ""
    if row is None:
        return {"value": "", "half": "", "parameters": "", "paper": theirs, "seeds": 0}
    half = half_width(row)
    return {
        "value": number(row["value"]),
        "half": "" if half is None else f"± {number(half)}",
        "parameters": f"{row['parameters']:,}",
        "paper": theirs,
        "seeds": row["n_seeds"],
    }


def half_width(row: Mapping[str, Any]) -> float | None:
    """Half the width of the interval, as the paper prints it; None where there is none."""
    if row["low"] is None or row["high"] is None:
        return None
    return float(row["high"] - row["low"]) / 2


def intervals(rows: Sequence[Row]) -> str:
    """What the intervals of means are, in words."""
    kinds = {row["basis"] for row in rows if row["low"] is not None}
    told = {"seeds": "Student’s t over the seeds", "records": "from the records of one seed"}
    level = " or ".join(sorted({percent(row["level"]) for row in rows}))
    return f"{level} interval, {' or '.join(told[kind] for kind in told if kind in kinds)}" if kinds else "no interval"


def canaries(summary: Mapping[str, Any], texts: Sequence[str | None]) -> list[Row]:
    """Table A.1: a row a continuation of a planted record, in the order of copies, then temperature.

    Args:
        summary: study.json; its canaries have no text.
        texts: what was generated, in the order of those rows; None where it is not to be shown.
    """
    rows = [{**row, "text": text} for row, text in zip(summary["canaries"], texts, strict=True)]
    rows.sort(key=lambda row: (row["copies"], row["rank"], row["matrices"], temperature(row["decoding"])))
    return [
        {
            **{key: row[key] for key in ("copies", "rank", "longest", "decoding", "text")},
            "matrices": matrix_names(row["matrices"]),
            "perplexity_base": _or_dash(row["perplexity_base"]),
            "perplexity_generated": _or_dash(row["perplexity_generated"]),
            "share": NONE if row["ngram_share"] is None else percent(row["ngram_share"]),
        }
        for row in rows
    ]


def _or_dash(value: float | None) -> str:
    return NONE if value is None else number(value)


def cells(summary: Mapping[str, Any]) -> list[Row]:
    """A row a cell: its state, its setting, and its AUC and held-out perplexity at the end."""
    at_the_end = {node["cell"]: _worded_end(node["points"]) for node in summary["points"]}
    return [
        {
            "cell": cell["cell"],
            "state": cell["state"],
            "setting": _setting(cell) if "rank" in cell else "",
            "seed": cell.get("seed", NONE),
            "parameters": f"{cell['parameters']:,}" if "parameters" in cell else NONE,
            "auc": at_the_end.get(cell["cell"], {}).get("auc", NONE),
            "heldout": at_the_end.get(cell["cell"], {}).get("perplexity_heldout", NONE),
        }
        for cell in summary["cells"]["states"]
    ]


def _worded_end(points: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {statistic: number(value) for statistic, value in ended(points).items()}


def _setting(cell: Mapping[str, Any]) -> str:
    words = [matrix_names(cell["matrices"]), f"rank {cell['rank']}", strength(cell), f"{cell['epochs']:g} epochs"]
    words += [f"{cell['copies']} copies of {cell['planted']}"] if cell["copies"] > 1 else []
    return ", ".join([*words, *([cell["others"]] if cell["others"] else [])])


def others(summary: Mapping[str, Any]) -> list[Row]:
    """All means over seeds at the end, for the appendix."""
    return [
        {
            "setting": _setting(row),
            "statistic": row["statistic"],
            "value": number(row["value"]) if row["value"] is not None else NONE,
            "interval": ends({**row, "statistic": ""}, "low", "high"),
            "n_seeds": row["n_seeds"],
            "basis": row["basis"] or NONE,
            "reason": row["reason"] or "",
        }
        for row in summary["means"]
        if at_end(row)
    ]


def facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the head of the page says of cells, seeds, model and data."""
    number_of, known = summary["cells"], summary["settings"]
    seeds = {seed for row in summary["means"] for seed in row["seeds"]}
    parts = [f"{number_of[state]} {state}" for state in ("done", "failed", "waiting") if number_of[state]]
    data, model = known.get("data", {}), known.get("study", {}).get("model")
    found = [("Cells", ", ".join(parts) or "none"), ("Seeds", str(len(seeds)))]
    found += [(name, str(text)) for name, text in (("Model", model), ("Data", data.get("source"))) if text]
    counted = ((role, data.get("n_records", {}).get(role)) for role in _ROLES)
    return found + [
        (_ROLES[role], f"{n:,} in {count(data.get('n_groups', {}).get(role, 0), 'group')}") for role, n in counted if n
    ]


_ROLES = {"member": "Training records", "nonmember": "Held-out records"}
"""Of the data as given; a study that draws anew keeps these numbers."""
