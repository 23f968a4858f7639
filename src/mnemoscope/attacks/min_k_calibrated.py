"""Min-K% calibrated by the reference."""

from __future__ import annotations

from mnemoscope.attacks.min_k import min_k
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="LoRA-Leak, arXiv:2507.18302", needs=("target", "reference"))
def min_k_calibrated(target: Traces, reference: Traces) -> Scores:
    """Min-K% of the target minus Min-K% of the reference, nats a token; each has its own least likely tokens."""
    difference: Scores = min_k(target) - min_k(reference)
    return difference
