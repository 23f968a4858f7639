"""What cross-fitting adds to the error of an AUC: the fits of two folds share most of what they learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from mnemoscope.folds import FOLDS
from mnemoscope.records import Estimate

WIDER = float(np.sqrt(1 + FOLDS / (FOLDS - 1)))
"""Nadeau & Bengio 2003 (Machine Learning 52:239): the variance of a mean over F folds is that of the test records times
1 + F * n_test / n_train; 1.5 standard errors for one at F = 5. A trial with boosted trees at chance needed 1.3."""


def widened(estimate: Estimate, *, lowest: float = 0.0) -> Estimate:
    """The estimate with its interval WIDER about the value, and its p-value to match.

    The interval is cut at `lowest`, 0 for an AUC and -1 for a difference of two, and at 1.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    low = max(lowest, estimate.value - WIDER * (estimate.value - estimate.low))
    high = min(1.0, estimate.value + WIDER * (estimate.high - estimate.value))
    p = estimate.p_value
    if p is not None:
        p = 2 * float(stats.norm.sf(float(stats.norm.isf(p / 2)) / WIDER))
    method = f"{estimate.method}, {WIDER:.1f} times as wide for cross-fitting (Nadeau-Bengio)"
    return replace(estimate, low=low, high=high, p_value=p, method=method)
