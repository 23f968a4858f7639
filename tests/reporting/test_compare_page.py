"""The page of a comparison: validity first, the summary's numbers, nothing private, gaps told."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

from audit_pair import RESAMPLES, audited, records
from markup import Markup, strangers
from rich.console import Console

from mnemoscope import stats
from mnemoscope.changes import Audited, Comparison
from mnemoscope.reporting import compare_page, compare_summary, compare_tables, compare_terminal
from mnemoscope.reporting.compare_document import FIGURES, charts
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.wording import number


def comparison(before: Audited, after: Audited) -> Comparison:
    """Two audits as the steps put them together."""
    shared = stats.shared(before, after)
    curves = [stats.roc_curve(stats.Sample.of(one.scores["lr_ratio"], one.records)) for one in (before, after)]
    return Comparison(
        before, after, shared, stats.changes(before, after, shared, resamples=RESAMPLES, seed=7), "lr_ratio",
        (curves[0], curves[1]), {"seed": 7, "level": 0.95, "resamples": RESAMPLES},
    )  # fmt: skip


@pytest.fixture(scope="module")
def two() -> tuple[Audited, Audited]:
    return audited("strong", 1.5, records()), audited("weak", 0.2, records())


@pytest.fixture(scope="module")
def found(two: tuple[Audited, Audited]) -> Comparison:
    return comparison(*two)


@pytest.fixture(scope="module")
def page(found: Comparison) -> str:
    return compare_page(found, compare_summary(found))


def bare(text: str) -> str:
    """The page's words without drawings, styles, scripts and tags."""
    words = re.sub(r"<(svg|style|script).*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(words).split())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without drawings, for what the drawings have no part in."""
    monkeypatch.setattr("mnemoscope.reporting.compare_document.charts", lambda *_: {})


def judged(side: Audited, validity: str, reason: str = "the controls see a difference") -> Audited:
    return replace(side, manifest={**side.manifest, "verdict": {"validity": validity, "reason": reason}})


def test_every_difference_stands_on_the_page(found: Comparison, page: str) -> None:
    """Each name is in the table of all numbers, and the headline's AUC has its three numbers in the first table."""
    for row in found.changes:
        assert f"<code>{row.name}</code>" in page
    auc = next(row for row in found.changes if row.name == "membership.lr_ratio.auc")
    words = bare(page)
    for value in (auc.before, auc.after, abs(auc.value or 0), abs(auc.low or 0), abs(auc.high or 0)):
        assert number(value or 0) in words


def test_the_page_has_no_numbers_but_the_summary_s(
    found: Comparison, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changing every row without the summary changes nothing; changing one number of the summary does."""
    numbers = compare_summary(found)
    moved = replace(found, changes=[replace(row, value=0.987, before=0.123) for row in found.changes])
    assert compare_page(moved, numbers) == page
    monkeypatch.setattr("mnemoscope.reporting.compare_document.charts", lambda *_: {})
    assert numbers["changes"]["membership"]["lr_ratio"]["auc"]["before"]["value"] == pytest.approx(found_auc(found))
    numbers["changes"]["membership"]["lr_ratio"]["auc"]["before"]["value"] = 0.4321
    assert "0.432" in bare(compare_page(found, numbers))


def found_auc(found: Comparison) -> float | None:
    return next(row.before for row in found.changes if row.name == "membership.lr_ratio.auc")


@pytest.mark.usefixtures("undrawn")
def test_validity_comes_first_and_the_worse_audit_decides(found: Comparison) -> None:
    """Valid, doubtful, not resolvable, not judged: said in the first sentence, on the page and on the terminal."""
    orders = [
        ("valid", "valid", "Both audits are valid"),
        ("valid", "doubtful", "doubtful"),
        ("doubtful", "not resolvable", "cannot be resolved"),
        ("valid", "", "open"),
    ]
    for one, other, words in orders:
        pair = replace(found, before=judged(found.before, one), after=judged(found.after, other))
        summary = compare_summary(pair)
        assert words in summary["headline"][0]
        page = bare(compare_page(pair, summary))
        assert page.index(summary["headline"][0][:20]) < page.index("Membership: can one still")
        assert ("Not to be relied on" in page) == (other != "valid")
        assert words == "Both audits are valid" or "the controls see a difference" in page


def test_sentences_tell_direction_interval_and_what_is_open(found: Comparison) -> None:
    """A resolved fall is "fewer" or "lower" with its bracket; the rest says that nothing is resolved."""
    summary = compare_summary(found)
    said = " ".join(summary["headline"])
    auc = summary["changes"]["membership"]["lr_ratio"]["auc"]
    assert auc["resolved"]
    assert f"The AUC of lr_ratio is {number(-auc['value'])} [{number(auc['low'])}, {number(auc['high'])}] lower" in said
    assert "not the same as unchanged" in said
    assert "safe" not in said.lower()
    verbatim = summary["changes"]["extraction"]["0.5"]["verbatim"]["members"]
    assert ("No difference is resolved in how many training records come back" in said) != verbatim["resolved"]


def test_a_change_needs_its_p_value_and_its_interval(found: Comparison) -> None:
    """They may come from two methods: where the interval holds 0, a small p alone tells no change."""

    def resolved(low: float | None, high: float | None) -> bool:
        (first, *others) = found.changes
        one = replace(first, value=-0.1, low=low, high=high, p_adjusted=0.001)
        summary = compare_summary(replace(found, changes=[one, *others]))
        return bool(next(leaf for name, leaf in leaves(summary["changes"]) if name == one.name)["resolved"])

    cases = [(-0.2, -0.05), (-0.2, 0.1), (-0.2, 0.0), (0.05, 0.2), (None, None)]
    assert [resolved(*ends) for ends in cases] == [True, False, False, True, True]


def test_usefulness_always_stands_beside_leakage(two: tuple[Audited, Audited]) -> None:
    """Held-out perplexity is the last sentence and a tile; where it rose while leaks fell, less training is named."""
    worse = replace(two[1], losses=two[1].losses * 1.3, estimates={})
    for after, words in ((two[1], "usefulness is not resolved"), (worse, "less useful"), (worse, "training less")):
        summary = compare_summary(comparison(two[0], after))
        assert words in summary["headline"][-1]
        assert compare_tables.tiles(dict(leaves(summary["changes"])), "lr_ratio")[-1]["section"] == "use"
    back = compare_summary(comparison(worse, two[0]))
    assert "more useful" in back["headline"][-1]


def test_no_text_no_id_and_no_group(found: Comparison, page: str) -> None:
    """Neither the page nor the summary holds anything of a record, nor the generated text."""
    written = page + json.dumps(compare_summary(found))
    for secret in ("secret-id", "secret-group", "private text", 'private"'):
        assert secret not in written


def test_the_page_is_one_file_and_asks_for_nothing(found: Comparison) -> None:
    """Scripts are those of the policy, links stay on the page, and names of folders and settings are only text."""
    nasty = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'\""
    after = replace(found.after, manifest={**found.after.manifest, "config": {nasty: nasty}})
    pair = replace(found, before=replace(found.before, name=nasty), after=after)
    page = Markup(compare_page(pair, compare_summary(pair)))
    assert not strangers(page)
    assert not page.handlers
    assert "img" not in page.tags
    assert all(place.startswith("#") for place in page.loads)


def test_figures_are_what_the_schema_allows(found: Comparison) -> None:
    """All five are drawn; Altair checks each specification."""
    known = compare_tables.known(compare_summary(found))
    drawn = charts(found, known, "lr_ratio")
    assert set(drawn) == set(FIGURES)
    for chart in drawn.values():
        specification = chart().to_dict()
        assert specification["description"]


def test_what_differs_is_told(found: Comparison) -> None:
    """Other weights, versions, attacks and decodings are findings; settings that differ are told, equal ones not."""
    before, after = found.before, found.after

    def facts(weights: str, rank: int, commit: str) -> dict[str, object]:
        training = {"rank": rank, "epochs": 3.0}
        return {"model": {"weights_sha256": weights}, "config": {"training": training}, "seed": 13, "commit": commit}

    first = replace(before, manifest=facts("a", 8, "abc"))
    second = replace(
        after,
        manifest=facts("b", 16, "def"),
        scores={**after.scores, "zlib": after.scores["loss"]},
        sampled=[row for row in after.sampled if row.decoding == "t1-k40"],
    )
    summary = compare_summary(replace(found, before=first, after=second))
    told = " ".join(summary["findings"])
    for words in ("different base models", "different versions", "zlib after", "t0.5-k40 before"):
        assert words in told
    assert summary["differing"]["config.training.rank"] == [8, 16]
    assert not {"seed", "config.training.epochs"} & set(summary["differing"])
    assert compare_summary(replace(found, after=before))["findings"] == []


def test_other_bits_are_told(found: Comparison) -> None:
    """A base that one audit quantised as it was loaded is another model, although its weights on disk are the same."""
    full, eight = ({"model": {"weights_sha256": "a", **more}} for more in ({}, {"load_in": "8bit"}))
    one, other = replace(found.before, manifest=full), replace(found.after, manifest=eight)
    line = "The weights were loaded in different numbers of bits: full and 8bit."
    assert line in compare_summary(replace(found, before=one, after=other))["findings"]
    assert line not in compare_summary(replace(found, before=one, after=one))["findings"]


def test_the_terminal_is_narrow_and_plain(found: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    """80 columns, no colours where nobody looks, and the verdict in the first three lines."""
    Console(width=80).print(compare_terminal(json.loads(json.dumps(compare_summary(found)))))
    lines = capsys.readouterr().out.splitlines()
    assert "VALID" in "".join(lines[:3])
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


@pytest.mark.usefixtures("undrawn")
def test_audits_that_share_nothing_and_measured_little(two: tuple[Audited, Audited]) -> None:
    """Different records are said to be so; an audit of scores alone still has a page."""
    others = [replace(row, id=f"other-{row.id}") for row in two[1].records]
    empty = {"extractions": [], "sampled": [], "generations": [], "spans": []}
    auc = {name: one for name, one in two[1].estimates.items() if name == "membership.lr_ratio.auc"}
    after = replace(two[1], records=others, estimates=auc, **empty)
    summary = compare_summary(comparison(two[0], after))
    assert "independent samples" in summary["headline"][1]
    assert "Usefulness was not measured on both sides" in summary["headline"][-1]
    page = bare(compare_page(comparison(two[0], after), summary))
    assert "Extraction: what comes back?" not in page
    nothing = comparison(two[0], replace(after, estimates={}))
    assert "No measure of leakage could be compared." in bare(compare_page(nothing, compare_summary(nothing)))
