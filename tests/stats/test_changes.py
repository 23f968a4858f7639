"""Two audits against each other: values, pairing, intervals, p-values and what is left out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from audit_pair import RESAMPLES, audited, records
from scipy.stats import norm

from mnemoscope import stats
from mnemoscope.seeds import generator
from mnemoscope.stats import change_pairs, intervals
from mnemoscope.stats.multiplicity import holm_adjusted


def compared(before, after, **how):
    """Changes by name."""
    rows = stats.changes(before, after, stats.shared(before, after), resamples=RESAMPLES, seed=7, **how)
    return {row.name: row for row in rows}


@pytest.fixture(name="two", scope="module")
def two_audits():
    return audited("strong", 1.5, records()), audited("weak", 0.2, records())


@pytest.fixture(name="found", scope="module")
def changes_of_two(two):
    return compared(*two)


def test_each_side_has_the_audit_s_own_value_and_interval(two, found):
    """On equal records every statistic is what the audit itself estimates, and none that both have is forgotten."""
    wanted = {name for name in two[0].estimates if stats.family_of(name)}
    assert wanted == set(found)
    assert len({row.family for row in found.values()}) > 15
    for name, row in found.items():
        for side, value, low in ((two[0], row.before, row.before_low), (two[1], row.after, row.after_low)):
            assert value == pytest.approx(side.estimates[name].value, rel=1e-9, abs=1e-12), name
            assert low == side.estimates[name].low
        assert row.value == pytest.approx(row.after - row.before, abs=1e-12)
        assert row.paired
        assert row.low is None or row.low <= row.value <= row.high


def test_an_audit_does_not_differ_from_itself(two):
    """Value 0 everywhere, p = 1 where it is tested, and width wherever the statistic is bounded."""
    for name, row in compared(two[0], replace(two[0], name="again")).items():
        assert row.value == 0
        assert row.p_value in (1.0, None)
        assert row.p_adjusted in (1.0, None)
        if name.startswith("perplexity") or "delong" in name or ("matched_tokens" in name and row.low is None):
            assert row.reason
        else:
            assert row.low < 0 < row.high, name
            assert row.low == pytest.approx(-row.high)


def test_exchanging_the_audits_turns_the_sign_round(two, found):
    """compare(B, A) is minus compare(A, B): value, both ends, and equal p-values."""
    for name, row in compared(two[1], two[0]).items():
        other = found[name]
        assert row.value == pytest.approx(-other.value, abs=1e-12)
        assert (row.before, row.after) == (other.after, other.before)
        if other.low is not None:
            assert (row.low, row.high) == pytest.approx((-other.high, -other.low), abs=1e-12), name
        assert row.p_adjusted == pytest.approx(other.p_adjusted, abs=1e-9)


def test_a_strong_defence_is_resolved_and_its_direction_is_right(found):
    """The scores of the later audit hold far less of membership."""
    row = found["membership.lr_ratio.auc"]
    assert row.value < -0.2
    assert row.high < 0
    assert row.p_adjusted < 0.001


def slow_auc(side, kept):
    members, nonmembers = ([side.scores["lr_ratio"][i] for i in rows] for rows in kept)
    return np.mean([(a > b) + 0.5 * (a == b) for a in members for b in nonmembers])


def test_the_paired_bootstrap_has_a_slow_twin(two, found):
    """Groups drawn once by class, and the AUC of both audits counted pair by pair on the records that were drawn."""
    rng, rows = generator(7, "changes", "membership"), two[0].records
    groups = []
    for role in ("member", "nonmember"):
        names = sorted({row.group for row in rows if row.role == role})
        groups.append([[i for i, row in enumerate(rows) if row.group == name] for name in names])
    size = next(intervals._blocks(RESAMPLES, len(rows)))
    assert size == RESAMPLES
    drawn = [intervals.group_counts(len(some), RESAMPLES, rng) for some in groups]
    apart = []
    for k in range(RESAMPLES):
        kept = [[i for group, n in zip(some, drawn[side][k], strict=True) for _ in range(n) for i in group]
                for side, some in enumerate(groups)]  # fmt: skip
        apart.append(slow_auc(two[1], kept) - slow_auc(two[0], kept))
    row = found["membership.lr_ratio.auc"]
    assert (row.low, row.high) == pytest.approx(np.quantile(apart, [0.025, 0.975]), abs=1e-12)


def test_swaps_agree_with_all_exchanges():
    """The p-value is that of all 2^n ways to exchange before and after in whole groups."""
    apart = np.array([1.0, 1.0, 0.5, -0.25, 0.0, 1.0])
    groups = np.array([0, 0, 1, 2, 3, 4])
    sums = [2.0, 0.5, -0.25, 0.0, 1.0]
    ways = [abs(sum(s * x for s, x in zip(signs, sums, strict=True))) for signs in itertools.product((1, -1), repeat=5)]
    exact = np.mean([way >= sum(sums) - 1e-12 for way in ways])
    p = change_pairs.swapped(apart[:, None], groups, np.random.default_rng(0))
    assert p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact / change_pairs.SWAPS))


def with_verbatim(side, hits):
    """The audit with these records given back, and nothing else about them changed."""
    rows = [replace(row, verbatim=row.id in hits and row.model == "target") for row in side.extractions]
    return replace(side, extractions=rows, estimates={})


def test_a_hand_worked_share(two):
    """3 of 48 records of 3 groups before, 1 of them after: -2/48, and p of two swaps that must both fall alike, 1/2."""
    ids = [row.id for row in two[0].records][:6:2]
    row = compared(with_verbatim(two[0], ids), with_verbatim(two[0], ids[:1]))["extraction.0.5.verbatim.members"]
    assert (row.before, row.after, row.value) == pytest.approx((3 / 48, 1 / 48, -2 / 48))
    assert row.p_value == pytest.approx(0.5, abs=0.03)
    assert (row.n_members, row.n_member_groups, row.n_nonmembers) == (48, 24, 0)
    assert row.low < row.value < row.high


def test_what_the_two_do_not_share_is_counted_and_used_by_neither(two):
    """A record with another role, text or group, or missing on one side, changes nothing whatever it scores."""
    rows = list(two[1].records)
    rows[0] = replace(rows[0], role="nonmember")
    rows[2] = replace(rows[2], text="another")
    rows[4] = replace(rows[4], group="elsewhere")
    rows[6] = replace(rows[6], id="new")
    rows[8] = replace(rows[8], copies=8)
    wild = two[1].scores["lr_ratio"].copy()
    wild[[0, 2, 4, 6]] = 1e6
    after = replace(two[1], records=rows, fitted=set(), scores={"lr_ratio": two[1].scores["lr_ratio"]})
    shared = stats.shared(two[0], after)
    assert (shared.other_role, shared.other_text, shared.other_group) == (1, 1, 1)
    assert (shared.only_before, shared.only_after, shared.other_copies) == (1, 1, 1)
    assert (shared.members, shared.nonmembers, shared.paired) == (44, 48, True)
    calm, moved = (compared(two[0], replace(after, scores={"lr_ratio": s}))["membership.lr_ratio.auc"]
                   for s in (after.scores["lr_ratio"], wild))  # fmt: skip
    assert calm == moved
    assert calm.n_members == 44
    assert calm.before_low is None  # the audit's own interval is of other records


def test_other_records_are_independent_samples(two):
    """Square-and-add by hand, a p-value that agrees with the interval, and antisymmetry."""
    others = [replace(row, id=f"other-{row.id}") for row in two[1].records]
    after = replace(two[1], records=others)
    found, back = compared(two[0], after), compared(after, two[0])
    assert not stats.shared(two[0], after).paired
    for name, row in found.items():
        one, other = two[0].estimates[name], two[1].estimates[name]
        assert not row.paired
        assert row.value == pytest.approx(other.value - one.value)
        if row.low is None:
            assert row.reason
            continue
        assert row.low == pytest.approx(row.value - np.hypot(other.value - other.low, one.high - one.value))
        assert row.high == pytest.approx(row.value + np.hypot(other.high - other.value, one.value - one.low))
        assert (back[name].low, back[name].high) == pytest.approx((-row.high, -row.low))
        if row.p_value is not None and not one.reason and not other.reason:
            assert (row.p_value < 0.05) == (row.low > 0 or row.high < 0)
    auc = found["membership.lr_ratio.auc"]
    z = norm.ppf(0.975) * abs(auc.value) / (auc.high - auc.value)
    assert auc.p_value == pytest.approx(2 * norm.sf(z))


def test_families_are_corrected_apart(found):
    """Holm over the tested rows of each family, and over nothing else."""
    families = {}
    for row in found.values():
        families.setdefault(row.family, []).append(row)
    for rows in families.values():
        tested = [row for row in rows if row.p_value is not None]
        assert all(row.p_adjusted is None for row in rows if row.p_value is None)
        if tested:
            adjusted = holm_adjusted([row.p_value for row in tested])
            assert [row.p_adjusted for row in tested] == pytest.approx(adjusted)
    assert len(families["membership.auc"]) == 2


def test_rates_of_too_few_groups_are_not_tested(found):
    """24 non-member groups say something of 10% false alarms and nothing of 1%."""
    assert found["membership.lr_ratio.tpr_at_fpr.0.1"].p_adjusted is not None
    row = found["membership.lr_ratio.tpr_at_fpr.0.01"]
    assert row.p_adjusted is None
    assert row.reason.startswith("not resolved: FPR 0.01 of 24")


def test_levels_that_differ_have_no_interval(two):
    """Intervals of two levels cannot be added."""
    others = [replace(row, id=f"other-{row.id}") for row in two[1].records]
    wide = {name: replace(one, level=0.9) for name, one in two[1].estimates.items()}
    for row in compared(two[0], replace(two[1], records=others, estimates=wide)).values():
        assert row.low is None
        assert row.p_value is None
        assert row.reason
