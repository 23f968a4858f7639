"""The likelihood ratio per token."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Mireshghallah et al. 2022, arXiv:2203.03929", needs=("target", "reference"))
def lr_diff(target: Traces, reference: Traces) -> Scores:
    """Mean log-probability under the target minus under the reference, nats a token."""
    difference: Scores = target.mean("logprob") - reference.mean("logprob")
    return difference
