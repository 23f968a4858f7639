"""The loss attack."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Yeom et al. 2018, arXiv:1709.01604", needs=("target",))
def loss(target: Traces) -> Scores:
    """Mean log-probability under the target, nats a token."""
    return target.mean("logprob")
