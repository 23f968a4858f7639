"""Decisions by fixed rules, and Holm's correction inside families."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mnemoscope.answers import Answer, Rules
from mnemoscope.stats.decisions import Claim, corrected, decide, decided

RULES = Rules(seeds=5, level=0.95)


def judged(kind, records, seeds, *, p=0.001, seed_p=0.001, n=5, margin=0.02):
    """The decision on two intervals."""
    return decide(
        kind,
        low=records[0],
        high=records[1],
        p_adjusted=p,
        seed_low=seeds[0],
        seed_high=seeds[1],
        seed_p_adjusted=seed_p,
        n_seeds=n,
        margin=margin,
        rules=RULES,
    )


@pytest.mark.parametrize(
    ("kind", "records", "seeds", "expected", "reason"),
    [
        ("above", (0.05, 0.1), (0.03, 0.12), "replicates", "both intervals lie above 0"),
        ("below", (-0.1, -0.05), (-0.12, -0.03), "replicates", "both intervals lie below 0"),
        ("near", (-0.01, 0.01), (-0.015, 0.019), "replicates", "both intervals lie inside ±0.02"),
        ("above", (-0.05, 0.01), (-0.06, 0.019), "does not replicate", "both intervals lie below 0.02"),
        ("below", (-0.01, 0.05), (-0.019, 0.06), "does not replicate", "both intervals lie above -0.02"),
        ("near", (0.03, 0.05), (0.021, 0.06), "does not replicate", "both intervals lie above 0.02"),
        ("near", (-0.05, -0.03), (-0.06, -0.021), "does not replicate", "both intervals lie below -0.02"),
        # surely there and surely too small to matter
        ("above", (0.005, 0.015), (0.004, 0.016), "does not replicate", "both intervals lie below 0.02"),
        # one of the two is missing
        ("above", (0.05, 0.1), (-0.03, 0.18), "not resolved", "the seeds leave it open: -0.03 to 0.18"),
        ("above", (-0.02, 0.1), (0.01, 0.07), "not resolved", "the records leave it open: -0.02 to 0.1"),
        ("near", (-0.01, 0.01), (-0.05, 0.05), "not resolved", "the seeds leave it open: -0.05 to 0.05"),
        ("above", (-0.1, 0.01), (-0.1, 0.03), "not resolved", "the seeds leave it open: -0.1 to 0.03"),
        ("above", (0.05, 0.1), (None, None), "not resolved", "the seeds leave it open: no interval"),
        ("above", (None, None), (0.05, 0.1), "not resolved", "the records leave it open: no interval"),
        (
            "above",
            (-0.02, 0.1),
            (-0.03, 0.11),
            "not resolved",
            "the records leave it open: -0.02 to 0.1; the seeds leave it open: -0.03 to 0.11",
        ),
    ],
)
def test_both_intervals_decide(kind, records, seeds, expected, reason):
    """A claim is decided where records and seeds agree; else the reason names what is missing."""
    found = judged(kind, records, seeds)
    assert found[0] == expected
    assert found[1].startswith(reason)


def test_corrected_p_values_must_be_small():
    """An interval above 0 is not enough where the corrected p-value is not below 1 - level."""
    assert judged("above", (0.05, 0.1), (0.05, 0.1), p=0.049)[0] == "replicates"
    assert judged("above", (0.05, 0.1), (0.05, 0.1), p=0.052) == (
        "not resolved",
        "the records leave it open: corrected p 0.052",
    )
    assert judged("above", (0.05, 0.1), (0.05, 0.1), seed_p=0.2)[1] == "the seeds leave it open: corrected p 0.2"
    assert judged("near", (-0.01, 0.01), (-0.01, 0.01), p=None, seed_p=None)[0] == "replicates"


@pytest.mark.parametrize(
    ("kind", "records", "says"),
    [
        ("above", (0.05, 0.1), "the interval excludes 0"),
        ("above", (-0.1, -0.05), "the interval excludes 0, on the other side"),
        ("below", (-0.1, -0.05), "the interval excludes 0"),
        ("above", (-0.05, 0.1), "the interval includes 0"),
        ("above", (None, None), "there is no interval"),
        ("near", (-0.01, 0.01), "the interval lies inside ±0.02"),
        ("near", (0.03, 0.04), "the interval lies outside ±0.02"),
        ("near", (0.01, 0.04), "the interval goes beyond ±0.02"),
    ],
)
def test_too_few_seeds_leave_everything_open(kind, records, says):
    """Below the seeds that the rules ask for nothing is decided, and the reason says what one seed shows."""
    found = judged(kind, records, (None, None), n=1, p=None, seed_p=None)
    assert found[0] == "not resolved"
    assert found[1] == f"1 seed where the rules ask for 5; within this seed {says}"
    assert judged(kind, records, (0.05, 0.1), n=4)[1].startswith("4 seeds where the rules ask for 5; within these")


ends = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(ends, ends, st.floats(0, 1), st.floats(0, 1))
def test_below_is_above_mirrored(records, seeds, p, seed_p):
    """Turning all signs round turns the claim round; and no claim both replicates and its opposite does."""
    turned = [(-high, -low) for low, high in (records, seeds)]
    above = judged("above", records, seeds, p=p, seed_p=seed_p)[0]
    assert judged("below", *turned, p=p, seed_p=seed_p)[0] == above
    if above == "replicates":
        assert judged("below", records, seeds, p=p, seed_p=seed_p)[0] == "does not replicate"


def answer(family, p, seed_p=None, value=0.1, reason=""):
    """An undecided answer."""
    return Answer(
        "matrices", "c", family, "s", "", value, 0.05, 0.15, "m", p, None, 0.04, 0.16, seed_p, None, 5, 0.95,
        "not resolved", reason,
    )  # fmt: skip


def test_holm_inside_each_family_and_for_each_p_apart():
    """.01, .04, .03 become 3 x .01, then .06 twice (the larger of 2 x .03 and .04); another family is untouched."""
    answers = [answer("a", 0.01, 0.5), answer("b", 0.02, 0.3), answer("a", 0.04), answer("a", 0.03, 0.1)]
    found = corrected(answers)
    assert [one.p_adjusted for one in found] == pytest.approx([0.03, 0.02, 0.06, 0.06])
    assert [one.seed_p_adjusted for one in found] == [pytest.approx(0.5), pytest.approx(0.3), None, pytest.approx(0.2)]


def test_an_answer_without_p_value_is_no_question_of_its_family():
    """It stays without one and costs the others nothing."""
    found = corrected([answer("a", None), answer("a", 0.04)])
    assert [one.p_adjusted for one in found] == [None, pytest.approx(0.04)]
    assert corrected([]) == []


def test_decisions_use_corrected_p_values():
    """Two p-values of .03 are .06 together, so neither claim replicates; alone one does."""
    both = decided([Claim(answer("a", 0.03, 0.001), "above", 0.02)] * 2, RULES)
    assert [one.decision for one in both] == ["not resolved"] * 2
    (alone,) = decided([Claim(answer("a", 0.03, 0.001), "above", 0.02)], RULES)
    assert alone.decision == "replicates"


def test_a_missing_value_keeps_its_reason():
    """What was not measured is not resolved, for the reason it came with; what was keeps its remark."""
    rows = [
        answer("a", None, value=None, reason="no seed has both"),
        answer("a", 0.001, 0.001, reason="seed 7 left out"),
    ]
    missing, there = decided([Claim(one, "above", 0.02) for one in rows], RULES)
    assert (missing.decision, missing.reason) == ("not resolved", "no seed has both")
    assert there.decision == "replicates"
    assert there.reason.endswith("; seed 7 left out")
