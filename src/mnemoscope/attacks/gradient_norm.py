"""The gradient norm attack."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack


@attack(source="Wang et al. 2024, arXiv:2402.17012", needs=("gradient",))
def gradient_norm(gradient: Scores) -> Scores:
    """Minus the L2 norm of the gradient of the record's mean loss with respect to the adapter.

    What was learnt leaves little to learn. `gradient` holds the norms, shape (n,).
    """
    norms: Scores = -gradient
    return norms
