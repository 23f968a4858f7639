"""The second model attack."""

from __future__ import annotations

from mnemoscope.attacks.lr_ratio import loss_ratio
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Carlini et al. 2021, arXiv:2012.07805", needs=("target", "second"))
def smaller_model(target: Traces, second: Traces) -> Scores:
    """Total loss under a second model over total loss under the target; totals, because their tokens may differ."""
    return loss_ratio(second.sum("logprob"), target.sum("logprob"))
