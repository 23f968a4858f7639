"""Tables by rank and by copies, leakage against usefulness: rows, words, exports, and what the charts are made of."""

from __future__ import annotations

import csv
import html
import io
import re
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

import study_sample as sample

from mnemoscope.answers import Point, Setting, StudyEvidence
from mnemoscope.reporting import study_exports, study_page, study_profiles, study_summary
from mnemoscope.reporting.study_figures import use_figure
from mnemoscope.reporting.study_gallery import FIGURES, Drawn
from mnemoscope.reporting.study_profiles import by_copies, by_rank, chance, copies_tables, rank_tables
from mnemoscope.reporting.study_series import FAINTEST, both_sides, decades, series, usefulness

BLANK = dict.fromkeys(FIGURES, Drawn("", "", "", ""))


@pytest.fixture(scope="module")
def whole() -> StudyEvidence:
    return sample.study((13, 7))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and exports without drawings."""
    monkeypatch.setattr("mnemoscope.reporting.study_document.drawn", lambda *_: BLANK)
    monkeypatch.setattr("mnemoscope.reporting.study_export.study_figure_files", lambda *_: {})


def of(*points: Point) -> dict[str, object]:
    """The summary of a study that measured these points."""
    evidence = StudyEvidence("x", points, [], [], {}, [], {p.cell: "done" for p in points}, {}, {}, {})
    return study_summary(evidence)


def planted(copies: int, share: float, **more: object) -> list[Point]:
    """Two statistics of a cell with planted records."""
    cell = sample.setting("v", 8, 13, copies=copies, **more)
    return [sample.point(cell, "planted", share, 0.1), sample.point(cell, "planted@t0.1", share / 2)]


def once(cell: Setting) -> list[Point]:
    """A cell of the same kind with nothing planted."""
    return [
        sample.point(cell, "verbatim_members", 0.011),
        sample.point(cell, "suffix_probability_members@t0.1", 0.0007),
    ]


def test_a_row_by_rank_holds_the_means_of_its_points(whole: StudyEvidence) -> None:
    """Every number equals the mean of the points at the end of the cells that share all settings but the seed."""
    tables = by_rank(study_summary(whole))
    assert [tables[0][0]["matrices"], tables[0][0]["alpha_rule"]] == ["qkvo", "fixed"]
    assert [row["rank"] for row in tables[0]] == [1, 4, 16, 64]
    for row in (row for rows in tables for row in rows):
        for statistic in study_profiles.RANKED:
            same = [
                p.value for p in whole.points
                if (p.matrices, p.rank, p.alpha_rule, p.copies, p.epoch, p.statistic)
                == (row["matrices"], row["rank"], row["alpha_rule"], 1, p.epochs, statistic)
                and p.value is not None
            ]  # fmt: skip
            found = row["found"].get(statistic)
            assert (found is None and not same) or found["value"] == pytest.approx(fmean(same), abs=1e-12)


def test_only_what_differs_in_the_rank_alone_is_one_table() -> None:
    """Another learning rate or rule of alpha is another table, one rank is none, planted records are left out."""
    cells = [
        sample.setting("v", 4, 13), sample.setting("v", 8, 13), sample.setting("q", 4, 13),
        sample.setting("v", 16, 13, learning_rate=1e-4), sample.setting("v", 32, 13, rule="proportional"),
        sample.setting("v", 64, 13, copies=8),
    ]  # fmt: skip
    tables = by_rank(of(*(sample.point(cell, "auc", 0.8) for cell in cells)))
    assert [[row["rank"] for row in rows] for rows in tables] == [[4, 8]]


def test_planted_records_stand_below_those_trained_on_once() -> None:
    """Copies rise; the row of 1 copy is the same kind of cell, and says that it is of all its training records."""
    points = [*planted(32, 0.8), *planted(8, 0.25), *once(sample.setting("v", 8, 13))]
    points += once(sample.setting("v", 4, 13)) + once(sample.setting("v", 8, 13, learning_rate=1e-4))
    (rows,) = by_copies(of(*points))
    assert [row["copies"] for row in rows] == [1, 8, 32]
    (table,) = copies_tables(of(*points))
    assert table["columns"] == ["Word for word", "Sampled, t0.1"]
    assert [row["planted"] for row in table["rows"]] == ["all training records", "20", "20"]
    shown = [[cell["value"] for cell in row["cells"]] for row in table["rows"]]
    assert shown == [["1.1%", "7.0e-4"], ["25%", "0.12"], ["80%", "0.40"]]
    assert table["rows"][1]["cells"][0]["interval"] == "[15, 35]"


def test_without_planted_records_there_is_no_table_by_copies() -> None:
    """Cells that were trained on every record once answer nothing about copies."""
    assert by_copies(of(*once(sample.setting("v", 8, 13)))) == []


@pytest.mark.usefixtures("undrawn")
def test_the_tables_stand_on_the_page_and_parse_back(whole: StudyEvidence) -> None:
    """Every value and interval in words is on the page; the CSV files give back every float of the means."""
    numbers = study_summary(whole)
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", study_page(whole, numbers))).split())
    for table in [*rank_tables(numbers), *copies_tables(numbers)]:
        assert table["told"] in words
        for row in table["rows"]:
            assert " ".join(" ".join(f"{c['value']} {c['interval']}".split()) for c in row["cells"]) in words
    files = study_exports(whole, numbers)
    for name, tables in (("rank", by_rank(numbers)), ("copies", by_copies(numbers))):
        back = list(csv.DictReader(io.StringIO(files[f"table_by_{name}.csv"], newline="")))
        rows = [row for table in tables for row in table]
        assert [int(line["copies"]) for line in back] == [row["copies"] for row in rows]
        assert [int(line["planted_records"]) for line in back] == [row["planted"] for row in rows]
        for line, row in zip(back, rows, strict=True):
            for statistic, one in row["found"].items():
                for head, part in ((statistic, "value"), (f"{statistic}_low", "low"), (f"{statistic}_high", "high")):
                    told = line.get(head, "")
                    assert told == "" if one[part] is None or head not in line else float(told) == one[part]


@given(st.floats(1e-300, 1))
def test_a_chance_keeps_two_digits(p: float) -> None:
    """What is read is within 5% of what was measured, and is never 0; the faintest are told by their bound."""
    assert float(chance(p)) == pytest.approx(p, rel=0.051) if p >= FAINTEST else chance(p) == "<1e-12"


_SHARES = st.floats(0, 1)


@given(st.lists(st.tuples(_SHARES, st.none() | _SHARES), max_size=5))
def test_a_logarithmic_axis_holds_every_row(pairs: list[tuple[float, float | None]]) -> None:
    """Nothing is drawn below the floor; values above 0 stay as they are, unless they are too small to matter."""
    rows = [{"value": value, "low": low, "high": low} for value, low in pairs]
    drawn = decades(rows)
    known = [row["value"] for row in rows if row["value"] > 0]
    assert len(drawn) == (len(rows) if known else 0)
    for before, after in zip(rows, drawn, strict=bool(known)):
        assert FAINTEST <= after["floor"] < max(min(known), 2 * FAINTEST)
        assert after["value"] == (before["value"] if before["value"] > FAINTEST else after["floor"])
        assert after["low"] is None or after["low"] >= after["floor"]


def test_held_out_records_are_drawn_as_their_own_lines(whole: StudyEvidence) -> None:
    """Word for word against the rank: both rules of alpha, training records first, then held-out ones."""
    rows = both_sides(study_summary(whole), "verbatim")
    assert [name.split(",")[0] for name in series(rows)] == ["training"] * 2 + ["held out"] * 2
    assert {row["value"] for row in rows if row["series"].startswith("held out")} == {0.0}


def test_usefulness_has_a_mark_a_cell_and_its_base_model() -> None:
    """AUC and perplexity at the end, not before; the base is the mean over seeds; planted records are left out."""
    cells = [sample.setting("v", 4, 13), sample.setting("v", 4, 7), sample.setting("v", 8, 7, learning_rate=1e-4)]
    points = []
    for i, cell in enumerate([*cells, sample.setting("v", 4, 7, copies=8)]):
        points += [
            sample.point(cell, "perplexity_heldout", 99.0, epoch=1.0),
            sample.point(cell, "perplexity_heldout", 30.0 + i),
            sample.point(cell, "perplexity_base_heldout", 80.0 if cell.seed == 13 else 60.0),
            sample.point(cell, "auc", 0.7 + i / 100),
        ]
    rows = usefulness(of(*points))
    assert [(row["auc"], row["perplexity_heldout"]) for row in rows] == [(0.7, 30.0), (0.71, 31.0), (0.72, 32.0)]
    assert {row["base"] for row in rows} == {70.0}
    assert series(rows) == ["V", "V, learning rate 0.0001"]
    rule, dots = use_figure(rows).to_dict()["layer"]
    assert [row["perplexity_heldout"] for row in rule["data"]["values"]] == [70.0]
    assert len(dots["data"]["values"]) == 3
    assert "size" in dots["encoding"]
