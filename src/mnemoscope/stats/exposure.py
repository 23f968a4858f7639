"""How far a secret that was drawn at random stands out in a model (Carlini et al. 2019, arXiv:1802.08232).

All log-probabilities are of whole secrets, in nats; higher = more probable, and more exposed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special, stats

FEWEST = 8
"""Candidates that a skew-normal is fitted to at least; it has three parameters."""


class Extrapolated(NamedTuple):
    """An exposure beyond all candidates, and whether the curve that it was read off fits them."""

    bits: float
    ks_p: float
    """Of the Kolmogorov-Smirnov test; too large by some, because the curve was fitted to the same candidates."""


def rank_exposure(rank: float, size: int) -> float:
    """log2 of the number of secrets less log2 of the rank among them, bits: 0 for the last, log2(size) for the first.

    Section 4.2 of the paper. `rank` counts from 1 = most probable; ties share their mean rank.

    Raises:
        ValueError: the rank is not in 1..size.
    """
    if not 1 <= rank <= size:
        raise ValueError(f"needs 1 <= rank <= size, got rank {rank} of {size}")
    return math.log2(size) - math.log2(rank)


def midrank(true: float, others: NDArray[np.float64]) -> float:
    """Rank of `true` among itself and the `others`, 1 = highest; ties share their mean; `others` has shape (n,)."""
    return 1 + float((others > true).sum()) + float((others == true).sum()) / 2


def sampled_exposure(true: float, candidates: NDArray[np.float64]) -> float:
    """Exposure by the rank among n random candidates and itself, bits; at most log2(n + 1).

    Section 4.3 of the paper, with the true secret counted among its candidates: a secret that no model has seen has
    every rank with equal chance, and none is rarer than 1 in n + 1. `candidates` has shape (n,).
    """
    return rank_exposure(midrank(true, candidates), len(candidates) + 1)


def extrapolated_exposure(true: float, candidates: NDArray[np.float64]) -> Extrapolated | None:
    """Minus log2 of the probability that a random secret is as probable, by a skew-normal fitted to log-perplexities.

    Section 4.3 of the paper. The tail is integrated in logarithms: a probability of 1e-400 is 1329 bits and not 0.
    None where the candidates are too few or do not differ, so that there is nothing to fit.
    """
    perplexities = -np.asarray(candidates, dtype=np.float64)
    spread = float(perplexities.std()) if len(perplexities) >= FEWEST else 0.0
    if spread <= 1e-9 * max(1.0, float(np.abs(perplexities).max(initial=0))):
        return None
    centre = float(perplexities.mean())  # fitted in standard units: the search takes steps of the size of 1
    skew, loc, scale = stats.skewnorm.fit((perplexities - centre) / spread)
    z = ((-true - centre) / spread - loc) / scale
    fit = stats.kstest((perplexities - centre) / spread, stats.skewnorm(skew, loc, scale).cdf)
    return Extrapolated(-log_skewnormal_cdf(z, skew) / math.log(2), float(fit.pvalue))


def log_skewnormal_cdf(z: float, skew: float) -> float:
    """Natural log of the standard skew-normal's distribution function (Azzalini 1985), exact far down its tail too.

    scipy's own takes the logarithm of a probability, which underflows. Here the density is integrated downwards from
    z, relative to its value at z.
    """
    if (above := float(stats.skewnorm.cdf(z, skew))) > 1e-3:
        return min(0.0, math.log(above))

    def log_density(t: float) -> float:
        return math.log(2 / math.pi) / 2 - t * t / 2 + float(special.log_ndtr(skew * t))  # 2 phi(t) Phi(skew t)

    top = log_density(z)
    # the log density falls by about |z| w u + w u^2 / 2 on the way down; at `reach` by 40 or more
    w = 1 + max(skew, 0.0) ** 2
    reach = 40 / (abs(z) * w + math.sqrt(w))
    area, _ = integrate.quad(lambda u: math.exp(log_density(z - u) - top), 0, reach, epsabs=0, epsrel=1e-10)
    return top + math.log(area)
