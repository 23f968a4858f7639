"""Which means stand in which table and figure, and how the lines of a figure are told apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mnemoscope.decoding import GREEDY, Decoding, parse_decoding
from mnemoscope.errors import ConfigError
from mnemoscope.reporting.study_means import KEYS, Row, at_end
from mnemoscope.reporting.wording import count

ALL_FOUR = frozenset("qkvo")
LINES = 8
"""A figure of several lines draws at most so many."""
_MATRICES = re.compile(r"(?:gate|up|down|[qkvo])")


def matrix_names(matrices: str) -> str:
    """Matrices as the paper writes them.

    >>> matrix_names("qk"), matrix_names("qup"), matrix_names("all")
    ('Q+K', 'Q+up', 'all')
    """
    found = _MATRICES.findall(matrices)
    if "".join(found) != matrices:
        return matrices
    return "+".join(name.upper() if len(name) == 1 else name for name in found)


def strength(row: Mapping[str, Any]) -> str:
    """How strong the update is, by what stays equal over the ranks."""
    if row["alpha_rule"] == "proportional":
        return f"alpha in proportion to the rank (scale {row['scale']:g})"
    more = ", over the root of the rank" if row["alpha_rule"] == "rslora" else ""
    return f"alpha {row['alpha']:g} at every rank{more}"


def brief(row: Mapping[str, Any]) -> str:
    """The same for the legend of a figure: a scale of 2 is an alpha of twice the rank."""
    if row["alpha_rule"] == "proportional":
        return f"alpha {row['scale']:g} × rank"
    return f"alpha {row['alpha']:g}" + (" over √rank" if row["alpha_rule"] == "rslora" else "")


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "matrices": lambda row: matrix_names(row["matrices"]),
    "rank": lambda row: f"rank {row['rank']}",
    "copies": lambda row: count(row["copies"], "copy", "copies"),
    "strength": strength,
    "epochs": lambda row: count(row["epochs"], "epoch") if row["epochs"] == 1 else f"{row['epochs']:g} epochs",
    "learning_rate": lambda row: f"learning rate {row['learning_rate']:g}",
    "others": lambda row: row["others"] or "no other options",
}
_LEGEND = {**_WORDS, "strength": brief}
_VARIANT = ("strength", "epochs", "learning_rate", "others")


def variant(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything but matrices, rank and copies, in words: what is equal within one table."""
    return tuple(_WORDS[name](row) for name in _VARIANT)


def _told_apart(rows: Sequence[Row], along: str) -> list[Row]:
    """The rows with their `series`: the words that differ between them, without what runs along the axis."""
    words = {name: [say(row) for row in rows] for name, say in _LEGEND.items() if name != along}
    differing = [texts for texts in words.values() if len(set(texts)) > 1]
    shown = differing or [words[name] for name in ("matrices", "rank") if name in words]
    labels = [", ".join(parts) for parts in zip(*shown, strict=True)]
    return [{**row, "series": label} for row, label in zip(rows, labels, strict=True)]


def series(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of a figure, in order of appearance."""
    return list(dict.fromkeys(row["series"] for row in rows))


def _few(rows: list[Row]) -> list[Row]:
    """The rows of the first LINES lines; each then says how many lines there are."""
    every = series(rows)
    kept = set(every[:LINES])
    return [{**row, "of_series": len(every)} for row in rows if row["series"] in kept]


def _known(summary: Mapping[str, Any], statistic: str) -> list[Row]:
    return [row for row in summary["means"] if row["statistic"] == statistic and row["value"] is not None]


def grids(summary: Mapping[str, Any], statistic: str = "auc") -> list[list[Row]]:
    """A statistic at the end of cells without planted records, a list a variant.

    The paper's kind of variant goes first: alpha equal at every rank, no other options; among those the one with most
    cells, then the first.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in _known(summary, statistic):
        if at_end(row) and row["copies"] == 1:
            found.setdefault(variant(row), []).append(row)

    return sorted(found.values(), key=lambda rows: (*unlike_paper(rows[0]), -len(rows)))


def by_matrices(summary: Mapping[str, Any]) -> list[Row]:
    """The first grid, a line for each set of matrices over the ranks; nothing where it has one rank alone."""
    rows = next(iter(grids(summary)), [])
    if len({row["rank"] for row in rows}) < 2:
        return []
    named = [{**row, "series": matrix_names(row["matrices"])} for row in rows]
    return _few(named)


def heat(summary: Mapping[str, Any]) -> list[Row]:
    """The first grid, where it has two sets of matrices and two ranks or more: what has less is a list, no map."""
    rows = next(iter(grids(summary)), [])
    return rows if all(len({row[key] for row in rows}) > 1 for key in ("matrices", "rank")) else []


def all_four(summary: Mapping[str, Any], statistic: str = "auc") -> list[Row]:
    """A statistic over ranks with Q, K, V and O adapted, a line a variant; nothing below two ranks."""
    rows = [row for grid in grids(summary, statistic) for row in grid if frozenset(row["matrices"]) == ALL_FOUR]
    if len({row["rank"] for row in rows}) < 2:
        return []
    plain = _told_apart(rows, "rank")
    if len({variant(row) for row in rows}) == 1:
        plain = [{**row, "series": brief(row)} for row in rows]
    return _few(plain)


SIDES = {"members": "training", "nonmembers": "held out"}


def both_sides(summary: Mapping[str, Any], stem: str) -> list[Row]:
    """A statistic of training records over ranks with all four matrices, and of held-out records as its control."""
    found = {name: all_four(summary, f"{stem}_{who}") for who, name in SIDES.items()}
    return _few([{**row, "series": f"{name}, {row['series']}"} for name, rows in found.items() for row in rows])


def decades(rows: Sequence[Row]) -> list[Row]:
    """The rows for a base-10 logarithmic axis, drawn no lower than its `floor`: a decade under the least value above 0,
    but not below FAINTEST."""
    least = min((row["value"] for row in rows if row["value"] > 0), default=None)
    if least is None:
        return []
    floor = max(FAINTEST, 10.0 ** (math.floor(math.log10(least)) - 1))
    return [{**row, "floor": floor, **{key: _at_least(floor, row[key]) for key in _ENDS}} for row in rows]


_ENDS = ("value", "low", "high")
FAINTEST = 1e-12
"""Smaller probabilities are all the same to a reader, and would press the others together."""


def _at_least(floor: float, value: float | None) -> float | None:
    return None if value is None else max(floor, value)


def copies(summary: Mapping[str, Any], statistic: str) -> list[Row]:
    """One statistic of planted records over the number of copies; nothing where it was measured at one number alone."""
    rows = [row for row in _known(summary, statistic) if at_end(row)]
    return _few(_told_apart(rows, "copies")) if len({row["copies"] for row in rows}) > 1 else []


def decodings(summary: Mapping[str, Any], stem: str) -> list[Row]:
    """A statistic of every decoding, coldest first; `stem` is what stands before the @."""
    rows = []
    for row in summary["means"]:
        found, _, label = row["statistic"].partition("@")
        # without a name "planted" is greedy; of the others it is their first decoding once more
        if found == stem and (label or stem == "planted") and row["value"] is not None and at_end(row):
            rows.append({**row, "decoding": label or GREEDY.label})
    rows = rows if stem == "planted" else _at_one_rank(rows)
    if len({row["decoding"] for row in rows}) < 2:
        return []
    rows.sort(key=lambda row: (heat_of(row["decoding"]), row["copies"]))
    return _few(_told_apart(rows, ""))


def _at_one_rank(rows: Sequence[Row]) -> list[Row]:
    """Those without planted records and of the first variant, at the rank where most matrices were adapted."""
    plain = sorted((row for row in rows if row["copies"] == 1), key=lambda row: (*unlike_paper(row), row["rank"]))
    rows = [row for row in plain if variant(row) == variant(plain[0])]
    ranks = [row["rank"] for row in rows]
    rank = max(ranks, key=ranks.count, default=0)
    return [row for row in rows if row["rank"] == rank]


def unlike_paper(row: Row) -> tuple[bool, bool]:
    """Sorts the paper's kind of variant first: alpha equal at every rank, no other options."""
    return row["alpha_rule"] != "fixed", bool(row["others"])


def heat_of(label: str) -> tuple[float, str]:
    """Sorts decodings from cold to hot."""
    return _decoding(label).temperature, label


def _decoding(label: str) -> Decoding:
    try:
        return parse_decoding(label)
    except ConfigError:
        return Decoding()


def temperature(label: str) -> float:
    """The temperature a decoding begins with; 1 where the label tells none."""
    return _decoding(label).temperature


def epochs(summary: Mapping[str, Any], statistic: str) -> list[Row]:
    """One statistic after every epoch, of cells that were measured between their beginning and their end."""
    rows = _known(summary, statistic)
    followed = {_path(row) for row in rows if row["epoch"] > 0 and not at_end(row)}
    rows = [row for row in rows if _path(row) in followed]
    return _few(sorted(_told_apart(rows, "epoch"), key=lambda row: row["epoch"])) if rows else []


def paths(summary: Mapping[str, Any]) -> list[Row]:
    """AUC beside the held-out perplexity of the same cells after the same epochs, the path of a training a line."""
    heldout = {(_path(row), row["epoch"]): row["value"] for row in epochs(summary, "perplexity_heldout")}
    rows = [row for row in epochs(summary, "auc") if (_path(row), row["epoch"]) in heldout]
    return [{**row, "heldout": heldout[_path(row), row["epoch"]]} for row in rows]


def _path(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in KEYS if key not in ("epoch", "statistic"))


def usefulness(summary: Mapping[str, Any]) -> list[Row]:
    """AUC and held-out perplexity of every cell without planted records at its end, and of its base model.

    `base` is the mean over the seeds, which may hold out other records each.
    """
    found = {node["cell"]: ended(node["points"]) for node in summary["points"]}
    cells = [{**cell, **found[cell["cell"]]} for cell in summary["cells"]["states"] if cell["cell"] in found]
    cells = [cell for cell in cells if cell["copies"] == 1 and {"auc", "perplexity_heldout"} <= cell.keys()]
    cells.sort(key=lambda cell: (*unlike_paper(cell), cell["rank"]))
    bases = {cell["seed"]: cell["perplexity_base_heldout"] for cell in cells if "perplexity_base_heldout" in cell}
    base = math.fsum(bases.values()) / len(bases) if bases else None
    return _few([{**cell, "base": base, "n_bases": len(bases), "series": _named(cell, cells[0])} for cell in cells])


def ended(points: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Statistic to its value at the end of a cell, where it has one."""
    last = max(point["epoch"] for point in points)
    return {p["statistic"]: p["value"] for p in points if p["epoch"] == last and p["value"] is not None}


def _named(cell: Row, first: Row) -> str:
    """The cell's matrices, and what else it has other than the first cell."""
    words = [name for name in _VARIANT if _WORDS[name](cell) != _WORDS[name](first)]
    return ", ".join([matrix_names(cell["matrices"]), *(_LEGEND[name](cell) for name in words)])
