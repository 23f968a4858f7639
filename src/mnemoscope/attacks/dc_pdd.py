"""Divergence from token frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Scores
from mnemoscope.registry import Seen, Unscorable, attack
from mnemoscope.traces import Traces

CAP = 0.01
"""Largest contribution of one token, the paper's a: common words must not decide."""


@attack(source="Zhang et al. 2024 (DC-PDD), 2024.emnlp-main.300", needs=("target",), fitted=True)
def dc_pdd(seen: Seen, target: Traces) -> Scores:
    """Mean over first occurrences of min(p log(1 / frequency), .01): probability given to rare tokens.

    Frequencies are those of known non-members, which are what a non-member looks like.

    Raises:
        Unscorable: there is no calibration non-member to count tokens in.
    """
    return divergence(target, rarity(seen))


def rarity(seen: Seen) -> NDArray[np.float64]:
    """log(1 / frequency) by token id, nats, shape (largest id + 2,); the last entry is that of all unseen ids.

    Laplace's (count + 1) / (total + V) with V = distinct ids + 1: all that is unseen counts as one token, so that the
    table does not depend on the records that are scored.
    """
    ids = seen.traces["target"].take(np.flatnonzero(seen.calibration)).values("token_id")
    if not len(ids):
        raise Unscorable("no calibration non-member to count token frequencies in")
    counts = np.append(np.bincount(ids), 0)
    frequency = (counts + 1) / (len(ids) + np.count_nonzero(counts) + 1)
    return -np.log(frequency)


def divergence(target: Traces, rarity: NDArray[np.float64]) -> Scores:
    """The score, given the table of `rarity`.

    The mean is taken of what each token lacks of the cap: most lack nothing, and their records then tie exactly.
    """
    ids = target.values("token_id")
    worth = np.exp(target.values("logprob"), dtype=np.float64) * rarity[np.minimum(ids, len(rarity) - 1)]
    lack, means, held = np.maximum(CAP - worth, 0), np.full(len(target), CAP), target.lengths > 0
    for (rows, tokens), (_, lacks) in zip(target.by_length(ids), target.by_length(lack), strict=True):
        first = first_occurrences(tokens)
        means[rows] -= (lacks * first).sum(axis=1) / first.sum(axis=1)
    return np.ma.masked_array(means, mask=~held)


def first_occurrences(tokens: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether an id is the first of its kind in its row, shape (m, tokens)."""
    bits = tokens.shape[1].bit_length()
    # id and position in one number: sorted, equal ids stand together, the earliest position first
    keys = np.sort((tokens.astype(np.int64) << bits) | np.arange(tokens.shape[1]), axis=1)
    new = np.ones(tokens.shape, dtype=bool)
    new[:, 1:] = (keys[:, 1:] >> bits) != (keys[:, :-1] >> bits)
    first = np.empty(tokens.shape, dtype=bool)
    np.put_along_axis(first, keys & ((1 << bits) - 1), new, axis=1)
    return first
