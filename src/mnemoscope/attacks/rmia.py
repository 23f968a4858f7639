"""The robust membership inference attack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Scores
from mnemoscope.registry import Unscorable, attack
from mnemoscope.traces import Shadows, Traces


@attack(source="Zarifzadeh et al. 2023 (RMIA), arXiv:2312.03262", needs=("target", "shadows"))
def rmia(target: Traces, shadows: Shadows) -> Scores:
    """Share of known non-members that the record beats in target probability over mean shadow probability; 0..1.

    The probability of a text is the geometric mean of its tokens'. Non-members of the record's own group do not
    count, and a tie counts half.

    Raises:
        Unscorable: the known non-members do not come from two groups or more.
    """
    ratios, scored = probability_ratios(target, shadows)
    known = shadows.population & scored
    if len(np.unique(shadows.groups[known])) < 2:
        raise Unscorable("known non-members of two groups or more are needed to compare with")
    wins = beaten(ratios, ratios[known])
    total = np.full(len(ratios), known.sum())
    order = np.argsort(shadows.groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(shadows.groups[order])) + 1):
        own = ratios[rows][known[rows]]
        wins[rows] -= beaten(ratios[rows], own)
        total[rows] -= len(own)
    return np.ma.masked_array(wins / total, mask=~scored)


def probability_ratios(target: Traces, shadows: Shadows) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Target probability over the mean of the means of IN and OUT shadows, shape (n,), and where that is known.

    The mean of the two means is what a model would give that has the record with probability 1/2.
    """
    found, into, out_of = target.mean("logprob"), shadows.inside, ~shadows.inside
    probability = np.exp(np.stack([one.mean("logprob").filled(0) for one in shadows.traces]))
    means = [(probability * part).sum(axis=0) / np.maximum(part.sum(axis=0), 1) for part in (into, out_of)]
    scored = ~np.ma.getmaskarray(found) & into.any(axis=0) & out_of.any(axis=0)
    return np.exp(found.filled(0)) / np.maximum(sum(means) / 2, np.finfo(np.float64).tiny), scored


def beaten(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many of `theirs` are below each of `ours`, equals counted half, shape (len(ours),)."""
    ranked = np.sort(theirs)
    return (np.searchsorted(ranked, ours, "left") + np.searchsorted(ranked, ours, "right")) / 2
