"""Contrasts of two cells over seeds: both intervals, joint resamples of the pool's groups, pairing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats
from study_cells import area, cell, draw_records, noisy

from mnemoscope import stats
from mnemoscope.answers import Rules
from mnemoscope.records import Record
from mnemoscope.seeds import generator
from mnemoscope.stats import intervals
from mnemoscope.stats.contrasts import Arm, Bootstrap
from mnemoscope.stats.spreads import Left, across, within

FEW = Rules(resamples=60)


def study(seeds=(1, 2, 3), *, groups=14, shift=(1.2, 0.5)):
    """Two cells a seed, on the records of that seed."""
    cells = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        records = draw_records(seed, groups=groups)
        cells[seed] = tuple(
            cell(records, noisy(records, by, rng).round(1), matrices=name, seed=seed)
            for name, by in zip("vq", shift, strict=True)
        )
    return cells


def ends(cells):
    return {seed: (Arm.end(first), Arm.end(second)) for seed, (first, second) in cells.items()}


def bootstrap(cells, rules=FEW, seed=0):
    return Bootstrap.of([one for pair in cells.values() for one in pair], rules, seed=seed)


def test_the_value_is_the_mean_of_the_seeds_differences():
    """Each seed's value is the difference of its two AUCs, counted pair by pair; the value is their mean."""
    cells = study()
    found = bootstrap(cells).contrast(ends(cells))
    slow = [area(a.records, a.moments[-1].scores) - area(b.records, b.moments[-1].scores) for a, b in cells.values()]
    assert found.values == pytest.approx(slow, abs=1e-12)
    assert found.value == pytest.approx(np.mean(slow))
    assert found.seeds == (1, 2, 3)


def test_groups_are_repeated_in_all_seeds_alike():
    """A joint resample is the records of the drawn groups written out, the same groups in every seed."""
    cells = study()
    found = bootstrap(cells).contrast(ends(cells))
    counts = intervals.group_counts(14, 60, generator(0, "contrasts", "pool"))
    slow = []
    for row in counts:
        apart = []
        for first, second in cells.values():
            rows = [n for n, record in enumerate(first.records) for _ in range(row[int(record.group[1:])])]
            drawn = [first.records[n] for n in rows]
            apart.append(area(drawn, first.moments[0].scores[rows]) - area(drawn, second.moments[0].scores[rows]))
        slow.append(np.mean(apart))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-12)
    # two-sided: twice the tail of the normal beyond the value in units of the resamples' standard deviation
    assert found.p_value == pytest.approx(2 * scipy_stats.norm.sf(found.value / np.std(slow, ddof=1)), rel=1e-9)


def test_each_seed_has_the_paired_interval_of_the_audit():
    """A seed's own interval is that of `auc_difference` with the same draw of groups."""
    cells = study()
    found = bootstrap(cells).contrast(ends(cells))
    for n, (seed, (first, second)) in enumerate(cells.items()):
        pair = stats.Paired.of(first.moments[-1].scores, second.moments[-1].scores, first.records)
        rng = generator(0, "contrasts", f"seed {seed}")
        alone = stats.auc_difference(pair, "x", resamples=60, rng=rng)
        assert (found.lows[n], found.highs[n]) == pytest.approx((alone.low, alone.high), abs=1e-12)


def test_across_seeds_it_is_students_t():
    """.1, .2, .3: mean .2, standard error .1 / sqrt(3), t with 2 degrees of freedom has 4.302653 at 97.5%."""
    found = across([0.1, 0.2, 0.3], 0.95)
    reach = 4.302653 * 0.1 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.2 - reach, 0.2 + reach), rel=1e-6)
    # for 2 degrees of freedom P(T > t) = 1/2 - t / (2 sqrt(2 + t^2)); t = .2 / (.1 / sqrt 3) = sqrt 12
    assert found.p_value == pytest.approx(1 - 12**0.5 / 14**0.5)


def test_one_seed_says_nothing_across_seeds():
    """Below two seeds, and where all seeds agree to the last digit, there is no interval across seeds."""
    cells = study((1,))
    found = bootstrap(cells).contrast(ends(cells))
    assert (found.seed_low, found.seed_high, found.seed_p_value) == (None, None, None)
    assert found.low < found.value < found.high
    assert across([0.1] * 5, 0.95) == (None, None, None, "no interval across seeds: all give the same")
    assert across([0.1 + 0.2, 0.3], 0.95).low is None


def test_swapping_the_arms_turns_the_sign():
    """Second less first has the mirrored intervals and the same p-values."""
    cells = study()
    boot = bootstrap(cells)
    there = boot.contrast(ends(cells))
    back = boot.contrast({seed: (second, first) for seed, (first, second) in ends(cells).items()})
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert (there.seed_low, there.p_value) == pytest.approx((-back.seed_high, back.p_value))


def test_equal_seeds_give_equal_intervals_and_others_do_not():
    """The resamples depend on the study's seed alone."""
    cells = study()
    one, again, other = (bootstrap(cells, seed=seed).contrast(ends(cells)) for seed in (0, 0, 1))
    assert one == again
    assert (one.low, one.high) != (other.low, other.high)
    assert one.value == other.value


def test_seeds_that_are_copies_are_no_further_evidence():
    """Five seeds with the same records and scores leave the interval of one: a group has one weight in all of them."""
    (first, second) = study((1,))[1]
    cells = {
        seed: tuple(
            replace(one, setting=replace(one.setting, seed=seed, cell=f"{n}-{seed}"))
            for n, one in enumerate((first, second))
        )
        for seed in range(5)
    }
    alone, many = (
        bootstrap({1: (first, second)}).contrast(ends({1: (first, second)})),
        bootstrap(cells).contrast(ends(cells)),
    )
    assert (many.low, many.high) == pytest.approx((alone.low, alone.high))
    assert many.reason == "no interval across seeds: all give the same"


def test_a_weighted_arm_is_the_weighted_sum_of_its_moments():
    """A quarter of the base counts .125, three quarters of a moment that much of its AUC, in every resample."""
    records = draw_records(1, groups=14)
    rng = np.random.default_rng(0)
    first = cell(records, [noisy(records, 1.0, rng), noisy(records, 2.0, rng)])
    second = cell(records, noisy(records, 0.5, rng), matrices="q")
    boot = Bootstrap.of([first, second], FEW, seed=0)
    none = np.zeros(len(records), dtype=bool)
    mixed = boot.value(Arm(first, (0.25, 0.75, 0.0)), none)
    moment = boot.value(Arm(first, (0.0, 1.0, 0.0)), none)
    assert mixed.value == pytest.approx(0.125 + 0.75 * area(records, first.moments[0].scores))
    np.testing.assert_allclose(mixed.joint, 0.125 + 0.75 * moment.joint)
    np.testing.assert_allclose(mixed.alone, 0.125 + 0.75 * moment.alone)
    found = boot.contrast({13: (Arm(first, (0.25, 0.75, 0.0)), Arm.end(second))})
    assert found.value == pytest.approx(mixed.value - area(records, second.moments[0].scores))


def test_records_that_one_arm_cannot_score_are_left_out_of_both():
    """Masked records of either arm are in neither; a seed with no scored member is left out and named."""
    cells = study((1, 2))
    first, second = cells[1]
    scores = np.ma.masked_array(first.moments[0].scores, mask=False)
    scores[:4] = np.ma.masked
    cells[1] = cell(first.records, scores, seed=1), second
    member = np.array([record.role == "member" for record in cells[2][0].records])
    nothing = np.ma.masked_array(np.zeros(len(member)), member)
    cells[2] = cell(cells[2][0].records, nothing, seed=2), cells[2][1]
    found = bootstrap(cells).contrast(ends(cells))
    kept = list(range(4, len(first.records)))
    slow = [area([first.records[n] for n in kept], one.moments[0].scores[kept]) for one in (first, second)]
    assert found.value == pytest.approx(slow[0] - slow[1])
    assert found.n_members + found.n_nonmembers == len(kept)
    assert found.reason == "seed 2 left out: no member was scored"
    assert found.seeds == (1,)


def test_a_resample_without_members_is_left_out():
    """With one member and two non-member groups many resamples lack a class; the interval comes from the others."""
    records = [Record(str(n), "", f"g{n // 2}", "member" if n < 2 else "nonmember", "train") for n in range(6)]
    first = cell(records, [3.0, 1.0, 2.0, 0.0, 5.0, 0.5])
    second = cell(records, [0.0, 1.0, 2.0, 0.0, 0.0, 0.5], matrices="q")
    found = Bootstrap.of([first, second], Rules(resamples=400), seed=0).contrast(
        {13: (Arm.end(first), Arm.end(second))}
    )
    boot = Bootstrap.of([first], Rules(resamples=400), seed=0)
    joint = boot.value(Arm.end(first), np.zeros(6, dtype=bool)).joint
    # no draw of the one member group in 3 draws of 3: (2/3)^3 = .296; nothing but it: 1/27
    assert np.isnan(joint).mean() == pytest.approx(8 / 27 + 1 / 27, abs=0.07)
    assert np.isfinite([found.low, found.high, found.p_value]).all()


def test_without_spread_there_is_no_interval():
    """Two arms that rank alike differ by 0 in every resample: no interval, and p is 1."""
    records = draw_records(1, groups=14)
    first = cell(records, noisy(records, 1.0, np.random.default_rng(0)))
    second = cell(records, np.exp(first.moments[0].scores), matrices="q")
    found = Bootstrap.of([first, second], FEW, seed=0).contrast({13: (Arm.end(first), Arm.end(second))})
    assert (found.value, found.low, found.high, found.p_value) == (0.0, None, None, 1.0)
    assert found.reason == "no interval from the records: the same in all groups"
    assert within(1.0, np.array([1.0, 1.0]), 0.95).p_value is None


def test_cells_of_a_seed_must_have_the_same_records():
    """Other ids or other roles are refused, by the names of the two cells."""
    cells = study((1,))
    first, second = cells[1]
    turned = [replace(r, role="member" if r.role == "nonmember" else "nonmember") for r in second.records]
    for records in (turned, second.records[::-1]):
        other = replace(second, records=records)
        with pytest.raises(ValueError, match=f"cells {first.setting.cell} and {other.setting.cell} of seed 1 have dif"):
            bootstrap({1: (first, other)}).contrast({1: (Arm.end(first), Arm.end(other))})


def test_no_seed_at_all_gives_a_reason():
    """Nothing to compare is a missing value with its reason, not an error."""
    cells = study((1,))
    assert bootstrap(cells).contrast({}).reason == "no seed has both cells"
    found = bootstrap(cells).contrast({}, missing=[Left(1, "x"), Left(3, "y"), Left(2, "x")])
    assert (found.value, found.seeds, found.reason) == (None, (), "seeds 1, 2 left out: x; seed 3 left out: y")


def test_joint_resampling_covers_where_independent_seeds_do_not():
    """Documents that some arm memorizes more in all of 4 seeds: joint intervals hold the truth, naive ones miss it.

    Both arms have the same expected AUC, so the truth is a difference of 0. The naive interval takes the seeds' errors
    for independent: half as wide as the mean of the seeds' own. Where they are equal it covers P(|Z| < 1.96 / 2) = 67%.
    """
    rng, n, joint, naive = np.random.default_rng(3), 80, 0, 0
    records = draw_records(1, groups=40)
    codes = np.array([int(record.group[1:]) for record in records])
    for _ in range(n):
        lasting = rng.normal(size=(2, 40))[:, codes]
        cells = {
            seed: tuple(
                cell(records, lasting[k] + 0.5 * rng.normal(size=len(codes)), matrices="vq"[k], seed=seed)
                for k in range(2)
            )
            for seed in range(4)
        }
        found = bootstrap(cells, Rules(resamples=200)).contrast(ends(cells))
        joint += found.low <= 0 <= found.high
        naive += abs(found.value) <= np.mean(np.subtract(found.highs, found.lows)) / 4
    assert joint / n == pytest.approx(0.95, abs=0.073)  # three standard errors: 3 * sqrt(.05 * .95 / 80)
    assert naive / n < 0.85
