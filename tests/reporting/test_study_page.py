"""The study's page: its numbers are the summary's, it is escaped, self-contained and redacted, gaps are told."""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from dataclasses import replace
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

import study_sample as sample
from markup import Markup, strangers
from rich.console import Console

from mnemoscope.answers import StudyEvidence
from mnemoscope.reporting import study_page, study_summary, study_tables, study_terminal
from mnemoscope.reporting.paper import TABLE_3_1
from mnemoscope.reporting.study_digest import sentence
from mnemoscope.reporting.study_document import link
from mnemoscope.reporting.study_findings import findings
from mnemoscope.reporting.study_forest import bars
from mnemoscope.reporting.study_gallery import FIGURES, Drawn
from mnemoscope.reporting.study_means import across, means
from mnemoscope.reporting.study_relation import KINDS, chosen, line, relation
from mnemoscope.reporting.wording import number


@pytest.fixture(scope="module")
def evidence() -> StudyEvidence:
    return sample.study()


@pytest.fixture(scope="module")
def page(evidence: StudyEvidence) -> str:
    return study_page(evidence, study_summary(evidence))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without drawings, for what the drawings have no part in."""
    monkeypatch.setattr(
        "mnemoscope.reporting.study_document.drawn", lambda *_: dict.fromkeys(FIGURES, Drawn("", "", "", ""))
    )


def bare(text: str) -> str:
    """The page's words without drawings and tags."""
    return html.unescape(re.sub(r"<svg.*?</svg>|<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL))


def test_every_claim_has_its_bar(evidence: StudyEvidence, page: str) -> None:
    """Once in its table and, where it is told there, once at the head, in the colour of its decision."""
    colours = {"replicates": "yes", "does not replicate": "no", "not resolved": "maybe"}
    wanted: Counter[str] = Counter()
    for node in study_summary(evidence)["answers"].values():
        claims = node["claims"]
        kinds = [colours[one["decision"]] if bar else "" for one, bar in zip(claims, bars(claims), strict=True)]
        wanted.update(kinds + [kinds[i] for i in findings(node)["places"]])
    del wanted[""]
    assert Counter(re.findall(r'<span class="forest (\w+)" aria-hidden="true">', page)) == wanted
    assert len(wanted) > 1


def test_every_claim_stands_on_the_page_with_its_numbers(evidence: StudyEvidence, page: str) -> None:
    """Claim, value, both intervals, decision, reason and the paper's word of every answer are shown."""
    words = bare(page)
    for answer in evidence.answers:
        assert answer.claim in words
        assert answer.reason in words
        assert answer.paper in words
        for value in (answer.value, answer.low, answer.high, answer.seed_low, answer.seed_high):
            assert value is None or number(value).removeprefix("-") in words
    assert words.count("not resolved") >= sum(a.decision == "not resolved" for a in evidence.answers)


@pytest.mark.usefixtures("undrawn")
def test_all_claims_together_come_first(evidence: StudyEvidence, page: str) -> None:
    """Before any single claim one sentence counts them all by what came of them."""
    decisions = [answer.decision for answer in evidence.answers]
    counts = [f"{decisions.count(one)} " for one in ("replicates", "does not replicate", "not resolved")]
    words = bare(page)
    (told,) = re.findall(rf"Of {len(decisions)} claims, [^.]*\.", words)
    assert all(count in told for count in counts)
    assert words.index(told) < words.index("Which matrices memorize most?")


def test_the_page_has_no_numbers_but_the_summary_s() -> None:
    """Changing the evidence's points without the summary changes no number outside the drawings."""
    whole = sample.study()
    numbers = study_summary(whole)
    moved = replace(whole, points=[replace(p, value=0.123, low=0.1, high=0.2) for p in whole.points])
    assert study_page(moved, numbers) == study_page(whole, numbers)


def test_a_mean_is_student_s_t_over_the_seeds(evidence: StudyEvidence) -> None:
    """Three seeds: mean plus or minus t(.975, 2) = 4.302653 standard errors; the count is told."""
    values = [p.value for p in evidence.points if p.statistic == "auc" and p.cell.startswith("v-r4-x1-")]
    known = [value for value in values if value is not None]
    (row,) = [r for r in means(evidence.points) if (r["statistic"], r["matrices"], r["rank"]) == ("auc", "v", 4)]
    half = 4.302652730 * stdev(known) / math.sqrt(3)
    assert row["n_seeds"] == 3
    assert row["basis"] == "seeds"
    assert row["value"] == pytest.approx(fmean(known), abs=1e-12)
    assert (row["low"], row["high"]) == pytest.approx((fmean(known) - half, fmean(known) + half), abs=1e-8)


def test_one_seed_keeps_the_interval_of_its_records() -> None:
    """With a single seed the mean is the point itself, and a missing value stays missing with its reason."""
    cell = sample.setting("v", 4, 13)
    missing = sample.point(cell, "planted", None)
    auc, planted = means([sample.point(cell, "auc", 0.8), missing])
    assert (auc["value"], auc["low"], auc["high"], auc["basis"]) == (0.8, 0.785, 0.8 + 0.015, "records")
    assert (planted["value"], planted["n_seeds"], planted["reason"]) == (None, 0, "too few groups")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_an_interval_holds_its_mean_and_stays_in_range(values: list[float]) -> None:
    """The interval over seeds holds the mean, never leaves 0..1, and is missing where the seeds agree or are one."""
    mean, low, high = across(values, 0.95)
    if low is None or high is None:
        assert max(values) == min(values)
    else:
        assert 0 <= low <= mean + 1e-12
        assert mean - 1e-12 <= high <= 1


def test_cells_that_differ_in_more_than_the_seed_are_not_averaged() -> None:
    """Each of rank, rule of alpha, copies, epochs, learning rate, other options and epoch makes a mean of its own."""
    base = sample.point(sample.setting("v", 4, 13), "auc", 0.8)
    other = replace(base, seed=7)
    apart = {
        "rank": 8, "alpha_rule": "rslora", "copies": 8, "epochs": 1.0, "learning_rate": 1e-4, "others": "dropout=0.1",
        "epoch": 2.0, "matrices": "q", "statistic": "tpr_at_1",
    }  # fmt: skip
    for change in ({key: value} for key, value in apart.items()):
        assert len(means([base, replace(other, **change)])) == 2
    assert len(means([base, other])) == 1


def test_the_table_has_the_paper_s_numbers_beside_ours(evidence: StudyEvidence) -> None:
    """Every field of Table 3.1 shows the mean, half its interval, the parameters and what the paper prints."""
    first, second = study_tables.areas(study_summary(evidence))
    fields = {
        (head, row["rank"]): cell
        for row in first["rows"]
        for head, cell in zip(first["heads"], row["cells"], strict=True)
    }
    for area in TABLE_3_1:
        field = fields["+".join(area.matrices.upper()), area.rank]
        assert field["paper"] == f"{area.auc:.2f} ± {area.half_width:.2f}"
        assert field["parameters"] == f"{area.parameters:,}"
    assert fields["Q", 16]["value"] == ""
    assert not second["with_paper"]
    assert all(cell["paper"] == "" for row in second["rows"] for cell in row["cells"])


def test_the_half_width_is_half_the_interval() -> None:
    """An interval of [.78, .84] is shown as ± .030; without one nothing is shown."""
    row = {"value": 0.81, "low": 0.78, "high": 0.84, "parameters": 10, "n_seeds": 1}
    assert study_tables.area(row, None, True)["half"] == "± 0.030"
    assert study_tables.area({**row, "low": None}, None, True)["half"] == ""


def test_r_squared_is_that_of_a_straight_line(evidence: StudyEvidence) -> None:
    """R² equals 1 - residual / total sum of squares of the fitted line, seed by seed, then averaged."""
    import numpy as np

    marks = chosen(evidence)
    assert {mark.cell.split("-")[0:3][2] for mark in marks} == {"x8"}
    found = []
    for cell in {mark.cell for mark in marks}:
        same = [m for m in marks if m.cell == cell and m.copies > 1]
        x, y = np.array([m.perplexity_target for m in same]), np.array([m.ngram_share for m in same])
        left = y - np.polyval(np.polyfit(x, y, 1), x)
        found.append(1 - (left**2).sum() / ((y - y.mean()) ** 2).sum())
    (row,) = [r for r in relation(evidence) if (r["model"], r["kind"]) == ("target", KINDS[0])]
    assert row["r_squared"] == pytest.approx(fmean(found), abs=1e-9)
    assert line(marks[:5], "base") is None


def test_nothing_comes_from_outside_and_nothing_runs(page: str) -> None:
    """No script but our own, no request: the only links go to the cells' own pages, below the study's folder."""
    seen = Markup(page)
    assert strangers(seen) == []
    assert not seen.handlers
    assert {place for place in seen.loads if not place.startswith("#")} == {"cells/q-r1-x1-s13/report.html"}


def test_hostile_names_are_text() -> None:
    """What a user, a model or a cell is called never becomes markup, and never a link out of the folder."""
    evidence = sample.hostile()
    text = study_page(evidence, study_summary(evidence))
    seen = Markup(text)
    assert strangers(seen) == []
    assert not seen.handlers
    assert "javascript" not in text
    assert sample.EVIL in bare(text)
    assert "49" not in re.findall(r"\{\{ (\d+) \}\}", text)


@pytest.mark.parametrize(
    "place", ["javascript:alert(1)", "/etc/passwd", "../x", "a/../../x", "//host/x", "https://x/y", "\\x"]
)
def test_only_places_below_the_folder_are_linked(place: str) -> None:
    """Schemes, hosts, roots and ways up are no links."""
    assert link(place) == ""


def test_no_text_without_being_asked(page: str, evidence: StudyEvidence) -> None:
    """Redacted evidence gives a page without generated text, and never the error of a failed cell."""
    assert "lamotrigine" not in page
    assert "This file holds private text" not in page
    assert "vo-r8-x1-s99" in page
    assert "lamotrigine" not in json.dumps(study_summary(evidence))


@pytest.mark.usefixtures("undrawn")
def test_text_is_shown_where_it_was_asked_for() -> None:
    """With text the page says so at its head; the summary still has none."""
    evidence = sample.study((13,), shown=True)
    numbers = study_summary(evidence)
    text = study_page(evidence, numbers)
    assert "This file holds private text" in text
    assert html.escape(sample.SECRET, quote=False) in text
    assert "lamotrigine" not in json.dumps(numbers)


@pytest.mark.parametrize("build", [sample.empty, sample.single, sample.hostile])
def test_a_small_study_has_a_whole_page(build: object) -> None:
    """No cells, one cell, hostile cells: the page is whole, shows no empty frame, and says what is missing."""
    evidence = build()  # type: ignore[operator]
    numbers = study_summary(evidence)
    json.dumps(numbers, allow_nan=False)
    text = study_page(evidence, numbers)
    assert text.rstrip().endswith("</html>")
    assert not re.search(r"\b(nan|None|inf|Undefined)\b", bare(text))
    assert text.count("<figure>") == text.count('role="img"')
    assert text.count("<figure>") + text.count('class="undrawn"') == len(FIGURES)


def test_values_that_are_not_finite_count_as_missing() -> None:
    """NaN and infinity never reach the summary or the page."""
    cell = sample.setting("v", 4, 13)
    points = [sample.point(cell, "auc", math.nan), sample.point(cell, "perplexity_heldout", math.inf)]
    evidence = replace(sample.single(), points=points)
    numbers = study_summary(evidence)
    json.dumps(numbers, allow_nan=False)
    assert not re.search(r"\b(nan|inf)\b", bare(study_page(evidence, numbers)))


@pytest.mark.usefixtures("undrawn")
def test_equal_evidence_gives_equal_pages() -> None:
    """The page holds no time and no counter of the process."""
    pages = [study_page(again, study_summary(again)) for again in (sample.study((13,)), sample.study((13,)))]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        ([], "This study has no cells that answer it."),
        (["replicates"], "The one claim tested replicates."),
        (["not resolved"], "The one claim tested is not resolved."),
        (["replicates", "replicates"], "Of 2 claims, 2 replicate."),
        (["replicates", "not resolved", "not resolved", "does not replicate"],
         "Of 4 claims, 1 replicates, 1 does not replicate and 2 are not resolved."),
    ],
)  # fmt: skip
def test_a_question_is_answered_in_a_sentence(decisions: list[str], told: str) -> None:
    """Counts of decisions in plain English."""
    assert sentence([{"decision": decision} for decision in decisions]) == told


def test_the_terminal_shows_a_line_a_question(evidence: StudyEvidence) -> None:
    """Cells, then each question with its sentence, in 15 lines of 80 columns; markup in a name is not obeyed."""
    numbers = study_summary(evidence)
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(study_terminal({**numbers, "name": "[red]x[/red]"}))
    lines = captured.get().splitlines()
    assert len(lines) <= 15
    assert "[red]x[/red]: 84 done, 1 failed, 1 waiting of 86 cells" in lines[0]
    joined = " ".join(" ".join(lines).split())
    assert all(n["sentence"] in joined for n in numbers["answers"].values() if n["claims"])
