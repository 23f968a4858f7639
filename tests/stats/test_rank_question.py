"""Question 3: whether the AUC grows with the rank and levels off."""

from __future__ import annotations

import numpy as np
import pytest
from study_cells import area, cell, draw_records, noisy

from mnemoscope import stats
from mnemoscope.answers import Rules
from mnemoscope.stats.saturation import fit_saturation

RULES = Rules(resamples=60, seeds=3)
GROWN = (0.0, 1.0, 1.45, 1.48, 1.5)


def grid(shifts, *, seeds=(1, 2, 3), ranks=None, noise=0.1, groups=40, **facts):
    """All four matrices at ranks 1, 2, 4 …: one noise a seed for all ranks, and a little of each rank's own."""
    ranks = [2**n for n in range(len(shifts))] if ranks is None else ranks
    outcomes = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        records = draw_records(seed, groups=groups)
        shared, member = noisy(records, 0, rng), np.array([record.role == "member" for record in records])
        outcomes += [
            cell(
                records,
                shared + noise * noisy(records, 0, rng) + shift * member,
                matrices="qkvo",
                rank=rank,
                seed=seed,
                **facts,
            )
            for rank, shift in zip(ranks, shifts, strict=True)
        ]
    return outcomes


def by_start(answers):
    """Answers by the first words of their claim."""
    names = {"AUC grows": "grows", "AUC level": "level", "AUC comes": "plateau"}
    return {names[answer.claim[:9]]: answer for answer in answers}


def test_growth_is_largest_less_smallest_rank():
    """The value is the mean over seeds of AUC at the largest less AUC at the smallest rank."""
    outcomes = grid(GROWN, noise=0.0)
    found = by_start(stats.rank_answers(outcomes, RULES, seed=0))
    areas = np.array([area(o.records, o.moments[0].scores) for o in outcomes]).reshape(3, 5)
    assert found["grows"].value == pytest.approx((areas[:, 4] - areas[:, 0]).mean())
    assert found["level"].value == pytest.approx((areas[:, 4] - areas[:, 3]).mean())
    assert found["grows"].claim == "AUC grows with rank, from rank 1 to 16"
    assert found["level"].claim == "AUC levels off, from rank 8 to 16"
    assert found["grows"].decision == found["level"].decision == "replicates"
    assert {answer.family for answer in found.values()} == {"rank"}


def test_levels_off_is_shown_by_intervals_not_by_a_large_p():
    """It has no p-value, so growth is corrected for one question; a last step of .2 does not level off."""
    found = by_start(stats.rank_answers(grid(GROWN), RULES, seed=0))
    assert (found["level"].p_value, found["level"].seed_p_value) == (None, None)
    assert found["grows"].p_adjusted == found["grows"].p_value
    growing = by_start(stats.rank_answers(grid((0.0, 0.5, 1.0, 2.0), noise=0.0, seeds=range(6)), RULES, seed=0))
    assert growing["level"].value > 0.1
    assert growing["level"].decision == "does not replicate"


def test_the_plateau_is_where_the_fit_comes_near_its_limit():
    """Scores without noise of their own: the AUC's curve is known, and so is the rank; intervals enclose it."""
    outcomes = grid(GROWN, noise=0.0)
    rules = Rules(resamples=60, seeds=3, plateau=0.02)
    found = by_start(stats.rank_answers(outcomes, rules, seed=0))["plateau"]
    areas = np.array([area(o.records, o.moments[0].scores) for o in outcomes]).reshape(3, 5)
    ranks = 2.0 ** np.arange(5)
    expected = fit_saturation(ranks, areas.mean(axis=0)).plateau(0.02)
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high
    each = [fit_saturation(ranks, row).plateau(0.02) for row in areas]
    assert found.seed_values == pytest.approx(each)
    logs = np.log2(each)
    reach = 4.302653 * logs.std(ddof=1) / 3**0.5  # t with 2 degrees of freedom
    assert np.log2(found.seed_high) == pytest.approx(logs.mean() + reach, rel=1e-5)
    assert found.decision == "replicates"
    assert found.reason == "both intervals end by rank 16"
    assert found.statistic == "plateau rank"


def test_a_plateau_beyond_the_ranks_is_not_a_number():
    """Steady growth: the fit's plateau is extrapolated, so there is no value, and the reason says so."""
    found = by_start(stats.rank_answers(grid((0.0, 0.4, 0.8, 1.2, 1.6)), RULES, seed=0))["plateau"]
    assert (found.value, found.low, found.high, found.decision) == (None, None, None, "not resolved")
    assert found.reason == "the fitted plateau begins beyond rank 16, the largest measured"
    assert found.n_seeds == 3


def test_an_interval_that_runs_beyond_the_ranks_leaves_it_open():
    """Few groups: some resamples have their plateau beyond the largest rank, so the interval has no end."""
    outcomes = grid((0.0, 0.6, 1.0, 1.1, 1.15), noise=0.5, groups=12, seeds=(1, 2))
    found = by_start(stats.rank_answers(outcomes, Rules(resamples=60, seeds=2, plateau=0.02), seed=0))["plateau"]
    assert found.value is not None
    assert (found.low, found.high, found.decision) == (None, None, "not resolved")
    assert "beyond rank 16" in found.reason


def test_one_seed_leaves_the_plateau_open():
    """One seed, where three are asked for."""
    found = by_start(
        stats.rank_answers(grid(GROWN, seeds=(1,), noise=0.0), Rules(resamples=60, seeds=3, plateau=0.02), seed=0)
    )
    assert found["plateau"].decision == "not resolved"
    assert found["plateau"].reason.startswith("1 seed where the rules ask for 3; within this seed the interval ends")
    assert found["plateau"].seed_low is None


def test_three_ranks_give_two_claims_and_no_fit():
    """Three ranks say growth and level; a curve needs four. One rank says nothing."""
    found = by_start(stats.rank_answers(grid(GROWN[:3]), RULES, seed=0))
    assert found["grows"].value is not None
    assert (found["plateau"].value, found["plateau"].reason) == (None, "a curve with three parameters needs four ranks")
    assert stats.rank_answers(grid(GROWN[:1]), RULES, seed=0) == []


def test_two_ranks_say_growth_alone():
    """The value is AUC at the larger less AUC at the smaller rank; whether it levels off is not asked."""
    two = grid(GROWN[:2])
    [grows] = stats.rank_answers(two, RULES, seed=0)
    areas = np.array([area(o.records, o.moments[0].scores) for o in two]).reshape(3, 2)
    assert grows.value == pytest.approx((areas[:, 1] - areas[:, 0]).mean())
    assert grows.claim == "AUC grows with rank, from rank 1 to 2"


def test_each_alpha_rule_is_asked_on_its_own():
    """Fixed and proportional alpha are two questions of one family, told apart in words; others are not mixed in."""
    outcomes = grid(GROWN[:3]) + grid((0.0, 0.0, 0.0), alpha_rule="proportional") + grid(GROWN, copies=8)
    found = stats.rank_answers(outcomes, RULES, seed=0)
    grown = [answer for answer in found if answer.claim.startswith("AUC grows")]
    assert [answer.claim for answer in grown] == [
        "AUC grows with rank, from rank 1 to 4 (alpha fixed)",
        "AUC grows with rank, from rank 1 to 4 (alpha proportional)",
    ]
    assert grown[0].decision == "replicates"
    assert grown[1].decision != "replicates"
    smallest = min(grown, key=lambda answer: answer.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1, 2 * smallest.p_value))


def test_the_fit_uses_seeds_that_have_all_ranks():
    """A seed that lacks a rank is in the differences it has cells for, and not in the fit."""
    outcomes = [one for one in grid(GROWN, noise=0.0) if (one.setting.seed, one.setting.rank) != (2, 4)]
    found = by_start(stats.rank_answers(outcomes, Rules(resamples=60, seeds=3, plateau=0.02), seed=0))
    assert found["grows"].seeds == (1, 2, 3)
    assert found["plateau"].seeds == (1, 3)
    split = [one for one in grid(GROWN) if one.setting.rank % 3 == one.setting.seed]
    assert by_start(stats.rank_answers(split, RULES, seed=0))["plateau"].reason == "no seed has all ranks"
