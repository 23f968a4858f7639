"""The zlib attack."""

from __future__ import annotations

from mnemoscope.records import Scores
from mnemoscope.registry import attack
from mnemoscope.traces import Traces


@attack(source="Carlini et al. 2021, arXiv:2012.07805", needs=("target",))
def zlib(target: Traces) -> Scores:
    """Mean log-probability over the zlib-compressed size of the text, nats per token and byte."""
    per_byte: Scores = target.mean("logprob") / target.zlib_bytes
    return per_byte
