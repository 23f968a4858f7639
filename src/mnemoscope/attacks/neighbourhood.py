"""The neighbourhood attack."""

from __future__ import annotations

import numpy as np

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Mattern et al. 2023, arXiv:2305.18462", needs=("target", "neighbours"))
def neighbourhood(target: Traces, neighbours: tuple[Traces, ...]) -> Scores:
    """Mean loss of slightly changed copies minus loss of the text, nats a token; copies without tokens do not count."""
    copies = np.ma.masked_array(
        [one.mean("logprob").filled(0) for one in neighbours], mask=[one.lengths == 0 for one in neighbours]
    )
    score: Scores = target.mean("logprob") - copies.mean(axis=0)
    return score
