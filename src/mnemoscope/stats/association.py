"""How two numbers a record go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mnemoscope.records import Estimate
from mnemoscope.stats.intervals import Interval, Statistic, exact, has_width, percentile, resample
from mnemoscope.stats.ranking import twice_mass_below
from mnemoscope.stats.sample import count_groups

FEWEST_PAIRS = 10
"""With fewer pairs a rank correlation says nothing."""


def correlation(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    groups: NDArray[np.int64],
    name: str,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    rng: np.random.Generator,
) -> Estimate:
    """Spearman's rank correlation of x and y over records, -1..1; all three have shape (n_records,).

    Pairs that are not finite are left out and counted as unscored. The interval resamples groups; where that has no
    width (a rho of -1 or 1) it is Clopper-Pearson on the groups, stretched to -1..1. The value is missing with fewer
    than 10 pairs or when x or y is constant.
    """
    kept = np.isfinite(x) & np.isfinite(y)
    x, y, groups = x[kept], y[kept], groups[kept]
    n_groups, n_unscored = count_groups(groups), int((~kept).sum())
    low = high = value = None
    method, reason = "none", _gap(x, y)
    if reason is None:
        value = float(stats.spearmanr(x, y).statistic)
        draws = resample(_weighted_spearman(x, y), (groups,), resamples=resamples, rng=rng)
        low, high, method = _interval(value, draws[np.isfinite(draws)], n_groups, level)
    return Estimate(
        name,
        value,
        low,
        high,
        level,
        method,
        n_members=len(x),
        n_member_groups=n_groups,
        n_unscored=n_unscored,
        reason=reason,
    )


def _gap(x: NDArray[np.float64], y: NDArray[np.float64]) -> str | None:
    if len(x) < FEWEST_PAIRS:
        return f"needs {FEWEST_PAIRS} or more pairs, got {len(x)}"
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return "one of the two is the same for every record"
    return None


def _weighted_spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> Statistic:
    """Pearson's correlation of the weighted midranks; NaN where a resample is constant."""
    rank_x, rank_y = twice_mass_below(x, x), twice_mass_below(y, y)

    def rho(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        total = weights.sum(axis=1, keepdims=True)
        # twice the midrank is affine in the midrank, which a correlation does not notice
        rx, ry = rank_x(weights).astype(np.float64), rank_y(weights).astype(np.float64)
        rx -= (weights * rx).sum(axis=1, keepdims=True) / total
        ry -= (weights * ry).sum(axis=1, keepdims=True) / total
        spread = (weights * rx**2).sum(axis=1) * (weights * ry**2).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray((weights * rx * ry).sum(axis=1) / np.sqrt(spread), dtype=np.float64)

    return rho


def _interval(value: float, draws: NDArray[np.float64], n_groups: int, level: float) -> Interval:
    if n_groups > 1 and len(draws):
        found = percentile(draws, level)
        if has_width(found):
            return found
    # rounding can carry a perfect correlation past 1
    share = exact(min(max((value + 1) / 2, 0.0), 1.0), n_groups, level)
    return Interval(2 * share.low - 1, 2 * share.high - 1, share.method)
