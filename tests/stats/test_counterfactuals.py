"""Counterfactual memorization from shadows."""

from __future__ import annotations

import statistics
import warnings

import numpy as np
import pytest

from mnemoscope.stats import counterfactual


def test_by_hand():
    """Mean with the record less mean without it, and the error of that difference."""
    # accuracy in: .9 .7 (mean .8, s^2 .02), out: .4 .2 .3 (mean .3, s^2 .01): .5, sqrt(.01 + .003333) = .115470
    accuracy = np.array([[0.9], [0.7], [0.4], [0.2], [0.3]])
    inside = np.array([[1], [1], [0], [0], [0]], dtype=bool)
    (found,) = counterfactual(["a"], accuracy, -accuracy, inside)
    assert (found.accuracy, found.accuracy_error) == pytest.approx((0.5, 0.115470), abs=1e-6)
    assert (found.logprob, found.logprob_error) == pytest.approx((-0.5, 0.115470), abs=1e-6)
    assert (found.id, found.n_in, found.n_out) == ("a", 2, 3)


def test_columns_agree_with_loops():
    """Every record has the numbers of two lists of values."""
    rng = np.random.default_rng(0)
    accuracy, logprob, inside = rng.random((12, 30)), -rng.exponential(size=(12, 30)), rng.random((12, 30)) < 0.5
    rows = counterfactual([str(i) for i in range(30)], accuracy, logprob, inside)
    assert len(rows) == 30
    for i, row in enumerate(rows):
        for values, mean, error in (
            (accuracy, row.accuracy, row.accuracy_error),
            (logprob, row.logprob, row.logprob_error),
        ):
            there = [v for v, k in zip(values[:, i].tolist(), inside[:, i], strict=True) if k]
            away = [v for v, k in zip(values[:, i].tolist(), inside[:, i], strict=True) if not k]
            assert mean == pytest.approx(statistics.fmean(there) - statistics.fmean(away))
            spread = statistics.variance(there) / len(there) + statistics.variance(away) / len(away)
            assert error == pytest.approx(spread**0.5)


def test_records_without_two_shadows_on_a_side_are_left_out():
    """One shadow has no spread; neither has a record that a shadow could not measure."""
    inside = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=bool)
    accuracy = np.ma.masked_array(np.full((4, 4), 0.5), mask=False)
    accuracy[2, 3] = np.ma.masked
    rows = counterfactual(list("abcd"), accuracy, np.zeros((4, 4)), inside)
    assert [row.id for row in rows] == ["b"]
    assert (rows[0].accuracy, rows[0].accuracy_error) == (0.0, 0.0)


def test_nothing_in_nothing_out():
    """No shadow or no record gives no row and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((0, 3), (4, 0)):
            empty = np.zeros(shape)
            assert counterfactual(["x"] * shape[1], empty, empty, empty.astype(bool)) == []


def test_shapes_must_agree():
    """Arrays of other records are refused."""
    with pytest.raises(ValueError, match="2 ids"):
        counterfactual(["a", "b"], np.zeros((3, 2)), np.zeros((3, 1)), np.zeros((3, 2), dtype=bool))
