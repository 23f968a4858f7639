"""The sentences: validity first, right numbers, right grammar, never "safe"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mnemoscope.records import Estimate, Evidence
from mnemoscope.reporting import headline
from mnemoscope.reporting.wording import percent

VERBATIM = "extraction.0.5.verbatim."


def changed(evidence: Evidence, change: Callable[[Estimate], Estimate | None]) -> list[str]:
    estimates = [after for e in evidence.estimates if (after := change(e)) is not None]
    return headline(replace(evidence, estimates=estimates))


def hits(evidence: Evidence, members: int, of: int, others: int, of_others: int) -> str:
    def change(e: Estimate) -> Estimate:
        if e.name == f"{VERBATIM}members":
            return replace(e, value=members / of, n_members=of)
        if e.name == f"{VERBATIM}nonmembers":
            return replace(e, value=others / of_others, n_nonmembers=of_others)
        return e

    return next(s for s in changed(evidence, change) if "word for word" in s)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (
            (12, 2898, 0, 1929),
            "12 of 2,898 training records come back word for word from their first half by greedy decoding; "
            "none of 1,929 held-out records does.",
        ),
        (
            (0, 300, 0, 200),
            "None of 300 training records comes back word for word from its first half by greedy decoding; "
            "none of 200 held-out records does.",
        ),
        (
            (1, 300, 1, 200),
            "1 of 300 training records comes back word for word from its first half by greedy decoding; "
            "1 of 200 held-out records does.",
        ),
        (
            (300, 300, 3, 200),
            "All 300 training records come back word for word from their first half by greedy decoding; "
            "3 of 200 held-out records do.",
        ),
        (
            (1, 1, 0, 1),
            "The one training record comes back word for word from its first half by greedy decoding; "
            "none of 1 held-out record does.",
        ),
    ],
)
def test_counts_read_as_a_person_would_write_them(
    evidence: Evidence, counts: tuple[int, int, int, int], sentence: str
) -> None:
    """None, one, some and all have their own words, and the verb agrees."""
    assert hits(evidence, *counts) == sentence


def test_validity_comes_first(evidence: Evidence) -> None:
    """The first sentence is about the audit itself, in every state of the verdict."""
    begins = {
        "valid": "This audit is valid: scores that never saw the fine-tuned model tell members from non-members no",
        "doubtful": "This audit is doubtful: the lengths differ; every number below",
        "not resolvable": "This audit cannot resolve what the model remembers: the lengths differ.",
    }
    for validity, begin in begins.items():
        verdict = {"validity": validity, "reason": "the lengths differ."}
        assert headline(replace(evidence, manifest={"verdict": verdict}))[0].startswith(begin)
    unchecked = headline(replace(evidence, estimates=[]))[0]
    assert unchecked.startswith("This audit is called valid, but no score")
    assert headline(replace(evidence, manifest={}))[0] == "Whether this audit is valid was not judged."


def test_valid_is_not_said_to_be_chance_where_an_interval_excludes_it(evidence: Evidence) -> None:
    """A control whose interval excludes 0.5 is "hardly better than chance", not "no better"."""
    first = changed(evidence, lambda e: replace(e, low=0.501) if e.name.startswith("controls.r") else e)[0]
    assert "hardly better than chance" in first


def test_membership_names_the_fixed_attack(evidence: Evidence) -> None:
    """The headline takes the paper's attack, also where another one does better."""

    def change(e: Estimate) -> Estimate:
        if e.name == "membership.lr_ratio.tpr_at_fpr.0.01":
            return replace(e, value=0.314, low=0.27, high=0.35)
        return replace(e, value=0.999) if e.name.startswith("membership.lr_diff") else e

    assert (
        "An attacker who can see token probabilities recognises 31% [27, 35] of training records at 1% false alarms "
        "(lr_ratio; guessing recognises 1%)."
    ) in changed(evidence, change)


def test_not_resolved_is_said(evidence: Evidence) -> None:
    """A rate that could not be resolved is named with its reason, and the next rate is given."""

    def change(e: Estimate) -> Estimate:
        if e.name.endswith("tpr_at_fpr.0.01"):
            return replace(e, value=None, low=None, high=None, reason="not resolved: 100 groups allow 1 false alarm")
        return e

    text = " ".join(changed(evidence, change))
    assert "at 1% false alarms is not resolved (lr_ratio): 100 groups allow 1 false alarm." in text
    assert "of training records at 10% false alarms" in text


def test_a_value_that_too_few_groups_carry_is_no_headline(evidence: Evidence) -> None:
    """A rate with a value and a reason is told as not resolved, and the next higher rate is stated instead."""

    def change(e: Estimate) -> Estimate:
        return replace(e, reason="not resolved: few groups") if e.name.endswith("tpr_at_fpr.0.01") else e

    text = " ".join(changed(evidence, change))
    assert "at 1% false alarms is not resolved (lr_ratio): few groups." in text
    assert "of training records at 10% false alarms" in text


def test_all_none_still_speaks(evidence: Evidence) -> None:
    """Estimates without values give sentences without numbers."""
    sentences = changed(evidence, lambda e: replace(e, value=None, low=None, high=None, reason=None))
    assert sum("not resolved" in sentence for sentence in sentences) >= 4
    assert not any("None" in sentence for sentence in sentences)


def test_nothing_measured_is_said(evidence: Evidence) -> None:
    """What was left out is named."""
    bare = replace(evidence, estimates=[], generations=[])
    sentences = headline(bare)
    assert "Membership was not tested." in sentences
    assert "Extraction was not tested." in sentences
    assert "near but not word for word" in sentences[-1]


def test_there_is_no_safe_sentence(evidence: Evidence) -> None:
    """Also where nothing was found, the last sentence is about what was not tested, and none says "safe"."""
    zeros = changed(evidence, lambda e: replace(e, value=0.0, low=0.0))
    assert zeros[-1].startswith("Not tested: ")
    assert not any(word in " ".join(zeros).lower() for word in ("safe", "secure", "no risk", "no leak"))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"), (1.0, "100%"), (0.314, "31%"), (0.0213, "2.1%"), (0.0041, "0.41%"), (0.00001, "<0.01%"),
        (0.996, "99.6%"), (0.99999, ">99.9%"),
    ],
)  # fmt: skip
def test_percent_rounds_neither_to_none_nor_to_all(share: float, text: str) -> None:
    """What is not 0 never reads 0%, and what is not all never reads 100%."""
    assert percent(share) == text
