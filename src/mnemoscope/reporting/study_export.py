"""A study's points, answers, tables and figures as files for other programs: CSV, LaTeX, SVG."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from mnemoscope.answers import Answer, Canaried, Point, StudyEvidence
from mnemoscope.reporting import study_latex, study_profiles, study_tables
from mnemoscope.reporting.paper import TABLE_3_1
from mnemoscope.reporting.study_gallery import study_figure_files
from mnemoscope.reporting.study_means import KEYS
from mnemoscope.reporting.study_series import grids

_AREAS = (
    "alpha_rule", "alpha", "scale", "epochs", "learning_rate", "others", "matrices", "rank", "parameters", "value",
    "low", "high", "level", "basis", "n_seeds", "half_width", "paper_auc", "paper_half_width",
)  # fmt: skip


def study_exports(evidence: StudyEvidence, summary: Mapping[str, Any]) -> dict[str, str]:
    """File name to text: points.csv, answers.csv, Tables 3.1 and A.1, the tables by rank and by
    copies, as CSV and LaTeX, figure_NAME.svg.

    Floats in CSV files have all their digits; a missing value is an empty field; the several values of an answer's
    seeds stand in one field with a space between. Generated text is written to Table A.1 alone, and only where the
    evidence holds it. A figure or LaTeX table that has nothing to show has no file.
    """
    tables = {
        "points.csv": rows_csv([field.name for field in fields(Point)], map(asdict, evidence.points)),
        "answers.csv": rows_csv([field.name for field in fields(Answer)], map(asdict, evidence.answers)),
        "table_3_1.csv": rows_csv(_AREAS, _areas(summary)),
        "table_3_1.tex": "\n".join(_areas_tex(table, i) for i, table in enumerate(study_tables.areas(summary), 1)),
        **_doses(summary),
        "table_A_1.csv": rows_csv(_canary_heads(evidence), map(asdict, evidence.texts)),
        "table_A_1.tex": _canaries_tex(evidence, summary) if evidence.texts else "",
    }
    figures = study_figure_files(evidence, summary, ("svg",))
    named = {f"figure_{name.replace('-', '_')}": content.decode() for name, content in figures.items()}
    return {name: text for name, text in {**tables, **named}.items() if text}


def rows_csv(heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV with a head, in the form of RFC 4180; write it without translating line ends."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)  # ends lines with \r\n (RFC 4180): with \n alone a bare \r in a text is not quoted
    writer.writerow(heads)
    writer.writerows([_field(row[head]) for head in heads] for row in rows)
    return file.getvalue()


def _field(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return " ".join(str(_field(item)) for item in value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else value


def _areas(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of all variants; the paper's numbers beside those of the first, whose kind is the paper's."""
    known = {(area.matrices, area.rank): (area.auc, area.half_width) for area in TABLE_3_1}
    rows = []
    for i, grid in enumerate(grids(summary)):
        for row in grid:
            auc, half = known.get((row["matrices"], row["rank"]), (None, None)) if i == 0 else (None, None)
            rows.append({**row, "half_width": study_tables.half_width(row), "paper_auc": auc, "paper_half_width": half})
    return rows


def _areas_tex(table: Mapping[str, Any], place: int) -> str:
    """One variant; the paper's own numbers stand in a row below each rank."""
    rows = []
    for row in table["rows"]:
        rows.append([str(row["rank"]), *(f"{cell['value']} {cell['half']}".strip() or "–" for cell in row["cells"])])
        rows.append(["parameters", *(cell["parameters"] or "–" for cell in row["cells"])])
        if any(cell["paper"] for cell in row["cells"]):
            rows.append(["paper", *(cell["paper"] or "–" for cell in row["cells"])])
    caption = f"ROC AUC by rank and adapted matrices ({table['variant']}); ± is half the width of the"
    return study_latex.table(["Rank", *table["heads"]], rows, f"{caption} {table['intervals']}.", f"areas-{place}")


_SETTING = [name for name in KEYS if name not in ("planted", "epoch", "statistic")]
_MEASURED = ("value", "low", "high", "basis", "n_seeds", "level")


def _doses(summary: Mapping[str, Any]) -> dict[str, str]:
    """The tables by rank and by copies: a row a setting, six fields a statistic."""
    ranks, copies = study_profiles.by_rank(summary), study_profiles.by_copies(summary)
    return {
        "table_by_rank.csv": _profiles_csv(ranks, study_profiles.RANKED),
        "table_by_rank.tex": _doses_tex(study_profiles.rank_tables(summary), "Rank", "rank"),
        "table_by_copies.csv": _profiles_csv(copies, study_profiles.planted_columns(copies)),
        "table_by_copies.tex": _doses_tex(study_profiles.copies_tables(summary), "Copies", "copies"),
    }


def _profiles_csv(tables: Sequence[Sequence[Mapping[str, Any]]], columns: Iterable[str]) -> str:
    names = list(columns)
    heads = [*_SETTING, "planted_records", "measured_on"] + [
        head for name in names for head in (name, *(f"{name}_{part}" for part in _MEASURED[1:]))
    ]
    rows = [{**dict.fromkeys(heads), **_setting(row), **_measured(row["found"], names)} for table in tables
            for row in table]  # fmt: skip
    return rows_csv(heads, rows)


def _setting(row: Mapping[str, Any]) -> dict[str, Any]:
    """`planted` is the name of a statistic too, so the number of planted records goes by another one."""
    own = {name: row[name] for name in _SETTING}
    return {**own, "planted_records": row["planted"], "measured_on": "planted" if row["copies"] > 1 else "all"}


def _measured(found: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    return {
        (name if part == "value" else f"{name}_{part}"): found[name][part]
        for name in names
        for part in _MEASURED
        if name in found
    }


def _doses_tex(tables: Sequence[Mapping[str, Any]], dose: str, label: str) -> str:
    """Tables whose intervals stand in a row below their values."""
    heads = [dose, "Parameters" if dose == "Rank" else "Planted"]
    return "\n".join(
        study_latex.table(
            [*heads, *table["columns"]],
            [line for row in table["rows"] for line in _two_lines(row, dose)],
            f"{table['label']}. {table['told']}",
            f"by-{label}-{i}",
        )
        for i, table in enumerate(tables, 1)
    )


def _two_lines(row: Mapping[str, Any], dose: str) -> list[list[str]]:
    size = row["parameters"] if dose == "Rank" else row["planted"]
    values, ends = ([cell[part] for cell in row["cells"]] for part in ("value", "interval"))
    return [[str(row["dose"]), size, *values], ["", "", *ends]]


def _canary_heads(evidence: StudyEvidence) -> list[str]:
    return [field.name for field in fields(Canaried) if field.name != "text" or _has_text(evidence)]


def _has_text(evidence: StudyEvidence) -> bool:
    return any(row.text is not None for row in evidence.texts)


_CANARY = {
    "copies": "Copies", "rank": "Rank", "matrices": "Matrices", "longest": "Longest run", "decoding": "Decoding",
    "perplexity_base": "Perplexity, base", "perplexity_generated": "Perplexity, generated", "share": "n-gram share",
    "text": "Generated text",
}  # fmt: skip


def _canaries_tex(evidence: StudyEvidence, summary: Mapping[str, Any]) -> str:
    shown = [key for key in _CANARY if key != "text" or _has_text(evidence)]
    rows = study_tables.canaries(summary, [row.text for row in evidence.texts])
    texts = [[str("–" if row[key] is None else row[key]) for key in shown] for row in rows]
    layout = "rrlrlrrr" + ("p{6cm}" if "text" in shown else "")
    caption = "What came back of planted records: a row a continuation."
    return study_latex.table([_CANARY[key] for key in shown], texts, caption, "canaries", layout)
