"""The ratio of losses of the paper's published code."""

from __future__ import annotations

import numpy as np

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="arXiv:2507.21009, published code", needs=("target", "reference"))
def lr_ratio(target: Traces, reference: Traces) -> Scores:
    """Mean loss under the reference over mean loss under the target; reproduces the paper's table."""
    floor = float(np.finfo(np.float32).tiny)  # a text the target knows by heart has loss 0: it ranks at the top
    target_loss: Scores = np.ma.maximum(-target.mean("logprob"), floor)
    return -reference.mean("logprob") / target_loss
