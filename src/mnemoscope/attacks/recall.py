"""The ReCaLL attack."""

from __future__ import annotations

from mnemoscope.attacks.lr_ratio import loss_ratio
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Xie et al. 2024 (ReCaLL), arXiv:2406.15968", needs=("target", "nonmember_shots"))
def recall(target: Traces, nonmember_shots: Traces) -> Scores:
    """Mean loss after some known non-members over mean loss without them; a foreign context hurts members more."""
    return loss_ratio(nonmember_shots.mean("logprob"), target.mean("logprob"))
