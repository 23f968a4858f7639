"""From the probability of one query to what many queries give back (Hayes et al. 2024, arXiv:2410.19482)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 1e-12
"""Below this probability log1p(-p) and -p agree to the last digit that matters."""


def chance_within(logprob: NDArray[np.float64], queries: float) -> NDArray[np.float64]:
    """Probability that at least one of `queries` independent queries gives a record back: 1 - (1 - p)^n.

    `logprob` is log p of one query, nats, of any shape; the result has its shape and lies in 0..1.
    """
    with np.errstate(divide="ignore"):  # p = 1: log1p(-1) is -inf, and -expm1(-inf) is 1
        failed = np.log1p(-np.exp(logprob))
    return np.asarray(-np.expm1(queries * failed), dtype=np.float64)


def queries_needed(logprob: NDArray[np.float64], p: float) -> NDArray[np.float64]:
    """The smallest n with 1 - (1 - p_z)^n >= p, at least 1: a record is (n, p)-discoverable from there on.

    `logprob` is log p_z of one query, nats; inf where the decoding can never give the record back.

    Raises:
        ValueError: p is not in (0, 1).
    """
    if not 0 < p < 1:
        raise ValueError(f"p must be above 0 and below 1, got {p}")
    chance = np.exp(np.asarray(logprob, dtype=np.float64))
    with np.errstate(divide="ignore", over="ignore"):
        exact = np.log1p(-p) / np.where(chance < SMALL, -chance, np.log1p(-chance))
    # n is whole; a quotient that is whole but for rounding does not ask for one query more
    return np.asarray(np.maximum(1, np.ceil(exact * (1 - 1e-12))), dtype=np.float64)
