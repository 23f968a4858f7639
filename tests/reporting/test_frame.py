"""The frame and the first screen: contents, order, marks, and numbers that are the summary's and no others."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

from mnemoscope.records import Evidence
from mnemoscope.reporting import page, summary
from mnemoscope.reporting.advice import advice
from mnemoscope.reporting.leaves import leaves
from mnemoscope.reporting.tables import settings
from mnemoscope.reporting.tiles import front, tiles
from mnemoscope.reporting.wording import bare_p, interval, number, p_value, percent, value

VERBATIM = "extraction.0.5.verbatim."
NUMBER = re.compile(r"[<>]?[-+]?\.?\d[\d,]*(?:\.\d+)?%?")


@pytest.fixture(scope="module")
def shown(evidence: Evidence) -> str:
    """The page of the whole audit; its figures have tests of their own and are not painted here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnemoscope.reporting.svg.to_svg", lambda _: "<svg></svg>")
        return page(evidence, summary(evidence), show_text=False)


def updated(evidence: Evidence, changes: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """The summary of the audit with some fields of the named estimates changed."""
    after = [replace(e, **changes.get(e.name, {})) for e in evidence.estimates]  # type: ignore[arg-type]
    return summary(replace(evidence, estimates=after))


def test_contents_name_the_sections_in_their_order(shown: str) -> None:
    """Every section has a heading and a place in the contents; every link inside the page leads somewhere."""
    nav = shown[shown.index("<nav") : shown.index("</nav>")]
    listed = re.findall(r'href="#([^"]+)"', nav)
    main = shown[shown.index("<main") : shown.index("</main>")]
    assert listed == ["verdict", *re.findall(r'<section id="([^"]+)"', main)]
    assert "<section>" not in main
    ids = set(re.findall(r'\bid="([^"]+)"', shown))
    assert set(re.findall(r'href="#([^"]+)"', shown)) <= ids


def test_headings_stand_in_order(shown: str) -> None:
    """One first heading, and no level is skipped on the way down."""
    levels = [int(n) for n in re.findall(r"<h([1-6])", shown)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_are_named_and_scroll_for_everybody(shown: str) -> None:
    """Each table has a caption and scoped heads; what scrolls can be focused and has a name of its own."""
    for table in re.findall(r"<table.*?</table>", shown, flags=re.DOTALL):
        assert "<caption" in table, table[:80]
        assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", table))
    regions = re.findall(r'<div class="scroll[^>]*>', shown)
    assert regions
    assert all('tabindex="0"' in region and 'role="region"' in region for region in regions)
    names = re.findall(r'aria-label="([^"]+)"', " ".join(regions))
    assert len(names) == len(set(names)) == len(regions)


def test_the_verdict_comes_first_and_validity_before_leaks(shown: str) -> None:
    """Verdict, tiles, sentences, attacker, changes, controls, attacks: in this order."""
    marks = ("<h1", "What leaked:", 'class="tiles"', 'id="sentences"', 'id="tested"', 'id="change"', 'id="validity"')
    places = [shown.index(mark) for mark in (*marks, '<section id="membership"', 'id="reading"', 'id="appendix"')]
    assert places == sorted(places)


def test_settings_stand_by_name() -> None:
    """In whatever order a file has them; blocks are numbered, and what a block does not set is left out."""
    blocks = [{"rank": None, "matrices": ["q", "v"]}, {"rank": 4, "every_epoch": True}]
    tree = {"study": {"name": "a", "grid": blocks, "alpha": None}, "dtype": "float32"}
    assert settings(tree) == [
        ("dtype", "float32"), ("study.alpha", "–"), ("study.grid.1.matrices", "q, v"),
        ("study.grid.2.every_epoch", "yes"), ("study.grid.2.rank", "4"), ("study.name", "a"),
    ]  # fmt: skip
    assert settings({}) == []


def allowed(numbers: Mapping[str, Any]) -> set[str]:
    """Every number of the summary in the wording of the page, and what its own sentences and settings hold."""
    told: list[str] = []
    for name, leaf in leaves({k: v for k, v in numbers.items() if k not in {"data", "settings"}}):
        told += [name, value(name, leaf), interval(name, leaf), percent(leaf["level"]), leaf["method"]]
        told += [f"{n:,}" for n in leaf["counts"].values()] + [str(leaf.get("reason", ""))]
        told += [percent(leaf["achieved_fpr"])] if "achieved_fpr" in leaf else []
        told += [number(leaf["threshold"])] if "threshold" in leaf else []
        # two held-out groups must be expected above a threshold for its rate to be resolved
        told += [f"{100 * leaf['fpr']:g}% {2 / leaf['fpr']:,.0f}"] if "fpr" in leaf else []
        told += [f"{p_value(leaf[p])} {bare_p(leaf[p])}" for p in ("p_value", "p_adjusted") if p in leaf]
        told += list(_counted(leaf))
    told += [*numbers["headline"], *numbers["not_tested"], *numbers["findings"], *numbers["data"]["findings"]]
    told += [text for _, text in settings(numbers["settings"])] + list(_plainly(numbers["data"]))
    told += [*_plainly(numbers["counts"]), numbers["schema_version"]]
    return {found for text in told for found in NUMBER.findall(text)}


def _counted(leaf: Mapping[str, Any]) -> Iterable[str]:
    """Hits behind a share, both sides of a test added up, and an expected number of records."""
    sides = [leaf["counts"][side] for side in ("members", "nonmembers")]
    yield f"{sum(sides):,}"
    if leaf["value"] is not None:
        for n in sides:
            yield f"{leaf['value'] * n:,.1f} {round(leaf['value'] * n):,}"


def _plainly(node: Any) -> Iterable[str]:
    if isinstance(node, Mapping):
        for one in node.values():
            yield from _plainly(one)
    elif isinstance(node, int | float):
        yield f"{node:,} {node:,.6g}"
    else:
        yield str(node)


CELLS = re.compile(
    r"<td.*?</td>|<li\b.*?</li>|<p class=\"(?:audited|reason|leaked|big|told)\".*?</p>|<dd>.*?</dd>", re.DOTALL
)
FIXED = {"1", "10,000", "0.5", "10", "16", "100", "1,000,000", "1,000", "7", "2"}
"""Numbers that are words of the page: queries and rates that were fixed beforehand, and what chance is."""


def strange(page_text: str, numbers: Mapping[str, Any]) -> set[str]:
    """Numbers in cells, tiles and lists that are not the summary's; the section of records has tests of its own."""
    text = re.sub(r'<section id="records".*?</section>', "", page_text, flags=re.DOTALL)
    text = re.sub(r"<(script|svg|style|nav|code)\b.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r'<dl class="terms">.*?</dl>', " ", text, flags=re.DOTALL)
    cells = [html.unescape(re.sub(r"<[^>]+>", " ", cell)) for cell in CELLS.findall(text)]
    known = allowed(numbers) | FIXED
    return {found.rstrip(",") for cell in cells for found in NUMBER.findall(cell)} - {k.rstrip(",") for k in known}


def test_every_number_is_the_summarys(evidence: Evidence, shown: str) -> None:
    """No cell, tile or sentence has a number that is not in the summary, as the page words it."""
    assert strange(shown, summary(evidence)) == set()


@pytest.mark.parametrize("place", ['<p class="big"><span>', '<span class="v">', '<span class="ci">[', "<li>"])
def test_a_number_of_its_own_is_found(evidence: Evidence, shown: str, place: str) -> None:
    """A number that a template had made up or rounded otherwise is found, wherever it stands."""
    assert strange(shown.replace(place, f"{place}83.4719 "), summary(evidence)) == {"83.4719"}


def test_tiles_are_marked_only_above_their_floor(evidence: Evidence) -> None:
    """Membership above the rate itself, extraction above held-out and base intervals, sampling by its difference."""
    rate = "membership.lr_ratio.tpr_at_fpr.0.01"
    base, held = f"{VERBATIM}reference_members", f"{VERBATIM}nonmembers"
    expected = "sampling.0.5.t1-k40.expected.n10000.excess"
    for i, name, change, above in (
        (0, rate, {"low": 0.0101}, True), (0, rate, {"low": 0.01}, False), (0, rate, {"low": None}, False),
        (1, held, {"high": 0.0279}, True), (1, held, {"high": 0.0281}, False), (1, base, {"high": 0.0281}, False),
        (1, held, {"high": None}, None), (2, expected, {"low": 0.001}, True), (2, expected, {"low": 0.0}, False),
        (4, "canaries.one_run.epsilon", {"value": 0.0}, False),
    ):  # fmt: skip
        numbers = updated(evidence, {f"{VERBATIM}members": {"low": 0.028}, name: change})
        assert tiles(numbers)[i].above is above, (name, change)


def test_the_lowest_resolved_rate_is_shown(evidence: Evidence) -> None:
    """A rate with a reason is passed over for the next; where all have one the reason is told instead of a number."""
    assert tiles(summary(evidence))[0].beside[0] == ("guessing", "1%")
    few = {f"membership.lr_ratio.tpr_at_fpr.{rate}": {"reason": "not resolved: few"} for rate in ("0.01", "0.1")}
    assert tiles(updated(evidence, dict([next(iter(few.items()))])))[0].beside[0] == ("guessing", "10%")
    tile = tiles(updated(evidence, few))[0]
    assert (tile.big, tile.text, tile.said) == ("not resolved", "Few.", "Not resolved")


@pytest.mark.parametrize("validity", ["doubtful", "not resolvable", "not judged"])
def test_nothing_leaks_where_the_audit_is_in_doubt(evidence: Evidence, validity: str) -> None:
    """Marks fall away, no leak is claimed, and the only advice is to mend the audit."""
    numbers = summary(replace(evidence, manifest={"verdict": {"validity": validity, "reason": "lengths differ"}}))
    screen = front(numbers)
    assert not screen["marked"]
    assert screen["leaked"] == "What leaked cannot be told from this audit."
    assert [item["section"] for item in advice(numbers, screen["tiles"])] == ["validity"]


def test_no_leak_is_never_called_safe(evidence: Evidence) -> None:
    """Without any estimate, or with zeros throughout, the screen says that this shows nothing."""
    zeros = {e.name: {"value": 0.0, "low": 0.0} for e in evidence.estimates}
    for numbers in (summary(replace(evidence, estimates=[])), updated(evidence, zeros)):
        assert front(numbers)["leaked"].startswith("No leak is resolved by what was tested; that does not say")


def advised(numbers: dict[str, Any]) -> dict[str, str]:
    """Advice and the number it rests on."""
    return {item["do"].split()[0]: item["why"] for item in advice(numbers, tiles(numbers))}


def test_advice_rests_on_numbers(evidence: Evidence) -> None:
    """Each piece of advice is there with its number, and goes when the number no longer asks for it."""
    found = advised(summary(evidence))
    assert list(found) == ["Train", "Only", "Deduplicate", "Do", "Hold", "Audit"]
    assert (
        "75% [55, 95] come back from the first half, of all 4.0% [2.8, 5.2]; 3 training records" in found["Deduplicate"]
    )
    assert found["Do"].startswith(
        "At temperature 1 or above (k40), 1,000,000 queries are still expected to give back 11%"
    )
    gone = {
        "extraction.0.5.planted": {"low": 0.05},
        "sampling.0.5.minimum_temperature.k40.t1.n1000000.nonmembers": {"high": 0.2},
        "membership.lr_ratio.tpr_at_fpr.0.001": {"reason": None},
        "perplexity.target.nonmembers": {"value": 27.0},
    }
    assert list(advised(updated(evidence, gone))) == ["Train", "Only"]
    many = {"sampling.0.5.t1-k40.expected.n1.members": {"high": 0.01}}
    assert "Limit" in advised(updated(evidence, many))


def test_a_reference_that_knows_the_domain_is_advised_where_much_of_it_was_learned(evidence: Evidence) -> None:
    """With both perplexities, unless an attack of that kind was run or fine-tuning taught little of the domain."""
    why = advised(summary(evidence))["Audit"]
    assert "of held-out records fell from 27.6" in why
    assert "to 14.9" in why
    ran = [replace(one, name=one.name.replace("lr_ratio", "in_domain_ratio")) for one in evidence.estimates
           if one.name.startswith("membership.lr_ratio")]  # fmt: skip
    assert "Audit" not in advised(summary(replace(evidence, estimates=[*evidence.estimates, *ran])))
    for after in (24.9, None):  # .9 of 27.61 is 24.85
        assert "Audit" not in advised(updated(evidence, {"perplexity.target.nonmembers": {"value": after}}))


def test_repetition_is_advised_against_where_it_shows(evidence: Evidence) -> None:
    """Canaries planted often that come back more than those planted once ask for deduplication."""
    changes = {
        "canaries.digits.copies_16.verbatim": {"value": 0.9, "low": 0.6, "high": 1.0},
        "extraction.0.5.planted": {"low": 0.05},
    }
    why = advised(updated(evidence, changes))["Deduplicate"]
    assert "planted 16 times 90% [60, 100] come back whole, of those planted 1 time 25% [22, 28]." in why


def test_nothing_is_advised_without_a_leak(evidence: Evidence) -> None:
    """An audit without leaks asks for no change to the training."""
    numbers = summary(replace(evidence, estimates=[e for e in evidence.estimates if e.name.startswith("controls.")]))
    assert advice(numbers, tiles(numbers)) == []
