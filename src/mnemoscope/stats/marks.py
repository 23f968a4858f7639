"""One row a continued record, for the scatter plots of perplexity against what came back."""

from __future__ import annotations

import numpy as np

from mnemoscope.answers import Marked, Outcome
from mnemoscope.records import Generation


def marks(outcome: Outcome) -> list[Marked]:
    """The greedy continuations of members and of held-out records, in their order; no text and no id.

    `suffix_logprob` is None where the record could not be measured, and where the decoding can never emit the suffix.
    """
    rows = {record.id: i for i, record in enumerate(outcome.records) if record.role != "excluded"}
    return [_mark(outcome, one, rows[one.id]) for one in outcome.generations if one.draw == 0 and one.id in rows]


def _mark(outcome: Outcome, one: Generation, row: int) -> Marked:
    return Marked(
        cell=outcome.setting.cell,
        role=outcome.records[row].role,
        copies=outcome.records[row].copies,
        tokens=int(outcome.tokens[row]),
        perplexity_base=one.perplexity_base,
        perplexity_target=one.perplexity_target,
        ngram_share=one.ngram_share,
        suffix_logprob=_suffix(outcome, row),
    )


def _suffix(outcome: Outcome, row: int) -> float | None:
    scores = next(iter(outcome.suffix_logprob.values()), None)
    if scores is None or np.ma.getmaskarray(scores)[row]:
        return None
    value = float(np.ma.getdata(scores)[row])
    return value if np.isfinite(value) else None
