"""A study's exports: they parse back to equal numbers, LaTeX is escaped, figures obey the schema."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

import altair as alt
import study_sample as sample

from mnemoscope.answers import StudyEvidence
from mnemoscope.reporting import study_exports, study_summary
from mnemoscope.reporting.paper import FIGURE_3_6
from mnemoscope.reporting.study_export import rows_csv
from mnemoscope.reporting.study_figures import PAPER
from mnemoscope.reporting.study_gallery import FIGURES, drawn
from mnemoscope.reporting.study_latex import escaped
from mnemoscope.reporting.study_records import curves_by_matrices, curves_by_rank
from mnemoscope.reporting.study_series import LINES, copies, decodings, epochs, grids, heat, matrix_names, paths, series


@pytest.fixture(scope="module")
def evidence() -> StudyEvidence:
    return sample.study((13, 7))


@pytest.fixture(scope="module")
def files(evidence: StudyEvidence) -> dict[str, str]:
    return study_exports(evidence, study_summary(evidence))


@cache
def study_of(seeds: tuple[int, ...]) -> tuple[StudyEvidence, dict[str, Any]]:
    """A study and its summary, made once."""
    evidence = sample.study(seeds)
    return evidence, study_summary(evidence)


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_points_come_back_equal(evidence: StudyEvidence, files: dict[str, str]) -> None:
    """points.csv gives back every float of every point exactly; a missing value is an empty field."""
    rows = parsed(files["points.csv"])
    assert len(rows) == len(evidence.points)
    for row, point in zip(rows, evidence.points, strict=True):
        for name, value in asdict(point).items():
            told = row[name]
            assert (
                (told == "")
                if value is None
                else (float(told) == value if isinstance(value, float) else told == str(value))
            )


def test_answers_come_back_equal(evidence: StudyEvidence, files: dict[str, str]) -> None:
    """answers.csv gives back the numbers, the decision, and the values of the seeds."""
    for row, answer in zip(parsed(files["answers.csv"]), evidence.answers, strict=True):
        assert row["claim"] == answer.claim
        assert row["decision"] == answer.decision
        assert (None if row["value"] == "" else float(row["value"])) == answer.value
        assert tuple(map(float, row["seed_values"].split())) == answer.seed_values


def test_areas_come_back_with_the_paper_s(evidence: StudyEvidence, files: dict[str, str]) -> None:
    """table_3_1.csv has every mean with all digits, and the paper's AUC beside the paper's kind of variant alone."""
    rows = parsed(files["table_3_1.csv"])
    means = [row for grid in grids(study_summary(evidence)) for row in grid]
    assert [float(row["value"]) for row in rows] == [row["value"] for row in means]
    (v4,) = [row for row in rows if (row["matrices"], row["rank"]) == ("v", "4")]
    assert float(v4["paper_auc"]) == 0.83
    assert float(v4["half_width"]) == pytest.approx((float(v4["high"]) - float(v4["low"])) / 2)
    assert all(row["paper_auc"] == "" for row in rows if row["alpha_rule"] == "proportional")


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans()), max_size=6))
def test_any_number_and_any_text_survives_csv(rows: list[tuple[float, str, bool]]) -> None:
    """Floats bit for bit, and texts with commas, quotes, line ends of any kind."""
    given_rows = [{"x": x, "t": text, "b": None if gone else 1} for x, text, gone in rows]
    back = parsed(rows_csv(["x", "t", "b"], given_rows))
    assert [(float(r["x"]), r["t"], r["b"]) for r in back] == [(x, t, "" if gone else "1") for x, t, gone in rows]


def unescaped(text: str) -> list[str]:
    """Specials of LaTeX that stand without their backslash, once known commands are taken out."""
    known = r"\\(?:textasciitilde|textasciicircum|textbackslash|textless|textgreater|textbar|textquotedbl)\{\}"
    rest = re.sub(rf"{known}|\$\\pm\$|\$\^2\$|\\[&%$#_{{}}]", "", text)
    return re.findall(r"[&%$#_{}~^\\]", rest)


@given(st.text())
def test_no_special_of_latex_is_left(text: str) -> None:
    """Whatever the text, nothing in it is a command, and it stays on one line."""
    assert unescaped(escaped(text)) == []
    assert "\n" not in escaped(text)
    assert "\r" not in escaped(text)


def test_latex_escapes_by_hand() -> None:
    """Worked by hand: all ten specials."""
    assert escaped("&%$#_{}") == r"\&\%\$\#\_\{\}"
    assert escaped("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"


def test_a_latex_table_has_equal_columns(files: dict[str, str]) -> None:
    """Environments close, every row has as many fields as the layout has columns, specials are escaped."""
    labels = re.findall(r"\\label\{(.*?)\}", files["table_3_1.tex"])
    assert labels == ["areas-1", "areas-2"]
    for name in ("table_3_1.tex", "table_A_1.tex", "table_by_rank.tex", "table_by_copies.tex"):
        for table in files[name].split("\\begin{table}")[1:]:
            layout = re.sub(r"p\{[^}]*\}", "p", table.split("\\begin{tabular}{")[1].split("}\n")[0])
            body = table.split("\\toprule")[1].split("\\bottomrule")[0]
            rows = [row for row in body.splitlines() if row.rstrip().endswith("\\\\")]
            assert rows
            assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(layout)}
            assert all(unescaped(re.sub(r"(?<!\\)&", "", row.rstrip()[:-2])) == [] for row in rows)
            assert "\\end{tabular}" in table
            assert "\\end{table}" in table


def test_no_text_leaves_without_being_asked(files: dict[str, str]) -> None:
    """Redacted evidence: no file holds generated text or the error of a cell, and the table has no column for it."""
    assert not any("lamotrigine" in text for text in files.values())
    assert "text" not in parsed(files["table_A_1.csv"])[0]


def test_text_is_in_table_a1_alone() -> None:
    """With text, Table A.1 has it whole in CSV and escaped in LaTeX, and nothing else has."""
    evidence = replace(sample.single(), texts=sample.texts(sample.setting("v", 8, 13, copies=8), shown=True))
    files = study_exports(evidence, study_summary(evidence))
    assert parsed(files["table_A_1.csv"])[0]["text"] == sample.SECRET
    assert escaped(sample.SECRET) in files["table_A_1.tex"]
    assert {name for name, text in files.items() if "lamotrigine" in text} == {"table_A_1.csv", "table_A_1.tex"}


def test_every_figure_is_written_and_parses(files: dict[str, str]) -> None:
    """A whole study has all figures, each an SVG with a name and without script; an empty one has none."""
    assert {name for name in files if name.endswith(".svg")} == {f"figure_{name}.svg" for name in FIGURES}
    for name, text in files.items():
        if name.endswith(".svg"):
            root = ET.fromstring(text)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert root.attrib["aria-label"]
            assert not [e for e in root.iter() if e.tag.endswith("script")]
    empty = sample.empty()
    left = study_exports(empty, study_summary(empty))
    tables = ["table_3_1.csv", "table_A_1.csv", "table_by_copies.csv", "table_by_rank.csv"]
    assert sorted(left) == ["answers.csv", "points.csv", *tables]


@pytest.mark.parametrize("name", list(FIGURES))
@pytest.mark.parametrize("seeds", [(13,), (13, 7)])
def test_figures_obey_the_schema(name: str, seeds: tuple[int, ...]) -> None:
    """With one seed and with several, every chart is valid and has a title with words on each axis."""
    evidence, numbers = study_of(seeds)
    figure = FIGURES[name]
    chart = figure.draw(figure.rows(evidence, numbers), numbers)
    specification = chart.to_dict(validate=True)
    assert isinstance(chart, alt.Chart | alt.LayerChart)
    assert specification["description"]
    layers = specification.get("layer", [specification])
    for axis in ("x", "y"):
        titles = [layer["encoding"][axis]["title"] for layer in layers if axis in layer["encoding"]]
        assert titles
        assert all(titles)


def test_hostile_names_stay_inside_drawings() -> None:
    """A drawing of cells with hostile names still parses, none of it became an element, and it repeats."""
    evidence = sample.hostile()
    first, again = (drawn(evidence, study_summary(evidence)) for _ in range(2))
    assert first == again
    for figure in first.values():
        tags = {e.tag.rpartition("}")[2] for e in ET.fromstring(figure.svg).iter()} if figure.svg else set()
        assert "script" not in tags


def test_the_paper_s_ranks_are_their_own_line(evidence: StudyEvidence) -> None:
    """Figure 3.6 stands beside ours under its own name, with its ten points and without intervals."""
    numbers = study_summary(evidence)
    figure = FIGURES["rank"]
    specification = figure.draw(figure.rows(evidence, numbers), numbers).to_dict()
    points = [row for row in specification["layer"][-1]["data"]["values"] if row["series"] == PAPER]
    assert [(row["rank"], row["value"]) for row in points] == list(FIGURE_3_6)
    assert all(row["low"] is None for row in points)


def test_no_curve_is_drawn_twice(evidence: StudyEvidence) -> None:
    """One set of matrices: its curves over the ranks. One rank: the curves over the matrices alone."""

    def curves(*chosen: tuple[str, int]) -> tuple[list[str], list[str]]:
        cells = {f"{m}-r{r}-x1-s13": evidence.curves[f"{m}-r{r}-x1-s13"] for m, r in chosen}
        kept = replace(evidence, curves=cells)
        return series(curves_by_rank(kept)), series(curves_by_matrices(kept))

    assert curves(("v", 4)) == (["V, rank 4"], [])
    assert curves(("q", 4), ("v", 4)) == ([], ["Q, rank 4", "V, rank 4"])
    assert curves(("v", 2), ("v", 4)) == (["V, rank 2", "V, rank 4"], [])
    by_rank, by_matrices = curves(("q", 2), ("q", 4), ("v", 4))
    assert (by_rank, by_matrices) == (["Q, rank 2", "Q, rank 4"], ["Q, rank 4", "V, rank 4"])


def test_a_map_needs_two_ranks_and_two_sets_of_matrices() -> None:
    """A column or a row alone is a list, which the table shows."""
    cells = {(m, r): sample.point(sample.setting(m, r, 13), "auc", 0.8) for m in "qv" for r in (2, 4)}

    def fields(*chosen: tuple[str, int]) -> int:
        points = [cells[one] for one in chosen]
        return len(heat(study_summary(replace(sample.empty(), points=points))))

    assert fields(("q", 2), ("q", 4)) == fields(("q", 2), ("v", 2)) == 0
    assert fields(("q", 2), ("q", 4), ("v", 2)) == 3


def test_lines_of_a_figure_differ_in_what_varies(evidence: StudyEvidence) -> None:
    """Copies run along the axis, so the one arm has one line; decodings go from cold to hot; epochs in order."""
    numbers = study_summary(evidence)
    assert series(copies(numbers, "planted")) == ["V, rank 8"]
    assert [row["copies"] for row in copies(numbers, "planted")] == [8, 16, 32]
    rows = decodings(numbers, "planted")
    assert list(dict.fromkeys(row["decoding"] for row in rows)) == ["greedy", "t0.1", "t0.5", "t1-k40"]
    assert series(rows) == ["8 copies", "16 copies", "32 copies"]
    assert [r["epoch"] for r in epochs(numbers, "auc") if r["series"] == "V"] == [1.0, 2.0, 3.0]
    assert {(r["epoch"], round(r["heldout"], 9)) for r in paths(numbers)} == {(1.0, 15.1), (2.0, 14.1), (3.0, 15.1)}


def test_many_lines_are_cut_and_counted() -> None:
    """Of more lines than can be told apart the first are drawn, and the figure says of how many."""
    cells = [sample.setting("v", r, 13, copies=c) for r in range(1, 13) for c in (8, 16)]
    evidence = sample.StudyEvidence(
        "many", [p for cell in cells for p in sample.dosed(cell)], [], [], {}, [], {}, {}, {}, {}
    )
    numbers = study_summary(evidence)
    rows = copies(numbers, "planted")
    assert len(series(rows)) == LINES
    chart = FIGURES["copies"].draw(rows, numbers).to_dict()
    assert "8 of 12 lines drawn" in chart["title"]["text"]


@pytest.mark.parametrize(
    ("given", "told"),
    [("v", "V"), ("qk", "Q+K"), ("qkvo", "Q+K+V+O"), ("gateup", "gate+up"), ("x", "x"), ("all", "all")],
)
def test_matrices_are_named_as_in_the_paper(given: str, told: str) -> None:
    """Letters in capitals with a plus between; what is no list of matrices stays as it is."""
    assert matrix_names(given) == told


def test_a_decoding_is_drawn_once_and_by_its_own_name(evidence: StudyEvidence) -> None:
    """Only planted records have a greedy share; the nameless mean of sampled suffixes is one of the named ones."""
    numbers = study_summary(evidence)
    rows = decodings(numbers, "suffix_probability_members")
    assert {row["decoding"] for row in rows} == set(sample.DECODINGS)
    assert len({(row["series"], row["decoding"]) for row in rows}) == len(rows)


def test_only_cells_followed_through_training_are_drawn_by_epoch(evidence: StudyEvidence) -> None:
    """The base model's perplexity beside that of the end is no path: the figure shows V and Q, measured between."""
    numbers = study_summary(evidence)
    assert series(epochs(numbers, "perplexity_heldout")) == ["V", "Q"]
    first = next(row for row in epochs(numbers, "perplexity_heldout"))
    assert first["epoch"] == 0.0
