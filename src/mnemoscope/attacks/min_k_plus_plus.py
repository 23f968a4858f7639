"""The Min-K%++ attack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.attacks.min_k import FRACTION
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

FLOOR = 1e-4
"""Least standard deviation, nats: a model that is certain of its token has 0, and the score must stay finite."""


@attack(source="Zhang et al. 2024, arXiv:2404.02936", needs=("target",))
def min_k_plus_plus(target: Traces) -> Scores:
    """Mean z-score of the lowest 20% of the tokens: how far above the expected log-probability, in its deviations."""
    return target.lowest(z_scores(target), FRACTION)


def z_scores(traces: Traces) -> NDArray[np.float64]:
    """(log p(token) - mu) / sigma of each token, shape (tokens,); mu and sigma are moments of log p under p."""
    above = np.subtract(traces.values("logprob"), traces.values("mean_logprob"), dtype=np.float64)
    z: NDArray[np.float64] = above / np.maximum(traces.values("std_logprob"), FLOOR)
    return z
