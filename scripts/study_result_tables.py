"""Tables of the page of a study: claims, AUC by matrices and rank, by copies, by epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leakage_tables import table

from mnemoscope.answers import Answer
from mnemoscope.reporting import study_series as chosen
from mnemoscope.reporting import study_tables as told
from mnemoscope.reporting.paper import FIGURE_3_6, SETTING
from mnemoscope.reporting.study_means import KEYS, at_end
from mnemoscope.reporting.wording import NONE, bare_p, number

Row = dict[str, Any]
Place = tuple[Any, ...]
"""All settings of a cell but its seed."""
CLAIM = ["claim", "value", "interval, records", "interval, seeds", "seeds", "corrected p: records; seeds", "decision",
         "reason", "paper"]  # fmt: skip
"""Heads of the table of claims."""


def claims_table(claims: Sequence[Answer]) -> list[str]:
    """A row a claim, in the order given."""
    rows = [
        [
            one.claim,
            shown(one.value),
            _ends(one.low, one.high),
            _ends(one.seed_low, one.seed_high),
            str(one.n_seeds),
            f"{_p(one.p_adjusted)}; {_p(one.seed_p_adjusted)}",
            f"**{one.decision}**",
            one.reason,
            one.paper or NONE,
        ]
        for one in claims
    ]
    return table(CLAIM, [[cell.replace("|", "\\|") for cell in row] for row in rows])


def shown(value: float | None) -> str:
    """A number; one that three decimals would make 0 keeps one digit.

    >>> shown(0.12345), shown(0.00004), shown(0.0), shown(None)
    ('0.123', '4e-05', '0.000', '–')
    """
    if value is None:
        return NONE
    return f"{value:.0e}" if 0 < abs(value) < 0.0005 else number(value)


def _ends(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"[{shown(low)}, {shown(high)}]"


def _p(p: float | None) -> str:
    return NONE if p is None else bare_p(p)


def _areas(summary: Row) -> list[str]:
    """Table 3.1 of the paper, a table for each variant of training."""
    lines = []
    for one in told.areas(summary):
        beside = f"; the paper's ({SETTING}) below" if one["with_paper"] else ""
        of = f" of {one['attack']}" if one["attack"] else ""
        caption = (
            f"ROC AUC{of} by rank and adapted matrices ({one['variant']}); ±: half the {one['intervals']}{beside}."
        )
        lines += [caption, ""]
        lines += table(["rank", *one["heads"]], [line for row in one["rows"] for line in _area(row)])
    return lines


def _area(row: Row) -> list[list[str]]:
    cells = row["cells"]
    lines = [[f"**{row['rank']}**", *(f"{cell['value']} {cell['half']}".strip() or NONE for cell in cells)],
             ["parameters", *(cell["parameters"] or NONE for cell in cells)]]  # fmt: skip
    if any(cell["paper"] for cell in cells):
        lines.append(["paper", *(cell["paper"] or NONE for cell in cells)])
    return lines


def _attacks(summary: Row) -> list[str]:
    """AUC of every attack by matrices."""
    found = told.by_attack(summary)
    if not found:
        return []
    rows = [[row["attack"], *(f"{cell['value']} {cell['half']}" for cell in row["cells"])] for row in found["rows"]]
    caption = (
        f"AUC of every attack at rank {found['rank']}, as in the table above. The claims below compare one attack, "
        "fixed before; attacks without a reference need not agree with it."
    )
    if found["memorization"]:
        caption += " Last row: mean counterfactual memorization, nats a token, which is of no attack."
        rows.append(["*memorization*", *(f"{cell['value']} {cell['half']}" for cell in found["memorization"])])
    return [caption, "", *table(["attack", *found["heads"]], rows)]


USE = {
    "auc": "AUC", "tpr_at_10": "TPR at 10% FPR", "memorization": "memorization, nats a token",
    "verbatim_members": "word for word, training",
    "verbatim_nonmembers": "word for word, held out", "perplexity_members": "perplexity, training",
    "perplexity_heldout": "perplexity, held out", "perplexity_base_heldout": "base model's, held out",
}  # fmt: skip
"""What stands side by side for each setting: what leaks, and what the training was good for."""


def _use(summary: Row) -> list[str]:
    """Leakage beside usefulness, a row a setting without planted records, best held-out perplexity first."""
    at: dict[Place, dict[str, Row]] = {}
    for row in summary["means"]:
        if row["copies"] == 1 and at_end(row) and row["statistic"] in USE:
            at.setdefault(_cell(row), {})[row["statistic"]] = row
    both = [found for found in at.values() if {"auc", "perplexity_heldout"} <= found.keys()]
    both.sort(key=lambda found: found["perplexity_heldout"]["value"] or math.inf)
    lines = [
        [_training(row["auc"]), str(row["auc"]["n_seeds"]), *(_known(row.get(name)) for name in USE)] for row in both
    ]
    if not lines:
        return []
    return table(["training", "seeds", *USE.values()], lines)


def _known(row: Row | None) -> str:
    return NONE if row is None else _value(row)


def _training(row: Row) -> str:
    names = chosen.matrix_names(row["matrices"])
    return f"{names}, rank {row['rank']}, learning rate {row['learning_rate']:g}, {row['alpha_rule']} alpha"


def _ranks(summary: Row) -> list[str]:
    """AUC by rank with all four matrices, a column a variant, and what the paper's Figure 3.6 shows."""
    rows = chosen.all_four(summary)
    series, paper = chosen.series(rows), dict(FIGURE_3_6)
    at = {(row["rank"], row["series"]): _value(row) for row in rows}
    lines = [
        [str(rank), *(at.get((rank, name), NONE) for name in series), f"{paper[rank]:g}" if rank in paper else NONE]
        for rank in sorted({row["rank"] for row in rows})
    ]
    return table(["rank, all four matrices", *(f"AUC, {name}" for name in series), f"paper ({SETTING})"], lines)


STATISTICS = {"planted": "verbatim_members", "planted_ngram_share": "ngram_share_members"}
"""What is told of planted records, and the same of records that were trained on once."""


def _copies(summary: Row) -> list[str]:
    """What came back of planted records, and of all training records where nothing was planted."""
    at = {(_cell(row), row["statistic"]): row for row in summary["means"] if at_end(row)}
    cells = {_cell(row): row for row in summary["means"] if row["statistic"] == "planted" and at_end(row)}
    decodings = list(dict.fromkeys(name for _, name in at if name.startswith("planted@")))
    heads = ["matrices, rank", "copies", "records", "seeds", "word for word, greedily", "n-gram share"]
    names = [*STATISTICS, *decodings]
    once = {name: STATISTICS.get(name, name.replace("planted", "suffix_probability_members")) for name in names}
    known = dict.fromkeys(_once(row) for row in cells.values())
    rows = [_dose(at, cell, list(once.values())) for cell in known if (cell, once["planted"]) in at]
    rows += [_dose(at, cell, names) for cell in cells]
    rows.sort(key=lambda row: (row[0], int(row[1])))
    return table([*heads, *(f"probability, {name.partition('@')[2]}" for name in decodings)], rows)


def _cell(row: Row) -> Place:
    return tuple(row[key] for key in KEYS if key not in ("epoch", "statistic"))


def _once(row: Row) -> Place:
    """The same training without planted records."""
    return _cell({**row, "copies": 1, "planted": 0})


def _dose(at: Mapping[tuple[Place, str], Row], cell: Place, names: Sequence[str]) -> list[str]:
    row = at[cell, names[0]]
    label = f"{chosen.matrix_names(row['matrices'])}, rank {row['rank']}, {', '.join(chosen.variant(row)[:3])}"
    records = str(row["planted"] or "all trained on")
    values = (_value(at[cell, name]) if (cell, name) in at else NONE for name in names)
    return [label, str(row["copies"]), records, str(row["n_seeds"]), *values]


def _epochs(summary: Row) -> list[str]:
    """What leaks and held-out perplexity after every epoch; epoch 0 is the base model."""
    heads = {"auc": "AUC", "memorization": "memorization, nats a token", "perplexity_heldout": "held-out perplexity"}
    at = {name: {(_cell(row), row["epoch"]): row for row in chosen.epochs(summary, name)} for name in heads}
    rows = sorted(at["perplexity_heldout"].values(), key=lambda row: (row["series"], row["epoch"]))
    lines = [
        [row["series"], f"{row['epoch']:g}", *(_known(found.get((_cell(row), row["epoch"]))) for found in at.values())]
        for row in rows
    ]
    return table(["training", "epoch", *heads.values()], lines)


def _value(row: Row) -> str:
    """A mean with its interval: Student's t over the seeds, from the records where there is one seed."""
    return shown(row["value"]) if row["low"] is None else f"{shown(row['value'])} {_ends(row['low'], row['high'])}"


TABLES: Mapping[str, Callable[[Row], list[str]]] = {
    "matrices": lambda summary: [*_areas(summary), *_attacks(summary), *_use(summary)],
    "rank": _ranks,
    "copies": _copies,
    "epochs": _epochs,
}
"""Question to its tables, from a summary with the means over seeds."""
