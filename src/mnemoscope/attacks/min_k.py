"""The Min-K% attack."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

FRACTION = 0.2
"""Share of the tokens that is looked at: the 20% of the paper."""


@attack(source="Shi et al. 2023, arXiv:2310.16789", needs=("target",))
def min_k(target: Traces) -> Scores:
    """Mean log-probability of the least likely 20% of the tokens under the target, nats a token."""
    return target.lowest("logprob", FRACTION)
