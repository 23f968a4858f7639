"""The window-based comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mnemoscope.attacks.lr_sum import token_ratios
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces

WINDOWS = (2, 3, 4, 6, 9, 13, 18, 25, 32, 40)
"""The published list of window sizes, tokens."""


@attack(source="Chen et al. 2026 (WBC), arXiv:2601.02751", needs=("target", "reference"))
def wbc(target: Traces, reference: Traces) -> Scores:
    """Share of windows in which the target beats the reference, mean over window sizes; 0..1.

    Sizes above half the tokens are left out, because so few windows say no more than the sign of the whole sum.
    """
    shares, held = np.zeros(len(target)), target.lengths > 0
    for rows, d in target.by_length(token_ratios(target, reference)):
        shares[rows] = window_shares(d, sizes(d.shape[1]))
    return np.ma.masked_array(shares, mask=~held)


def sizes(tokens: int) -> list[int]:
    """The window sizes for a record of so many tokens: those of at most half of them, and at least one."""
    return [w for w in WINDOWS if w <= tokens // 2] or [max(1, tokens // 2)]


def window_shares(d: NDArray[np.float64], windows: Sequence[int]) -> NDArray[np.float64]:
    """For each row of `d`, shape (m, tokens): share of windows with a sum above 0, then the mean over sizes; (m,)."""
    before = np.zeros((d.shape[0], d.shape[1] + 1))
    np.cumsum(d, axis=1, out=before[:, 1:])  # a window's sum is above 0 where the running sum grew
    total = np.zeros(len(d))
    for w in windows:
        total += np.count_nonzero(before[:, w:] > before[:, :-w], axis=1) / (d.shape[1] + 1 - w)
    return total / len(windows)
