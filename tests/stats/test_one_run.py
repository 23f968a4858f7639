"""The one-run audit: tabulated bounds, a slow twin, and what it may not do: claim too much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope.stats import clopper_pearson, one_run_audit
from mnemoscope.stats.one_run import ceiling, epsilon_lower_bound, guess, guess_counts, p_value


def slow_p_value(units: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """The formula term by term, in whole numbers and plain floats."""
    q = math.exp(epsilon) / (1 + math.exp(epsilon))
    chance = [math.comb(guesses, k) * q**k * (1 - q) ** (guesses - k) for k in range(guesses + 1)]
    worst = max((sum(chance[correct - i : correct]) / i for i in range(1, correct + 1)), default=0.0)
    return min(1.0, sum(chance[correct:]) + 2 * units * delta * worst)


@pytest.mark.parametrize(
    ("guesses", "expected"), [(20, 1.82), (50, 2.78), (100, 3.49), (200, 4.19), (500, 5.11), (1000, 5.81), (2000, 6.50)]
)
def test_tabulated_ceilings(guesses: int, expected: float) -> None:
    """With all guesses right at 95% the bound is ln(q / (1 - q)) for q = .05^(1 / r)."""
    found = ceiling(guesses, guesses)
    q = 0.05 ** (1 / guesses)
    assert found == pytest.approx(math.log(q / (1 - q)), abs=1e-6)
    assert found == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("guesses", "correct", "expected"), [(100, 95, 2.17), (100, 80, 0.96), (1000, 600, 0.30), (1000, 700, 0.73)]
)
def test_tabulated_bounds(guesses: int, correct: int, expected: float) -> None:
    """Bounds that others have computed, and the same through the one-sided Clopper-Pearson end."""
    found = epsilon_lower_bound(guesses, guesses, correct)
    share, _ = clopper_pearson(correct, guesses, 0.9)  # its lower tail is .05
    assert found == pytest.approx(expected, abs=0.006)
    assert found == pytest.approx(math.log(share / (1 - share)), abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 40), st.floats(0, 4), st.sampled_from([0.0, 1e-5, 1e-2]))
def test_slow_twin(a: int, b: int, more: int, epsilon: float, delta: float) -> None:
    """The p-value is the formula, term by term, also with a delta."""
    correct, guesses = sorted((a, b))
    found = p_value(guesses + more, guesses, correct, epsilon, delta)
    assert found == pytest.approx(slow_p_value(guesses + more, guesses, correct, epsilon, delta), abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 200), st.floats(0.5, 1), st.sampled_from([0.0, 1e-6, 1e-4]), st.sampled_from([0.9, 0.95, 0.99]))
def test_bound_is_the_first_crossing(guesses: int, share: float, delta: float, level: float) -> None:
    """Every epsilon below the bound is refuted, and the next above is not."""
    correct = round(share * guesses)
    bound = epsilon_lower_bound(guesses, guesses, correct, delta=delta, level=level)
    below = [p_value(guesses, guesses, correct, x * bound, delta) for x in (0, 0.1, 0.3, 0.6, 0.9, 0.9999)]
    assert bound == 0 or max(below) <= 1 - level
    assert p_value(guesses, guesses, correct, bound + 1e-4, delta) > 1 - level


@given(st.integers(1, 100), st.data())
def test_more_right_is_more_refuted(guesses: int, data: st.DataObject) -> None:
    """The bound rises with correct guesses up to the ceiling, and falls with delta and with the level."""
    correct = data.draw(st.integers(0, guesses))
    bound = epsilon_lower_bound(guesses, guesses, correct)
    assert bound <= epsilon_lower_bound(guesses, guesses, min(guesses, correct + 1)) <= ceiling(guesses, guesses)
    assert epsilon_lower_bound(guesses, guesses, correct, delta=1e-4) <= bound + 1e-9
    assert epsilon_lower_bound(guesses, guesses, correct, level=0.99) <= bound + 1e-9


@pytest.mark.parametrize("bad", [(5, 6, 1, 0.0, 0.0), (5, 4, 5, 0.0, 0.0), (5, 4, 3, -1.0, 0.0), (5, 4, 3, 1.0, 2.0)])
def test_impossible_counts(bad: tuple[int, int, int, float, float]) -> None:
    """More guesses than units, more right than guessed, a negative epsilon or a delta above 1 are refused."""
    with pytest.raises(ValueError, match="needs"):
        p_value(*bad)


def test_guess_counts() -> None:
    """Even counts, at least 2, each once, never more than there are units."""
    assert guess_counts(100) == [10, 24, 50, 100]
    assert guess_counts(7) == [2, 6]
    assert guess_counts(2) == [2]
    assert guess_counts(1) == []


def test_a_worked_guess() -> None:
    """Top two as in, bottom two as out, the middle left out: here three of the four are right."""
    scores = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    included = np.array([True, False, False, False, True])
    assert guess(scores, included, 4, np.random.default_rng(0)) == (4, 3)


@given(st.permutations(range(12)), st.integers(0, 5))
def test_order_of_units_does_not_matter(order: list[int], seed: int) -> None:
    """Without ties the result is that of the scores, whatever the order of the units."""
    scores, included = np.arange(12.0), np.arange(12) % 3 == 0
    found = one_run_audit(np.ma.masked_array(scores[order]), included[order], seed=seed)
    assert found == one_run_audit(np.ma.masked_array(scores), included, seed=0)


def test_ties_tell_nothing() -> None:
    """Where all scores are equal the guesses are chance, also when the included units stand first."""
    included = np.arange(1000) < 500
    correct = [guess(np.zeros(1000), included, 100, np.random.default_rng(i)).correct for i in range(300)]
    assert np.mean(correct) == pytest.approx(50, abs=1)


def by_name(estimates):
    """Estimates by the last part of their name."""
    return {one.name.rpartition(".")[2]: one for one in estimates}


def test_perfect_scores_reach_the_ceiling() -> None:
    """Where every guess is right the bound is its ceiling, for the corrected level."""
    included = np.arange(200) % 2 == 0
    found = by_name(one_run_audit(np.ma.masked_array(included.astype(float)), included, "x.y", delta=0.0, seed=0))
    q = (0.05 / 4) ** (1 / 200)
    assert found["epsilon"].name == "x.y.epsilon"
    assert found["epsilon"].value == found["epsilon"].low == found["ceiling"].value
    assert found["epsilon"].value == pytest.approx(math.log(q / (1 - q)), abs=1e-6)
    assert found["epsilon"].high is None
    assert (found["guesses"].value, found["correct"].value) == (200, 200)
    assert (found["epsilon"].n_members, found["epsilon"].n_nonmembers) == (100, 100)


def test_nothing_found_is_no_privacy() -> None:
    """Wrong scores give a bound of 0, and the estimate says that this proves no privacy."""
    included = np.arange(200) % 2 == 0
    found = by_name(one_run_audit(np.ma.masked_array(-included.astype(float)), included, seed=0))
    assert found["epsilon"].value == 0
    assert "does not show" in str(found["epsilon"].reason)
    assert found["ceiling"].value > 3


def test_unscored_units_are_not_guessed() -> None:
    """A masked unit is counted and left out; with a delta it still counts among the coins."""
    included = np.arange(100) % 2 == 0
    scores = np.ma.masked_array(included.astype(float), mask=np.arange(100) < 40)
    found = by_name(one_run_audit(scores, included, seed=0))
    assert (found["guesses"].value, found["epsilon"].n_unscored) == (60, 40)
    assert "of 100 units" in found["epsilon"].method
    few = by_name(one_run_audit(np.ma.masked_array(np.zeros(3), mask=[True, True, False]), included[:3], seed=0))
    assert few["epsilon"].value is None
    assert "needs 2" in str(few["epsilon"].reason)


def test_lengths_must_agree() -> None:
    """One coin a score."""
    with pytest.raises(ValueError, match="coins"):
        one_run_audit(np.ma.masked_array(np.zeros(3)), np.zeros(4, bool), seed=0)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_randomised_response(epsilon: float) -> None:
    """For a mechanism of known epsilon the bound exceeds it in at most about 5% of runs, and comes near it.

    Each unit's bit is told truthfully with probability e^eps / (1 + e^eps): exactly eps-private, and all scores tie.
    """
    rng = np.random.default_rng(7)
    truth = math.exp(epsilon) / (1 + math.exp(epsilon))
    bounds = []
    for draw in range(400):
        included = rng.random(400) < 0.5
        told = np.where(rng.random(400) < truth, included, ~included)
        bounds.append(
            by_name(one_run_audit(np.ma.masked_array(told.astype(float)), included, seed=draw))["epsilon"].value
        )
    assert np.mean(np.array(bounds) > epsilon) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert np.median(bounds) > 0.5 * epsilon


def test_chosen_after_the_fact_would_claim_too_much() -> None:
    """Without the correction for several guess counts chance refutes privacy more often than it may; with it, not."""
    rng = np.random.default_rng(11)
    plain = corrected = 0
    for draw in range(600):
        included = rng.random(120) < 0.5
        scores = rng.normal(size=120)
        found = by_name(one_run_audit(np.ma.masked_array(scores), included, seed=draw))
        corrected += found["epsilon"].value > 0
        tried = [guess(scores, included, n, rng) for n in guess_counts(120)]
        plain += max(epsilon_lower_bound(120, one.guesses, one.correct) for one in tried) > 0
    assert plain / 600 > 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)
    assert corrected / 600 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)
