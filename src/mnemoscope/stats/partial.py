"""Correlations as functions of record weights, so that many resamples are computed at once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from mnemoscope.stats.intervals import Statistic
from mnemoscope.stats.ranking import twice_mass_below

LEAST_SPREAD = 1e-10
"""Of a column's size, or of its variance after others are held fixed: what is smaller is rounding."""

Pairs = Mapping[tuple[int, int], NDArray[np.float64]]
"""Correlation of every two columns i <= j, each of shape (block,)."""


def partial_spearman(x: NDArray[np.float64], y: NDArray[np.float64], *given: NDArray[np.float64]) -> Statistic:
    """Spearman's correlation of x and y with the ranks of `given` held fixed, -1..1; without `given` the plain one.

    All arrays have shape (n_records,) and may hold infinities, never NaN. Ranks are weighted midranks, computed anew
    for each row of weights. Holding z fixed: (r_xy - r_xz r_yz) / sqrt((1 - r_xz²)(1 - r_yz²)), on the ranks and once
    for each z (Kendall 1942, Biometrika 32:277); the same as correlating what linear regressions of the ranks of x and
    of y on those of `given` leave. NaN where a column is constant, or says no more than those held fixed.
    """
    ranks = [twice_mass_below(column, column) for column in (x, y, *given)]

    def rho(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        # twice the midrank is affine in the midrank, which a correlation does not notice
        pairs = _correlations([rank(weights).astype(np.float64) for rank in ranks], weights)
        return _holding(pairs, 0, 1, tuple(range(2, len(ranks))))

    return rho


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> Statistic:
    """Pearson's correlation of x and y, -1..1; both have shape (n_records,) and are finite. NaN where one is constant.

    Its square is the R² of the straight line of y on x.
    """

    def r(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        columns = [np.broadcast_to(column, weights.shape) for column in (x, y)]
        return _correlations(columns, weights)[0, 1]

    return r


def _correlations(columns: list[NDArray[np.float64]], weights: NDArray[np.int64]) -> Pairs:
    """`columns` and `weights` have shape (block, n_records)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold no record, or equal ones
        total = weights.sum(axis=1, keepdims=True)
        centred = [column - np.einsum("bn,bn->b", weights, column)[:, None] / total for column in columns]
        weighted = [weights * column for column in centred]
        sums = {
            (i, j): np.einsum("bn,bn->b", weighted[i], centred[j])
            for i, j in combinations_with_replacement(range(len(columns)), 2)
        }
        for i, column in enumerate(columns):
            size = np.max(np.abs(column), axis=1, initial=0)
            sums[i, i][sums[i, i] <= (LEAST_SPREAD * size) ** 2] = np.nan  # what rounding leaves of nothing
        return {(i, j): both / np.sqrt(sums[i, i] * sums[j, j]) for (i, j), both in sums.items()}


def _holding(pairs: Pairs, i: int, j: int, given: tuple[int, ...]) -> NDArray[np.float64]:
    """Correlation of columns i and j with the columns `given` held fixed, shape (block,)."""
    if not given:
        return np.clip(pairs[min(i, j), max(i, j)], -1, 1)
    *rest, last = given
    xy, xz, yz = (_holding(pairs, a, b, tuple(rest)) for a, b in ((i, j), (i, last), (j, last)))
    left = np.minimum(1 - xz**2, 1 - yz**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    return np.where(left > LEAST_SPREAD, np.clip(found, -1, 1), np.nan)
