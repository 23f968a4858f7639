"""Traces, sensitive values and pages of the invented audit, for the tests of the section on records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Evidence, Record
from mnemoscope.reporting import page, record_hashes, summary
from mnemoscope.reporting.exposed import columns, exposed
from mnemoscope.reporting.opened import Known
from mnemoscope.seeds import generator
from mnemoscope.traces import Traces

N = 36


def traced(records: Sequence[Record], name: str, tokens: int = N) -> Traces:
    """Traces of equally many tokens a record, with token ids that no other number on a page has."""
    n, rng = len(records), generator(3, "traces", name)
    ends = [np.linspace(0, len(record.text), tokens + 1)[1:].astype(np.int32) for record in records]
    found = {
        "token_id": (1_700_000_000 + np.arange(n * tokens)).astype(np.int32),
        "char_end": np.concatenate(ends),
        "logprob": -rng.gamma(2, 2, n * tokens).astype(np.float32),
    }
    sizes = np.ones(n, dtype=np.int64)
    offsets = np.arange(n + 1, dtype=np.int64) * tokens
    return Traces(tuple(record.id for record in records), offsets, found, sizes, sizes)


def leaks(records: Sequence[Record], target: Traces) -> list[SpanLeak]:
    """One row a sensitive value, over the tokens that hold it."""
    rows = []
    for i, record in enumerate(records):
        ends = target.tokens("char_end", i)
        for span in record.spans:
            first, last = int((ends <= span.start).sum()), int((ends < span.end).sum())
            ranked = (20, 3.0, 11.5) if i % 2 == 0 else (None, None, None)
            told = (last + 1 - first, i == 0, False, -1.5, -4.0, False)
            rows.append(SpanLeak(record.id, span.start, span.end, span.type, *told, *ranked))
    return rows


def known_of(evidence: Evidence) -> Known:
    """Traces of target and reference and the sensitive values."""
    target = traced(evidence.records, "target")
    return Known(target, traced(evidence.records, "reference"), leaks(evidence.records, target))


def whole_page(evidence: Evidence, known: Known, *, show_text: bool) -> str:
    """The page with all that is known."""
    return page(
        evidence,
        summary(evidence),
        show_text=show_text,
        target=known.target,
        reference=known.reference,
        spans=known.spans,
    )


def table_of(evidence: Evidence, known: Known = Known()) -> tuple[Any, dict[str, Any]]:
    """The table, and the columns of its data block."""
    table = exposed(evidence, record_hashes(evidence.records), known.target)
    return table, columns(table)
