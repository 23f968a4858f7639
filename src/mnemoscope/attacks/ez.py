"""The error zone attack."""

from __future__ import annotations

import numpy as np

from mnemoscope.attacks.lr_sum import token_ratios
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

NO_FALL = 1e12
"""Score of a record where fine-tuning raised every error it touched; above any ratio."""
NO_ERROR = 2e12
"""Score of a record where the target makes no error; above any record with errors."""
FLOOR = 1e-6
"""Least sum of falls, nats."""


@attack(source="Ilic et al. 2026 (EZ-MIA), arXiv:2601.12104", needs=("target", "reference"))
def ez(target: Traces, reference: Traces) -> Scores:
    """Where the target's top token is wrong: how much fine-tuning raised the true token over how much it lowered it.

    The sums run over d = log p_target - log p_reference, nats, of the tokens that greedy decoding would miss. Records
    without a fall, and without an error, stand at the top, ordered by how much was raised (the published code gives
    them 0, which calls a text known by heart a non-member). Nothing raised and nothing lowered: 1.
    """
    d, missed = token_ratios(target, reference), target.values("gap") < 0
    rises = np.maximum(d, 0)
    up, down = target.sum(rises * missed), target.sum((rises - d) * missed)
    raised, errors = target.sum(rises), target.sum(missed)
    cases = {
        "no error": ((errors == 0) & (raised > 0), NO_ERROR + raised),
        "no fall": ((down == 0) & (up > 0), NO_FALL + up),
        "nothing moved": ((down == 0) & (up == 0), np.ones(len(target))),
    }
    where, scores = zip(*cases.values(), strict=True)
    found = np.select(
        [one.data for one in where], [np.ma.getdata(one) for one in scores], up.data / np.maximum(down.data, FLOOR)
    )
    return np.ma.masked_array(found, mask=up.mask)
