"""The likelihood ratio of the paper's text."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="arXiv:2507.21009, eq. for LR (text)", needs=("target", "reference"))
def lr_sum(target: Traces, reference: Traces) -> Scores:
    """Log of the likelihood ratio of target to reference, nats a record; grows with length."""
    return target.sum("logprob") - reference.sum("logprob")
