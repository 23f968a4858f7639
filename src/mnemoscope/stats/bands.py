"""Intervals along the ROC curve."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mnemoscope.records import RocBand
from mnemoscope.stats.intervals import group_weights, resample, share_interval
from mnemoscope.stats.rates import RESOLVED
from mnemoscope.stats.sample import Sample, count_groups
from mnemoscope.stats.thresholds import smooth_rates, threshold_at

FPRS = tuple(float(fpr) for fpr in np.unique(np.round([*np.geomspace(1e-4, 0.1, 31), *np.linspace(0.1, 0.98, 23)], 6)))
"""Where the band is computed: ten FPRs to each power of ten, then steps of .04."""


def roc_band(
    sample: Sample,
    *,
    fprs: Iterable[float] = FPRS,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator,
) -> RocBand | None:
    """The interval of `tpr_at_fpr` at each of `fprs` that is resolved; None where none is, or a class is empty.

    One draw of groups serves all FPRs: in each resample the threshold is chosen anew for every FPR (a Bayesian
    bootstrap over groups, Rubin 1981; smoothed as in `smooth_rates`). Each interval is stretched to hold the value,
    and is Clopper-Pearson on the member groups where resampling shows no width; neither end falls as the FPR grows.
    Pointwise: the chance that the whole curve of the population lies inside is less than `level`.

    Args:
        sample: one attack's scores, higher = more likely a member; ranks inside folds where these alone compare.
        fprs: false-positive rates, 0..1.
        level: confidence level of each interval.
        resamples: bootstrap resamples.
        rng: the generator of this draw.
    """
    trials, groups = count_groups(sample.member_groups), count_groups(sample.nonmember_groups)
    grid = np.array([fpr for fpr in sorted(fprs) if fpr * groups >= RESOLVED])
    if sample.gap() or not len(grid):
        return None
    rates = smooth_rates(sample.members, sample.nonmembers, grid)
    classes = (sample.member_groups, sample.nonmember_groups)
    draws = resample(rates, classes, resamples=resamples, rng=rng, draw=group_weights)
    values = np.array([(sample.members > threshold_at(sample.nonmembers, fpr)).mean() for fpr in grid])
    ends = np.array([
        share_interval(value, column, trials=trials, level=level)[:2]
        for value, column in zip(values, draws.T, strict=True)
    ])  # fmt: skip
    # the TPR rises with the FPR, so what bounds it at one FPR from below does so at every larger one
    low = np.maximum.accumulate(np.minimum(ends[:, 0], values))
    high = np.minimum.accumulate(np.maximum(ends[:, 1], values)[::-1])[::-1]
    return RocBand(grid, low, high, level, f"Bayesian group bootstrap (percentile, {resamples} resamples), pointwise")
