"""The lowercase attack."""

from __future__ import annotations

from mnemoscope.attacks.lr_ratio import loss_ratio
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Carlini et al. 2021, arXiv:2012.07805", needs=("target", "lowercase"))
def lowercase(target: Traces, lowercase: Traces) -> Scores:
    """Mean loss on the lower-cased text over mean loss on the text; 1 where it is lower case already."""
    return loss_ratio(lowercase.mean("logprob"), target.mean("logprob"))
