"""The Con-ReCaLL attack."""

from __future__ import annotations

import numpy as np

from mnemoscope.attacks.lr_ratio import FLOOR
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Wang et al. 2024 (Con-ReCall), arXiv:2409.03363", needs=("target", "nonmember_shots", "member_shots"))
def con_recall(target: Traces, nonmember_shots: Traces, member_shots: Traces) -> Scores:
    """Mean loss after known non-members minus after known members, over mean loss without any.

    The paper's weight of the second term is 1 here, because to tune it takes labels.
    """
    worse = member_shots.mean("logprob") - nonmember_shots.mean("logprob")
    score: Scores = worse / np.ma.maximum(-target.mean("logprob"), FLOOR)
    return score
