"""Differences of AUC over the same records."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope import stats
from mnemoscope.records import Record
from mnemoscope.stats import Paired, intervals


def records_of(rng, *, groups=30, size=3):
    """As many member as non-member groups."""
    return [
        Record(
            id=f"{g}-{k}",
            text="",
            group=f"g{g:03}",
            role="member" if g < groups else "nonmember",
            part="train" if g < groups else "evaluation",
        )
        for g in range(2 * groups)
        for k in range(int(rng.integers(1, size + 1)))
    ]


def scores_of(rng, records, shift=0.0, icc=0.4):
    """Clustered normal scores."""
    codes = np.unique([record.group for record in records], return_inverse=True)[1]
    member = np.array([record.role == "member" for record in records])
    noise = np.sqrt(icc) * rng.normal(size=codes.max() + 1)[codes] + np.sqrt(1 - icc) * rng.normal(size=len(records))
    return np.ma.masked_array(noise + shift * member)


def pairwise(members, nonmembers):
    wins = sum((a > b) + 0.5 * (a == b) for a in members for b in nonmembers)
    return wins / (len(members) * len(nonmembers))


@pytest.fixture(name="two")
def two_scores():
    rng = np.random.default_rng(1)
    records = records_of(rng)
    return records, scores_of(rng, records, 1.0), scores_of(rng, records, 0.3).round(1)


def both(pair, seed=0, resamples=200):
    rng = np.random.default_rng(seed)
    return stats.auc_difference(pair, "x", resamples=resamples, rng=rng), stats.auc_difference_delong(pair, "x")


def test_the_value_is_the_first_less_the_second(two):
    """Both estimates have the difference of the two AUCs, counted pair by pair."""
    pair = Paired.of(two[1], two[2], two[0])
    expected = pairwise(pair.first.members, pair.first.nonmembers) - pairwise(
        pair.second.members, pair.second.nonmembers
    )
    assert [found.value for found in both(pair)] == pytest.approx([expected] * 2)


def test_swapping_the_two_turns_the_sign(two):
    """Second less first has the mirrored value and interval and the same p."""
    there, back = both(Paired.of(two[1], two[2], two[0])), both(Paired.of(two[2], two[1], two[0]))
    for a, b in zip(there, back, strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((-b.value, -b.high, -b.low))
    assert there[1].p_value == pytest.approx(back[1].p_value)


def test_paired_bootstrap_is_the_repetition_of_records(two):
    """A resample is the difference of the AUCs of the drawn groups' records, written out, the same for both scores."""
    records, first, second = two
    pair = Paired.of(first, second, records)
    found = stats.auc_difference(pair, "x", resamples=30, rng=np.random.default_rng(8))
    rng = np.random.default_rng(8)
    counts = intervals.group_counts(30, 30, rng), intervals.group_counts(30, 30, rng)
    slow = []
    for row in range(30):
        rows = [np.repeat(np.arange(len(g)), counts[c][row][g - 30 * c]) for c, g in enumerate(codes(pair))]
        slow.append(
            pairwise(pair.first.members[rows[0]], pair.first.nonmembers[rows[1]])
            - pairwise(pair.second.members[rows[0]], pair.second.nonmembers[rows[1]])
        )
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def codes(pair):
    return pair.first.member_groups, pair.first.nonmember_groups


def test_clustered_error_is_the_double_loop(two):
    """p is that of the difference over the root of its variance, summed by loops over groups."""
    records, first, second = two
    pair = Paired.of(first, second, records)
    terms = []
    for one in (pair.first, pair.second):
        v10 = [pairwise([x], one.nonmembers) for x in one.members]
        v01 = [pairwise(one.members, [y]) for y in one.nonmembers]
        area = np.mean(v10)
        terms.append(([v - area for v in v10], [v - area for v in v01]))
    variance = 0.0
    for side, groups in enumerate(codes(pair)):
        apart = [a - b for a, b in zip(terms[0][side], terms[1][side], strict=True)]
        sums = [sum(d for d, g in zip(apart, groups, strict=True) if g == name) for name in set(groups.tolist())]
        variance += len(sums) / (len(sums) - 1) * sum(s**2 for s in sums) / len(groups) ** 2
    found = stats.auc_difference_delong(pair, "x", level=0.9)
    # 1.644854 is the 95% quantile of the normal
    assert (found.high - found.low) / 2 == pytest.approx(1.644854 * variance**0.5, rel=1e-6)


def test_against_a_constant_it_is_the_test_of_one_auc(two):
    """A constant score has AUC .5 without error: the difference has the error of the other AUC alone."""
    records, first, _ = two
    found = stats.auc_difference_delong(Paired.of(first, first * 0, records), "x")
    sample = stats.Sample.of(first, records)
    alone = stats.delong.standard_error(
        stats.delong.influence(sample), stats.delong.Codes(sample.member_groups, sample.nonmember_groups)
    )
    assert found.value == pytest.approx(stats.auc_delong(sample, "x").value - 0.5)
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * alone, rel=1e-6)


def test_identical_rankings_differ_by_nothing(two):
    """Scores that rank alike: value 0, no interval and why, p = 1."""
    records, first, _ = two
    for found in both(Paired.of(first, np.exp(first), records)):
        assert (found.value, found.low, found.high) == (0.0, None, None)
        assert found.reason == "no interval: the difference is the same in all groups"
    assert found.p_value == 1.0


def test_records_that_one_cannot_score_are_left_out_of_both(two):
    """A record masked in either score is in neither sample and counted once."""
    records, first, second = two
    first, second = first.copy(), second.copy()
    first[[0, 1]] = np.ma.masked
    second[[1, 2]] = np.ma.masked
    pair = Paired.of(first, second, records)
    assert len(pair.first.members) == len(pair.second.members)
    found = both(pair)
    assert {one.n_unscored for one in found} == {3}
    assert {one.n_members + one.n_nonmembers for one in found} == {len(records) - 3}


def test_folds_of_one_score_bear_a_shift_by_fold(two):
    """A constant added inside each fold of a folded score changes nothing, the other score needs no folds."""
    records, first, second = two
    folds = np.unique([record.group for record in records], return_inverse=True)[1] % 3
    plain, moved = (Paired.of(one, second, records, first_folds=folds) for one in (first, first + 10.0 * folds))
    for a, b in zip(both(plain), both(moved), strict=True):
        assert a == b
    assert both(moved)[1].value != both(Paired.of(first + 10.0 * folds, second, records))[1].value


def test_equal_attacks_are_told_apart_as_rarely_as_promised():
    """Two equally good scores have p < .05 in about 5% of samples; ignoring groups rejects more often."""
    rng, n, rejected, plain = np.random.default_rng(6), 200, 0, 0
    for _ in range(n):
        records = records_of(rng, size=6)
        pair = Paired.of(scores_of(rng, records, 0.5, 0.7), scores_of(rng, records, 0.5, 0.7), records)
        rejected += stats.auc_difference_delong(pair, "x").p_value < 0.05
        plain += stats.auc_difference_delong(pair, "x", clustered=False).p_value < 0.05
    assert rejected / n == pytest.approx(0.05, abs=0.047)  # three standard errors: 3 * sqrt(.05 * .95 / 200)
    assert plain / n > 0.12


def test_what_cannot_be_compared_has_a_reason(two):
    """Nothing scored by both, one group a class, or arrays of two lengths."""
    records, first, second = two
    nothing = Paired.of(first, np.ma.masked_all(len(records)), records)
    assert {found.reason for found in both(nothing)} == {"no member was scored"}
    few = [Record("a", "", "a", "member", "train"), Record("b", "", "b", "nonmember", "evaluation")]
    found = both(Paired.of(np.ma.array([1.0, 0.0]), np.ma.array([0.0, 1.0]), few))
    assert [(one.value, one.low, one.p_value) for one in found] == [(1.0, None, None)] * 2
    with pytest.raises(ValueError, match="cannot be compared"):
        Paired.of(first, second[:-1], records)
