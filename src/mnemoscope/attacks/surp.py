"""The SURP attack: surprising tokens."""

from __future__ import annotations

import numpy as np

from mnemoscope.attacks.min_k import FRACTION, min_k
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

ENTROPY = 2.0
"""A token surprises where the model's entropy is below, nats."""


@attack(source="Zhang and Wu 2024, arXiv:2407.21248", needs=("target",))
def surp(target: Traces) -> Scores:
    """Mean log-probability of unlikely tokens that the target was sure about, nats a token.

    Unlikely: no likelier than the largest of the record's lowest 20%; sure: entropy below 2 nats. A record without
    such a token gets the mean of its lowest 20%: the same unit and direction.
    """
    edge = np.zeros(len(target), dtype=np.float32)
    for rows, lowest in target.bottom("logprob", FRACTION):
        edge[rows] = lowest.max(axis=1)
    logprob = target.values("logprob")
    surprising = (logprob <= np.repeat(edge, target.lengths)) & (target.values("mean_logprob") > -ENTROPY)
    count, lowest = target.sum(surprising).data, min_k(target)
    means = target.sum(logprob * surprising).data / np.maximum(count, 1)
    return np.ma.masked_array(np.where(count > 0, means, lowest.data), mask=lowest.mask)
