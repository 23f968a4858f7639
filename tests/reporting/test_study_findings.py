"""The head of a study's page: which claims are told, in which words, and that what came out has no part in it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

import study_sample as sample

from mnemoscope.answers import Answer
from mnemoscope.reporting import study_page, study_summary
from mnemoscope.reporting.study_findings import SAID, findings, first_claims, numbers
from mnemoscope.reporting.study_gallery import FIGURES, Drawn


def claims(*rows: tuple[str, str, float | None]) -> list[dict[str, Any]]:
    """Claims with their family, what the paper has, and their value."""
    return [
        asdict(sample.answer("rank", f"claim {i}", value, "replicates", family=family, paper=paper))
        for i, (family, paper, value) in enumerate(rows)
    ]


def test_more_seeds_go_first() -> None:
    """Of claims that the paper makes, those of which more seeds speak are told before the others."""
    few, more = (asdict(sample.answer("rank", f"of {n}", n / 10, "replicates", n)) for n in (1, 5))
    assert first_claims([few, more]) == [1, 0]
    assert first_claims([{**few, "family": "b"}, few, more], 1) == [2]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], []),
        ([("a", "yes", 0.1), ("a", "yes", 0.2), ("b", "yes", 0.3)], [0, 2]),  # one a family
        ([("a", "", 0.1), ("a", "yes", 0.2), ("b", "", 0.3), ("b", "yes", 0.4)], [1, 3]),  # what the paper makes too
        ([("a", "yes", 0.1), ("a", "yes", 0.2), ("a", "yes", 0.3)], [0, 1]),  # one family: its next claim
        ([("a", "yes", 0.1), ("b", "yes", 0.1), ("b", "yes", 0.2)], [0, 2]),  # the same numbers are told once
        ([("a", "yes", None), ("a", "yes", 0.2)], [1, 0]),  # with a value first
        ([("a", "", 0.1), ("b", "", 0.2), ("c", "", 0.3)], [0, 1]),  # the paper makes none of them
        ([("a", "yes", None), ("b", "yes", None)], [0, 1]),  # two that are missing are not the same
    ],
)
def test_the_first_of_each_family_is_told(rows: list[tuple[str, str, float | None]], told: list[int]) -> None:
    """The rule, worked by hand."""
    assert first_claims(claims(*rows)) == told


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "yes"])), max_size=8), st.data())
def test_what_came_out_has_no_part_in_the_choice(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    """Other values, signs, decisions and p-values leave the places as they are; never more than SAID are told."""
    before = claims(*((*row, float(i)) for i, row in enumerate(rows)))
    values = data.draw(st.lists(st.floats(-1, 1), min_size=len(rows), max_size=len(rows), unique=True))
    decisions = data.draw(st.lists(st.sampled_from(["replicates", "not resolved"]), min_size=len(rows)))
    after = [
        {**claim, "value": value, "low": value - 0.1, "p_adjusted": abs(value), "decision": decision}
        for claim, value, decision in zip(before, values, decisions, strict=False)
    ]
    assert first_claims(after) == first_claims(before)
    assert len(first_claims(before)) <= SAID


def test_a_finding_in_words() -> None:
    """Value with what it is, both intervals with what they come from."""
    told = asdict(sample.answer("matrices", "v gives more", 0.1123, "replicates"))
    assert numbers(told) == [
        "difference +0.112", "[+0.092, +0.132] from the records", "[+0.092, +0.132] over 5 seeds",
    ]  # fmt: skip
    single = asdict(sample.answer("rank", "x", -0.4, "not resolved", 1, statistic="Spearman correlation of x and y"))
    assert numbers(single) == ["Spearman correlation -0.400", "[-0.420, -0.380] from the records"]
    assert numbers(asdict(sample.answer("rank", "x", None, "not resolved", 0))) == []


def test_the_others_are_counted() -> None:
    """Told and counted claims are all claims; a decision that was reached says no reason at the head."""
    node = study_summary(sample.study((13,)))["answers"]["matrices"]
    found = findings(node)
    assert [one["decision"] for one in found["told"]] == ["replicates", "replicates"]
    assert [one["why"] for one in found["told"]] == ["", ""]
    assert found["further"] == "1 further claim: 1 does not replicate."
    assert findings({"claims": []})["further"] == "This study has no cells that answer it."


def test_why_a_claim_is_not_resolved_is_told_shortly() -> None:
    """The first part of the reason stands at the head, the rest in the table."""
    reason = "1 seed where the rules ask for 5; within this seed the interval includes 0"
    told = asdict(sample.answer("rank", "auc grows", 0.01, "not resolved", 1, reason=reason))
    (one,) = findings({"claims": [told]})["told"]
    assert (one["claim"], one["why"]) == ("Auc grows", "1 seed where the rules ask for 5")


def many(n: int) -> Sequence[Answer]:
    """One question with `n` claims."""
    return [
        sample.answer("matrices", f"claim number {i}", i / 100, "replicates", family="abc"[i % 3]) for i in range(n)
    ]


def parts(page: str) -> tuple[str, str]:
    """The words of the page's head, and of all that follows it."""
    head, _, rest = page.partition('<header id="answers">')[2].partition("</header>")
    return tuple(" ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in (head, rest))  # type: ignore[return-value]


def test_long_tables_of_claims_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 9 claims the head tells 2, their table is open, the other 7 stand once in a part to unfold."""
    monkeypatch.setattr(
        "mnemoscope.reporting.study_document.drawn", lambda *_: dict.fromkeys(FIGURES, Drawn("", "", "", ""))
    )
    evidence = replace(sample.single(), answers=many(9))
    page = study_page(evidence, study_summary(evidence))
    head, rest = parts(page)
    assert "Claim number 0 : difference" in head.replace("number 0:", "number 0 :")
    assert "7 further claims: 7 replicate." in head
    assert "In brackets: 95% intervals" in head
    folded = page.partition("<summary>7 further claims</summary>")[2].partition("</details>")[0]
    assert [f"claim number {i}" in folded for i in range(9)] == [False, False, *[True] * 7]
    assert all(rest.count(f"claim number {i} ") == 1 for i in range(9))
