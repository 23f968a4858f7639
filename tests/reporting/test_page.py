"""The page: complete, redacted, escaped, self-contained, equal for equal input."""

from __future__ import annotations

import html
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

from markup import Markup, strangers

from mnemoscope.records import Evidence
from mnemoscope.reporting import available, figures, page, roc, summary
from mnemoscope.reporting.gallery import FIGURES
from mnemoscope.reporting.hashes import record_hashes
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.names import ranked
from mnemoscope.reporting.ranking import areas
from mnemoscope.reporting.svg import to_svg
from mnemoscope.reporting.wording import bare_p, estimate, interval, value
from mnemoscope.traces import Traces

EVIL = "<script>alert(1)</script> \"quoted\" 'single' 🧬 \u202egnp.exe\u202c &amp; {{ 7 * 7 }}"


def hostile(evidence: Evidence) -> Evidence:
    """The audit with a hostile text in every record that comes back, one of 100 kB."""
    records = [replace(r, text=EVIL + f" {i}", spans=()) for i, r in enumerate(evidence.records)]
    records[0] = replace(records[0], text=EVIL + "x" * 100_000)
    generations = [replace(g, text=EVIL) for g in evidence.generations]
    return replace(evidence, records=records, generations=generations)


def traced(evidence: Evidence) -> Traces:
    """Traces of 36 tokens a record that say where each token ends."""
    n = len(evidence.records)
    ends = [np.linspace(0, len(record.text), 37)[1:].astype(np.int32) for record in evidence.records]
    sizes = np.ones(n, dtype=np.int64)
    ids = tuple(record.id for record in evidence.records)
    return Traces(ids, np.arange(n + 1, dtype=np.int64) * 36, {"char_end": np.concatenate(ends)}, sizes, sizes)


@pytest.fixture(scope="module")
def redacted(evidence: Evidence) -> str:
    """The page as it is written by default."""
    return page(evidence, summary(evidence), show_text=False)


@pytest.fixture(scope="module")
def shown(evidence: Evidence) -> str:
    """The page of the hostile audit, with its text."""
    bad = hostile(evidence)
    return page(bad, summary(bad), show_text=True, target=traced(bad))


def test_every_estimate_is_on_the_page(evidence: Evidence, redacted: str) -> None:
    """Each estimate of the summary stands on the page in the same digits."""
    text = html.unescape(redacted)
    for name, leaf in leaves({k: v for k, v in summary(evidence).items() if k not in {"data", "settings"}}):
        assert f'<code>{name}</code></th><td class="n">{estimate(name, leaf)}</td>' in text, name
        assert value(name, leaf) in text
        assert interval(name, leaf) in text


def rows_of(text: str, caption: str) -> list[list[str]]:
    """Cells of the rows of the table whose caption begins so, without markup."""
    table = text[text.index(f"<caption>{caption}") :]
    table = table[: table.index("</table>")]
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]
    return [
        [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()).replace("_ ", "_") for cell in row]
        for row in rows[1:]
    ]


def test_attacks_stand_by_auc_with_their_difference(evidence: Evidence, redacted: str) -> None:
    """The table is sorted by AUC; each row has the numbers of the summary, and the headline's attack is marked."""
    numbers = summary(evidence)
    rows = rows_of(redacted, "Attacks by AUC")
    assert len(rows) == len(numbers["membership"])
    areas = [float(row[1].split()[0]) for row in rows]
    assert areas == sorted(areas, reverse=True)
    for name, *cells in rows:
        attack = name.removesuffix(" headline")
        assert cells[0] == estimate("auc", numbers["membership"][attack]["auc"])
        assert cells[3].split()[1] == "?"  # at 0.1%, with too few groups
        if attack == "lr_ratio":
            assert name == "lr_ratio headline"
            assert cells[4:] == ["–", "–"]
        else:
            assert cells[4] == estimate("comparison.auc", numbers["comparison"][attack]["auc"])
            assert cells[5] == bare_p(numbers["comparison"][attack]["auc_delong_clustered"]["p_adjusted"])
    assert (
        redacted.count("? not resolved, or without an interval: FPR 0.001 of 100 non-member groups") == 1
    )  # not once a cell


def test_all_tables_of_attacks_have_all_attacks(evidence: Evidence, redacted: str) -> None:
    """Other intervals, thresholds and groups are told of every attack."""
    for caption, columns in (("The same AUC", 3), ("At one threshold", 6), ("Attacks on groups", 3)):
        rows = rows_of(redacted, caption)
        assert {row[0] for row in rows} == set(summary(evidence)["membership"])
        assert {len(row) for row in rows} == {columns + 1}


def test_validity_comes_before_what_leaked(redacted: str) -> None:
    """The controls, then what the audit can see, then the attacks."""
    places = [redacted.index(s) for s in ("<caption>Controls", "would detect an AUC", "<caption>Attacks by AUC")]
    assert redacted.index("have a near copy among the training records") < places[2]
    assert places[0] < places[2]
    assert len(rows_of(redacted, "Controls")) == 9


def test_what_came_back_is_told_in_tables(evidence: Evidence, redacted: str) -> None:
    """Each table of leaks has the summary's numbers in its rows."""
    numbers = summary(evidence)
    expected = numbers["sampling"]["0.5"]["t1-k40"]["expected"]
    (members,) = (row for row in rows_of(redacted, "Expected share of records") if row[1] == "training")
    assert members[2:] == [estimate("sampling", expected[n]["members"]) for n in ("n1", "n100", "n10000", "n1000000")]
    values = {row[0]: row for row in rows_of(redacted, "Values that greedy decoding gives back")}
    assert list(values) == ["all types", "age", "drug"]
    assert values["age"][4] == estimate("spans.greedy.excess", numbers["spans"]["age"]["greedy"]["excess"])
    near = rows_of(redacted, "Records called given back")
    assert near[0][:3] == ["greedy", "longest common run of tokens", "23% [20, 26]"]
    assert near[0][4] == "0.412"
    assert [row[1] for row in rows_of(redacted, "Canaries by kind")] == [
        "planted once", "planted 16 times", "all planted", "held out",
    ]  # fmt: skip
    assert [row[2:4] for row in rows_of(redacted, "Epsilon of differential privacy")] == [
        ["0.731", "3.490 [3.460, 3.520]"]
    ] * 2
    ranked = rows_of(redacted, "Precision among the texts")
    assert [row[0] for row in ranked] == ["loss", "lr_ratio"]
    assert {len(row) for row in ranked} == {5}


def test_lengths_stand_in_the_order_that_the_head_names(redacted: str) -> None:
    """From the shortest to the longest, whatever the order of the manifest's keys; training records first."""
    rows = rows_of(redacted, "Sets, with their sizes")
    assert [row[0] for row in rows] == ["training", "held out"]
    assert {row[-1] for row in rows} == {"71 · 80 · 93.5 · 99 · 111"}


FAMILIES = ("validity.", "comparison.", "counterfactual.", "controls.", "membership.loss.group", "membership.lr_ratio.")
FAMILIES += ("sampling.", "prefix_length.", "discriminators.", "spans.", "unprompted.", "canaries.", "one_run.")
FAMILIES += ("sampling.0.5.minimum", "canaries.one_run", "canaries.digits.heldout", "spans.age.top1", "unprompted.loss")


@pytest.mark.parametrize("family", FAMILIES)
def test_page_without_a_family(evidence: Evidence, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that never made some estimates gives a whole page."""
    monkeypatch.setattr("mnemoscope.reporting.gallery.drawn", lambda *_: dict.fromkeys(FIGURES, ""))
    bare = replace(evidence, estimates=[e for e in evidence.estimates if not e.name.startswith(family)])
    text = page(bare, summary(bare), show_text=False)
    assert text.rstrip().endswith("</html>")
    assert not re.search(r"\b(nan|None|inf|Undefined)\b", text.replace("None of", ""))


def test_every_sentence_is_on_the_page(evidence: Evidence, redacted: str) -> None:
    """The headline of the page is the headline of the summary; its last sentence is the list of what was not tested."""
    text = html.unescape(redacted)
    numbers = summary(evidence)
    assert all(sentence in text for sentence in numbers["headline"][:-1])
    assert all(gap in text for gap in numbers["not_tested"])


def test_redacted_page_holds_no_text_and_no_ids(evidence: Evidence) -> None:
    """By default neither text nor generated text nor an id is on the page, whatever the text is."""
    bad = hostile(evidence)
    text = html.unescape(page(bad, summary(bad), show_text=False, target=traced(bad)))
    for secret in ("alert(1)", "gnp.exe", "🧬", "x" * 50, "pubmed-", "doc-1", "lamotrigine", "54-year"):
        assert secret not in text
    assert "private text" not in text
    assert record_hashes(bad.records)[bad.records[0].id] in text


def test_shown_text_stands_as_data_with_a_banner(shown: str) -> None:
    """With text asked for, it stands in a data block that it cannot end, under a banner, and nothing of it can run."""
    assert "This file holds private text." in shown
    markup = Markup(shown)
    told = markup.blocks["records-opened"]
    assert not set("<>&") & set(told)
    pieces = "".join("".join(row["pieces"]) for row in json.loads(told)["rows"])
    assert "<script>alert(1)</script>" in pieces
    assert "{{ 7 * 7 }}" in pieces
    assert "🧬" in pieces
    assert not markup.tags & {"iframe", "object", "embed", "link", "img", "base", "form"}
    assert strangers(markup) == []
    assert not any("alert(1)" in script for script in markup.scripts)


def test_no_screenshot_is_taken_of_a_page_with_text(shown: str, redacted: str, tmp_path: Path) -> None:
    """The images in docs/ are public: the script that makes them takes the redacted page and refuses the other."""
    path = Path(__file__).parents[2] / "scripts" / "screenshots.py"
    script = runpy.run_path(str(path))
    for name, text in (("redacted", redacted), ("shown", shown)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").write_text(text, encoding="utf-8")
    assert script["page_of"](tmp_path / "redacted").name == "report.html"
    with pytest.raises(SystemExit, match="shows text"):
        script["page_of"](tmp_path / "shown")


def test_page_asks_nothing_of_the_network(redacted: str) -> None:
    """No element loads anything, no script runs but our own, and the policy forbids both."""
    markup = Markup(redacted)
    assert [place for place in markup.loads if not place.startswith("#")] == []
    assert markup.handlers == []
    assert strangers(markup) == []
    bare = redacted
    for text in markup.scripts:  # they may speak of it; the policy does not let them ask
        bare = bare.replace(text, "")
    assert "url(" not in bare.replace("url(#", "")
    assert "@import" not in bare
    rules = dict(rule.strip().split(" ", 1) for rule in markup.policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert "connect-src" not in rules


def test_equal_evidence_gives_equal_bytes(evidence: Evidence, redacted: str) -> None:
    """A second page is equal byte for byte, whatever the timings were."""
    later = replace(evidence, timings={"trace": {"seconds": 99.0}})
    assert page(later, summary(later), show_text=False) == redacted


def test_every_figure_has_a_name_and_ids_are_unique(redacted: str) -> None:
    """Each figure is one image to a screen reader, with a title; no id stands twice on the page."""
    svgs = re.findall(r"<svg .*?</svg>", redacted, flags=re.DOTALL)
    assert len(svgs) == len(FIGURES)
    for svg in svgs:
        assert re.match(r'<svg [^>]*role="img"', svg)
        assert re.search(r"aria-label=\"[^\"]+\"[^>]*><title>[^<]+</title>", svg)
    ids = re.findall(r'\bid="([^"]+)"', redacted)
    assert len(ids) == len(set(ids))


def test_figures_obey_the_schema_and_repeat(evidence: Evidence) -> None:
    """Every figure is a valid chart, and drawing it twice gives the same bytes."""
    for draw in (roc.roc, roc.roc_low, figures.training_loss, figures.heldout_perplexity):
        assert to_svg(draw(evidence)) == to_svg(draw(evidence))
    for chart in (
        figures.score_histogram(evidence, "zlib"),
        figures.perplexity_scatter(evidence, "base"),
        figures.matched_runs(evidence, "25t"),
    ):
        assert to_svg(chart) == to_svg(chart)


def test_dots_stand_in_the_order_of_the_table(evidence: Evidence) -> None:
    """The chart of AUCs obeys the schema, keeps the table's order, and has a dot a level that was measured."""
    numbers = summary(evidence)
    rows = areas(numbers)
    svg = to_svg(figures.areas(rows, "lr_ratio"))
    names = [row["attack"] for row in rows if row["level"] == "records"]
    places = [svg.index(f">{name}</text>") for name in names]
    assert names == ranked(numbers["membership"])
    assert places == sorted(places)
    assert len(rows) == 2 * len(names)
    assert all(row["low"] <= row["auc"] <= row["high"] for row in rows)


def test_many_records_are_drawn_in_part(evidence: Evidence) -> None:
    """A scatter of more records than it can draw says how many it drew."""
    many = replace(evidence, generations=list(evidence.generations) * 20)
    assert "2,000 of 3,200 records drawn" in to_svg(figures.perplexity_scatter(many, "target", "x"))


@pytest.mark.parametrize("empty", ["estimates", "scores", "curves", "extractions", "generations", "training"])
def test_page_without_a_part(evidence: Evidence, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever part of the evidence is missing, the page is whole and says nothing about it."""
    # charts are built, and not painted: that takes most of a page's time
    monkeypatch.setattr("mnemoscope.reporting.svg.to_svg", lambda chart: f"<svg>{len(chart.to_dict())}</svg>")
    part: object = {} if empty in {"scores", "curves"} else []
    bare = replace(evidence, **{empty: part}, manifest={})  # type: ignore[arg-type]
    text = page(bare, summary(bare), show_text=False)
    assert text.rstrip().endswith("</html>")
    assert not re.search(r"\b(nan|None|inf|Undefined)\b", text)


def test_available_says_whether_the_extra_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package makes the page unavailable, and nothing is raised."""
    assert available()
    monkeypatch.setattr("mnemoscope.reporting.document.find_spec", lambda _: None)
    assert not available()
