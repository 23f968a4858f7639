"""Verbatim extraction by greedy decoding, read off a trace.

While every token so far is the true one, the context of greedy decoding is the context of the trace. So the decoder
gives back exactly the run of tokens with gap >= 0 that starts at the cut (Carlini et al. 2023, arXiv:2202.07646,
without generating). In 16-bit arithmetic a near tie may fall the other way when generating: `ambiguous` names the
records whose verdict hangs on one, `settle` takes the verdict of a real generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.extraction.overlap import leading_match
from mnemoscope.extraction.sampling import cuts, matched_runs, shortest_prefixes
from mnemoscope.prefixes import parse_prefix
from mnemoscope.records import Extraction, Record
from mnemoscope.traces import Traces


def verbatim(
    traces: Traces, records: Sequence[Record], *, prefix: str, model: Literal["target", "reference"]
) -> list[Extraction]:
    """One extraction a record that can be cut at `prefix`, in the order of the traces.

    Raises:
        ConfigError: `prefix` is not known.
        ValueError: `records` do not follow the traces.
    """
    _check_aligned(traces, records)
    wanted = parse_prefix(prefix)
    rows, sizes = cuts(traces, wanted)
    matched = matched_runs(traces)[traces.offsets[rows] + sizes]
    facts = np.stack([rows, sizes, traces.lengths[rows] - sizes, matched, shortest_prefixes(traces)[rows]], axis=1)
    found = []
    for i, k, suffix_tokens, run, shortest in facts.tolist():
        hit, inside = _spans(traces, i, records[i], k, run)
        found.append(
            Extraction(
                id=traces.ids[i],
                prefix=wanted.label,
                model=model,
                prefix_tokens=k,
                suffix_tokens=suffix_tokens,
                matched_tokens=run,
                verbatim=run == suffix_tokens,
                shortest_prefix=shortest,
                rechecked=False,
                spans_hit=hit,
                spans_in_suffix=inside,
            )
        )
    return found


def ambiguous(traces: Traces, *, prefix: str, ulp: float) -> list[int]:
    """Rows of the records whose verbatim verdict is open.

    Open: the suffix has no clear miss (gap_ulp below -ulp) and one or more near ties (gap_ulp within +-ulp).

    Raises:
        ConfigError: `prefix` is not known.
    """
    rows, sizes = cuts(traces, parse_prefix(prefix))
    starts, ends = traces.offsets[rows] + sizes, traces.offsets[rows + 1]
    gap = traces.columns["gap_ulp"].astype(np.float64)
    misses, ties = _running_count(gap < -ulp), _running_count(np.abs(gap) <= ulp)
    is_open = (misses[ends] == misses[starts]) & (ties[ends] > ties[starts])
    return [int(row) for row in rows[is_open]]


def settle(
    extractions: Sequence[Extraction],
    generated: Mapping[str, Sequence[int]],
    traces: Traces,
    records: Sequence[Record],
) -> list[Extraction]:
    """The extractions, with the verdict of greedy generation for each record id in `generated`.

    The shortest prefix follows it: at most the cut where the suffix came back, longer where it did not.

    `generated` holds the generated token ids after the cut; what goes on past the end of the suffix is ignored. All
    extractions must be of one prefix and one model, because one id has one generation.

    Raises:
        ValueError: `records` do not follow the traces, or the extractions mix prefixes or models.
    """
    _check_aligned(traces, records)
    kinds = {(extraction.prefix, extraction.model) for extraction in extractions}
    if len(kinds) > 1:
        raise ValueError(f"extractions of one prefix and one model are settled at a time, got {sorted(kinds)}")
    rows = {name: row for row, name in enumerate(traces.ids)}
    settled = []
    for extraction in extractions:
        if extraction.id in generated:
            row = rows[extraction.id]
            extraction = _settled(extraction, generated[extraction.id], traces, row, records[row])
        settled.append(extraction)
    return settled


def _settled(extraction: Extraction, generated: Sequence[int], traces: Traces, row: int, record: Record) -> Extraction:
    k = extraction.prefix_tokens
    matched = leading_match(generated, traces.tokens("token_id", row)[k:].tolist())
    hit, _ = _spans(traces, row, record, k, matched)
    return replace(
        extraction,
        matched_tokens=matched,
        verbatim=matched == extraction.suffix_tokens,
        shortest_prefix=_shortest(extraction, matched, traces.tokens("gap", row)),
        spans_hit=hit,
        rechecked=True,
    )


def _shortest(extraction: Extraction, matched: int, gap: NDArray[np.generic]) -> int:
    """The shortest prefix, where a generation from the cut on knows better than the trace's `gap`, shape (tokens,)."""
    k = extraction.prefix_tokens
    if matched < extraction.suffix_tokens:  # the generation misses the token after its run
        return max(extraction.shortest_prefix, k + matched + 1)
    misses = np.flatnonzero(~(gap[:k].astype(np.float64) >= 0))
    return int(misses[-1]) + 1 if len(misses) else 1


def _running_count(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Flags before each position, one longer than `flags`."""
    return np.concatenate(([0], np.cumsum(flags, dtype=np.int64)))


def _spans(traces: Traces, row: int, record: Record, k: int, matched: int) -> tuple[int, int]:
    """Spans that lie wholly in the matched run, and spans that begin in the suffix."""
    if not record.spans:
        return 0, 0
    char_end = traces.tokens("char_end", row)
    cut, run_end = int(char_end[k - 1]), int(char_end[k + matched - 1])
    inside = [span for span in record.spans if span.start >= cut]
    return sum(span.end <= run_end for span in inside), len(inside)


def _check_aligned(traces: Traces, records: Sequence[Record]) -> None:
    if tuple(record.id for record in records) != traces.ids:
        raise ValueError("records do not follow the traces")
