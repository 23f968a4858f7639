"""The ratio of losses against a reference that knows the domain."""

from __future__ import annotations

from mnemoscope.attacks.lr_ratio import loss_ratio
from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="after Watson et al. 2022 (difficulty calibration), arXiv:2111.08440", needs=("target", "in_domain"))
def in_domain_ratio(target: Traces, in_domain: Traces) -> Scores:
    """Mean loss under a model fine-tuned alike on other records over mean loss under the target.

    What the target learned of the domain, which differs from record to record, the reference has learned too, so that
    what is left is what the target knows of the record itself.
    """
    return loss_ratio(in_domain.mean("logprob"), target.mean("logprob"))
