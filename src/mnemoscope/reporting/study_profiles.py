"""Means at the end -> all that was measured of cells that differ in rank, or in copies, alone: the tables by dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnemoscope.reporting.study_means import KEYS, Row, at_end
from mnemoscope.reporting.study_series import ALL_FOUR, FAINTEST, heat_of, matrix_names, unlike_paper, variant
from mnemoscope.reporting.study_tables import intervals
from mnemoscope.reporting.wording import NONE, interval, number, percent

RANKED = {
    "auc": "AUC",
    "tpr_at_10": "TPR at 10% FPR",
    "tpr_at_1": "TPR at 1% FPR",
    "verbatim_members": "Word for word, training",
    "verbatim_nonmembers": "Word for word, held-out",
    "suffix_probability_members": "Suffix probability, training",
    "suffix_probability_nonmembers": "Suffix probability, held-out",
    "memorization": "Memorization, nats a token",
    "perplexity_heldout": "Held-out perplexity",
}
"""Columns of the table by rank: statistic to its head."""
PLANTED = {"planted": "Word for word", "planted_ngram_share": "n-gram share"}
CONTROL = {"verbatim_nonmembers": "Held-out, word for word", "perplexity_heldout": "Held-out perplexity"}
_ONCE = {"planted": "verbatim_members", "planted_ngram_share": "ngram_share_members"}
"""What is known of records that were trained on once, in the place of what is asked of planted ones."""


def by_rank(summary: Mapping[str, Any]) -> list[list[Row]]:
    """Cells without planted records, a list for each set of matrices that was adapted at two ranks or more.

    A row has the setting and `found`, statistic to its row of the means. All four matrices go first, then what has
    most ranks; among equals the paper's kind of variant.
    """
    groups: dict[Any, list[Row]] = {}
    for row in _profiles(summary):
        if row["copies"] == 1:
            groups.setdefault((row["matrices"], variant(row)), []).append(row)
    tables = [sorted(rows, key=lambda row: int(row["rank"])) for rows in groups.values() if len(rows) > 1]
    return sorted(tables, key=lambda rows: (frozenset(rows[0]["matrices"]) != ALL_FOUR, *unlike_paper(rows[0]),
                                            -len(rows)))  # fmt: skip


def by_copies(summary: Mapping[str, Any]) -> list[list[Row]]:
    """Cells that differ in copies alone, fewest first, a list for each kind of cell that has planted records.

    A cell of that kind without planted records goes first: in the planted records' place it has all its training
    records, each of which it saw once.
    """
    groups: dict[Any, list[Row]] = {}
    for row in _profiles(summary):
        groups.setdefault((row["matrices"], row["rank"], variant(row)), []).append(row)
    tables = [sorted(map(_once, rows), key=lambda row: (row["copies"], row["planted"])) for rows in groups.values()]
    return [rows for rows in tables if rows[-1]["copies"] > 1]


def _profiles(summary: Mapping[str, Any]) -> list[Row]:
    """A row for each setting that was measured at its end."""
    kept, found = [key for key in KEYS if key not in ("epoch", "statistic")], dict[tuple[Any, ...], Row]()
    for row in summary["means"]:
        if at_end(row):
            key = tuple(row[name] for name in kept)
            profile = found.setdefault(key, {**dict(zip(kept, key, strict=True)), "found": {}})
            profile["found"][row["statistic"]] = row
    return list(found.values())


def _once(row: Row) -> Row:
    if row["copies"] > 1:
        return row
    stem = "suffix_probability_members@"
    sampled = {f"planted@{name.removeprefix(stem)}": one for name, one in row["found"].items() if name.startswith(stem)}
    shown = {name: row["found"][other] for name, other in _ONCE.items() if other in row["found"]}
    return {**row, "found": {**row["found"], **shown, **sampled}}


def planted_columns(tables: Sequence[Sequence[Row]]) -> dict[str, str]:
    """Columns of the table by copies: greedy decoding, then one a decoding, coldest first, then the control."""
    names = {name for rows in tables for row in rows if row["copies"] > 1 for name in row["found"]}
    sampled = sorted((name.removeprefix("planted@") for name in names if name.startswith("planted@")), key=heat_of)
    every = {**PLANTED, **{f"planted@{label}": f"Sampled, {label}" for label in sampled}, **CONTROL}
    return {name: head for name, head in every.items() if name in names}


def measured(columns: Mapping[str, str], tables: Sequence[Sequence[Row]]) -> dict[str, str]:
    """The columns that any row of the tables has a value for."""
    there = {name for rows in tables for row in rows for name, one in row["found"].items() if one["value"] is not None}
    return {name: head for name, head in columns.items() if name in there}


def rank_tables(summary: Mapping[str, Any]) -> list[Row]:
    """The tables by rank, in words."""
    tables = by_rank(summary)
    columns = measured(RANKED, tables)
    return [_worded(rows, columns, "rank") for rows in tables]


def copies_tables(summary: Mapping[str, Any]) -> list[Row]:
    """The tables by copies, in words."""
    tables = by_copies(summary)
    columns = measured(planted_columns(tables), tables)
    return [_worded(rows, columns, "copies") for rows in tables]


def _worded(rows: Sequence[Row], columns: Mapping[str, str], along: str) -> Row:
    first = rows[0]
    words = variant(first)
    label = [matrix_names(first["matrices"]), *([f"rank {first['rank']}"] if along == "copies" else [])]
    return {
        "label": ", ".join([*label, *(words if first["others"] else words[:-1])]),
        "columns": list(columns.values()),
        "rows": [_row(row, columns, along) for row in rows],
        "told": _told(rows, columns),
    }


def _told(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """What the numbers are, where their intervals come from, and where the base model stands."""
    known = [one for row in rows for name, one in row["found"].items() if name in columns and one["value"] is not None]
    numbers = sorted({one["n_seeds"] for one in known})
    told = "Of 1 seed" if numbers == [1] else f"Means over {' to '.join(map(str, {numbers[0], numbers[-1]}))} seeds"
    ends = intervals([one for one in known if one["low"] is not None])
    base = _base(rows) if "perplexity_heldout" in columns else ""
    return f"{told}; {ends}." + (f" Held-out perplexity of the base model: {base}." if base else "")


def _row(row: Row, columns: Mapping[str, str], along: str) -> Row:
    once = along == "copies" and row["copies"] == 1
    return {
        "dose": row[along],
        "planted": "all training records" if once else f"{row['planted']:,}",
        "once": once,
        "scale": f"{row['scale']:.4g}",
        "parameters": f"{row['parameters']:,}",
        "cells": [_cell(name, row["found"].get(name)) for name in columns],
    }


def _base(rows: Sequence[Row]) -> str:
    """Held-out perplexity of the base model; "" where it is not known."""
    name = "perplexity_base_heldout"
    known = {row["found"][name]["value"] for row in rows if name in row["found"]} - {None}
    return " to ".join(number(value) for value in sorted({min(known), max(known)})) if known else ""


def _cell(statistic: str, one: Mapping[str, Any] | None) -> dict[str, str]:
    """Value and interval in the unit of the statistic."""
    if one is None or one["value"] is None:
        return {"value": NONE, "interval": ""}
    if "probability" in statistic or "@" in statistic:
        ends = (one["low"], one["high"])
        known = None not in ends
        return {"value": chance(one["value"]), "interval": f"[{chance(ends[0])}, {chance(ends[1])}]" if known else ""}
    if statistic in ("auc", "memorization") or statistic.startswith("perplexity"):
        return {"value": number(one["value"]), "interval": interval("auc", one)}
    return {"value": percent(one["value"]), "interval": interval("verbatim", one)}


def chance(p: float) -> str:
    """A probability with two digits; below FAINTEST all are the same to a reader.

    >>> chance(0.0), chance(2e-308), chance(0.0123), chance(0.5), chance(0.000105), chance(1.0)
    ('0', '<1e-12', '0.012', '0.50', '1.1e-4', '1')
    """
    if 0 < p < FAINTEST:
        return f"<{FAINTEST:g}"
    if p in (0, 1):
        return f"{p:g}"
    if p >= 0.001:
        return f"{p:#.2g}"
    digits, _, power = f"{p:.1e}".partition("e")
    return f"{digits}e{int(power)}"
