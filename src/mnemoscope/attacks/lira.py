"""The likelihood ratio attack with shadow models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Shadows, Traces

FLOOR = 1e-6
"""Least variance, square nats: two shadows a record have none, and then the nearer mean decides."""


@attack(source="Carlini et al. 2022 (LiRA, online), arXiv:2112.03570", needs=("target", "shadows"))
def lira(target: Traces, shadows: Shadows) -> Scores:
    """Log-likelihood of the target's mean log-probability among shadows trained with the record, minus without it.

    Normal distributions: a mean for each record, and one variance for all records, as the paper does for fewer than
    64 shadows.
    """
    from scipy.stats import norm

    found = target.mean("logprob")
    phi = np.stack([one.mean("logprob").filled(0) for one in shadows.traces])
    into, out_of = shadows.inside & ~found.mask, ~shadows.inside & ~found.mask
    log_in, log_out = (norm.logpdf(found.filled(0), *normal(phi, where)) for where in (into, out_of))
    return np.ma.masked_array(log_in - log_out, mask=~(into.any(axis=0) & out_of.any(axis=0)))


def normal(phi: NDArray[np.float64], where: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Mean over shadows of each record, shape (n,), and one standard deviation about these means, pooled over records.

    `phi` and `where` have shape (K, n); only entries where `where` holds count. A record without any has mean 0.
    """
    count = where.sum(axis=0)
    mean = (phi * where).sum(axis=0) / np.maximum(count, 1)
    freedom = np.maximum(count - 1, 0).sum()
    variance = (where * (phi - mean) ** 2).sum() / max(int(freedom), 1)
    return mean, float(np.sqrt(max(variance, FLOOR)))
