"""Resampling of groups and exact intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mnemoscope.stats import clopper_pearson, intervals


def test_clopper_pearson_published_values():
    """Clopper-Pearson gives the textbook numbers."""
    # measurement vectors: 10 of 100 -> [.0490, .1762]; 0 of 1929 -> [0, .0019]
    assert clopper_pearson(10, 100) == pytest.approx((0.0490, 0.1762), abs=5e-5)
    low, high = clopper_pearson(0, 1929)
    assert low == 0
    assert high == pytest.approx(0.0019, abs=5e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 7), (3, 7), (7, 7), (1929, 1929)])
def test_exact_is_clopper_pearson_at_whole_counts(k, n):
    """Both agree with the interval that scipy finds by inverting the binomial test."""
    slow = binomtest(k, n).proportion_ci(0.9, method="exact")
    assert clopper_pearson(k, n, 0.9) == pytest.approx((slow.low, slow.high), abs=1e-9)
    assert intervals.exact(k / n, n, 0.9)[:2] == pytest.approx((slow.low, slow.high), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(k, n):
    """More hits than trials, or none to try, is an error."""
    with pytest.raises(ValueError, match="needs 0 <= k <= n"):
        clopper_pearson(k, n)


def test_exact_at_one():
    """At 1 the low end is (alpha / 2) ** (1 / trials)."""
    # 0.025 ** (1 / 5) = exp(ln(0.025) / 5) = exp(-3.688879 / 5) = exp(-0.737776) = 0.478176
    assert intervals.exact(1.0, 5, 0.95)[:2] == pytest.approx((0.478176, 1.0), abs=1e-6)
    assert intervals.exact(0.0, 5, 0.95)[:2] == pytest.approx((0.0, 1 - 0.478176), abs=1e-6)


def test_group_counts_draw_each_group_as_often():
    """Every resample draws as many groups as there are, and each group once on average."""
    counts = intervals.group_counts(7, 3000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 7).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)  # 5 standard errors: 5 * sqrt(.86 / 3000)


def test_group_weights_are_a_flat_dirichlet():
    """The shares of groups have the mean and variance of a flat Dirichlet, and no group drops out."""
    # mean 1 / 7, variance 6 / (49 * 8); 5 standard errors of 4000 draws
    weights = intervals.group_weights(7, 4000, np.random.default_rng(0))
    shares = weights / weights.sum(axis=1, keepdims=True)
    assert (weights > 0).all()
    assert shares.mean(axis=0) == pytest.approx(np.full(7, 1 / 7), abs=0.01)
    assert shares.var(axis=0) == pytest.approx(np.full(7, 6 / (49 * 8)), rel=0.2)


def test_a_resample_moves_groups_whole():
    """Records of one group always have the same weight, and the weights are those of the drawn groups."""
    groups = np.array([5, 9, 5, 2])
    seen = []
    intervals.resample(
        lambda weights: seen.append(weights) or weights[:, 0].astype(float),
        (groups,),
        resamples=50,
        rng=np.random.default_rng(3),
    )
    drawn = intervals.group_counts(3, 50, np.random.default_rng(3))  # columns: groups 2, 5, 9
    assert (drawn[:, [1, 2, 1, 0]] == np.concatenate(seen)).all()


def test_blocks_bound_the_memory(monkeypatch):
    """A small block gives as many draws, each of them within the block."""
    monkeypatch.setattr(intervals, "BLOCK_BYTES", 8 * intervals.ARRAYS_A_RECORD * 4 * 3)  # 3 resamples of 4 records
    sizes = []
    draws = intervals.resample(
        lambda weights: sizes.append(len(weights)) or weights.mean(axis=1),
        (np.arange(4),),
        resamples=10,
        rng=np.random.default_rng(0),
    )
    assert sizes == [3, 3, 3, 1]
    assert draws.shape == (10,)


def test_a_single_group_never_gives_the_bootstrap():
    """With one group the exact interval stands in, however the draws look."""
    found = intervals.share_interval(0.5, np.linspace(0, 1, 11), trials=1, level=0.95)
    assert found.method.startswith("Clopper-Pearson on 1 group")
    assert found.low < 0.5 < found.high
