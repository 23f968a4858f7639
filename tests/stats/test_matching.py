"""Equal held-out perplexity: where on its path from the base model a cell reaches a level first."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from study_cells import cell

from mnemoscope.answers import Rules
from mnemoscope.records import Record
from mnemoscope.stats.contrasts import Arm, Bootstrap
from mnemoscope.stats.matching import first_reached, heldout_path, matched

RECORDS = [
    Record("a", "", "a", "member", "train"),
    Record("b", "", "b", "nonmember", "evaluation"),
    Record("c", "", "c", "nonmember", "calibration"),
    Record("d", "", "d", "member", "train"),
]
TOKENS = [5, 1, 3, 5]


def along(*heldout, base=4.0, scores=None, **facts):
    """A cell whose held-out loss a token is `base`, then each of `heldout`; members' losses are far off."""
    losses = [[99.0, 1 * level, 3 * level, 99.0] for level in heldout]
    rows = np.arange(4.0)[None].repeat(len(heldout), axis=0) if scores is None else scores
    return cell(RECORDS, rows, losses=losses, base=[99.0, base, 3 * base, 99.0], tokens=TOKENS, **facts)


def test_the_path_is_the_log_perplexity_of_non_members():
    """Losses 2 and 6 over 1 and 3 tokens are 2 nats a token; members do not count, the base comes first."""
    outcome = cell(RECORDS, np.zeros(4), losses=[9.0, 2.0, 6.0, 9.0], base=[1.0, 10.0, 2.0, 7.0], tokens=TOKENS)
    assert heldout_path(outcome) == pytest.approx([3.0, 2.0])


def test_without_held_out_tokens_there_is_no_path():
    """No token, no perplexity."""
    with pytest.raises(ValueError, match="have no token"):
        heldout_path(cell(RECORDS, np.zeros(4), tokens=[5, 0, 0, 5]))


@pytest.mark.parametrize(
    ("path", "level", "expected"),
    [
        ([4, 3, 2], 2.5, (0, 0.5, 0.5)),  # halfway from 3 to 2
        ([4, 3, 2], 3.0, (0, 1, 0)),
        ([4, 3, 2], 3.75, (0.75, 0.25, 0)),
        ([4, 2, 3, 1], 2.5, (0.25, 0.75, 0, 0)),  # the first time, not the second
        ([4, 5, 1], 2.0, (0, 0.25, 0.75)),  # after a rise above the base
        ([4, 3, 2, 5], 2.0, (0, 0, 1, 0)),
    ],
)
def test_the_first_place_that_reaches_the_level(path, level, expected):
    """Weights of the two neighbours are those of the straight line between them."""
    assert first_reached(np.array(path, dtype=float), level) == pytest.approx(expected)


@given(st.lists(st.floats(0, 4), min_size=1, max_size=6), st.floats(0, 1))
def test_weights_give_the_level_back(steps, share):
    """They add up to 1, at most two neighbours have any, the path has the level there and is above it before."""
    path = np.array([5.0, *steps])
    level = path.min() + share * (4.5 - path.min())
    weights = np.array(first_reached(path, level))
    assert weights.sum() == pytest.approx(1)
    assert weights @ path == pytest.approx(level)
    used = np.flatnonzero(weights)
    assert used.max() - used.min() <= 1
    assert (path[: used.max()] > level).all()


@pytest.mark.parametrize("level", [1.0, 4.0, 5.0])
def test_a_level_that_is_not_reached_is_refused(level):
    """Below the whole path, or at or above its start."""
    with pytest.raises(ValueError, match="does not fall to"):
        first_reached(np.array([4.0, 2.0]), level)


def test_both_stand_at_the_worse_of_the_two_best():
    """Bests 1 and 2: the first is taken halfway from 3 to 1, the second at its best, not at its overfitted end."""
    first, second = matched(along(3, 1), along(3, 2, 6, matrices="q"))
    assert first.weights == pytest.approx((0, 0.5, 0.5))
    assert second.weights == pytest.approx((0, 0, 1, 0))


def test_a_cell_that_gets_no_better_than_the_base_has_no_place():
    """The reason names it, whichever of the two it is; equal to the base is not better."""
    good, bad = along(3, 1), along(5, 4, matrices="q")
    expected = f"{bad.setting.cell} never predicts held-out text better than the base model"
    assert matched(good, bad) == expected
    assert matched(bad, good) == expected


def test_a_cell_is_its_own_match():
    """Against itself both arms stand at its best moment, and differ by nothing."""
    outcome = along(3, 1, 2)
    first, second = matched(outcome, outcome)
    assert first == second
    assert first.weights == (0, 0, 1, 0)


def test_the_base_counts_as_chance():
    """Base 4, first moment 2 with AUC 1, level 3: half of .5 and half of 1 is .75; the other arm has AUC .75 at 3."""
    perfect = np.array([[2.0, 1.0, 0.0, 3.0]])
    first = along(2, scores=perfect)
    second = along(3, matrices="q", scores=np.array([[1.0, 0.0, 1.5, 2.0]]))
    arms = matched(first, second)
    assert isinstance(arms, tuple)
    assert arms[0].weights == (0.5, 0.5)
    boot = Bootstrap.of([first, second], Rules(resamples=20), seed=0)
    none = np.zeros(4, dtype=bool)
    assert [boot.value(arm, none).value for arm in arms] == [0.75, 0.75]
    assert boot.value(Arm.end(first), none).value == 1.0
