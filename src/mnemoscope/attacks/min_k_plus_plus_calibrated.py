"""Min-K%++ calibrated by the reference."""

from __future__ import annotations

from mnemoscope.attacks.min_k_plus_plus import min_k_plus_plus
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="LoRA-Leak, arXiv:2507.18302", needs=("target", "reference"))
def min_k_plus_plus_calibrated(target: Traces, reference: Traces) -> Scores:
    """Min-K%++ of the target minus Min-K%++ of the reference; each has its own lowest tokens."""
    difference: Scores = min_k_plus_plus(target) - min_k_plus_plus(reference)
    return difference
