"""The likelihood ratio of the paper's text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="arXiv:2507.21009, eq. for LR (text)", needs=("target", "reference"))
def lr_sum(target: Traces, reference: Traces) -> Scores:
    """Log of the likelihood ratio of target to reference, nats a record; grows with length."""
    total: Scores = target.sum("logprob") - reference.sum("logprob")
    return total


def token_ratios(target: Traces, reference: Traces) -> NDArray[np.float64]:
    """d: log-probability of each token under the target minus under the reference, nats, shape (tokens,).

    In float64, where the difference of two float32 numbers of like size is exact: equal traces give exactly 0.
    """
    d: NDArray[np.float64] = np.subtract(target.values("logprob"), reference.values("logprob"), dtype=np.float64)
    return d
