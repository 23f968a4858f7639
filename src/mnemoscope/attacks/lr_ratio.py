"""The ratio of losses of the paper's published code."""

from __future__ import annotations

import numpy as np

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

FLOOR = float(np.finfo(np.float32).tiny)
"""Least loss, nats: a text known by heart has loss 0, and its ratio must be finite and at the top."""


@attack(source="arXiv:2507.21009, published code", needs=("target", "reference"))
def lr_ratio(target: Traces, reference: Traces) -> Scores:
    """Mean loss under the reference over mean loss under the target; reproduces the paper's table."""
    return loss_ratio(reference.mean("logprob"), target.mean("logprob"))


def loss_ratio(above: Scores, below: Scores) -> Scores:
    """Loss of `above` over loss of `below`, both given as log-probabilities, shape (n,); two losses of 0 give 1."""
    ratio: Scores = np.ma.maximum(-above, FLOOR) / np.ma.maximum(-below, FLOOR)
    return ratio
