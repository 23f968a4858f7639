"""The most exposed records, each opened to its tokens: what fine-tuning changed, what came back, its sensitive values.

Without `show_text` nothing of a text is here: positions, lengths, differences of log-probabilities, types and ranks.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Evidence, Generation, Record
from mnemoscope.reporting.exposed import Exposed
from mnemoscope.reporting.visible import CHARACTERS, common_run, head, visible
from mnemoscope.traces import Traces

LIMIT = 1000
"""Records that can be opened."""
TOKENS = 512
"""Tokens of a record that are drawn, around the cut between prefix and suffix."""
PIECE = 200
"""Characters of one token's text, and of one value, that are shown."""
WRITTEN = 5
"""Continuations of a record that are told."""
QUANTUM = 0.1
"""Nats of one step of a change."""
UNKNOWN = -128
"""Stands for a change that is not a number."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is on file beside the evidence; none of it is needed."""

    target: Traces | None = None
    reference: Traces | None = None
    spans: Sequence[SpanLeak] = ()


def opened(evidence: Evidence, table: Exposed, known: Known, *, show_text: bool) -> dict[str, Any]:
    """The data block of the first LIMIT records of the table, in its order."""
    chosen = [evidence.records[i] for i in table.order[:LIMIT]]
    ids = {record.id for record in chosen}
    spans = _by_id(known.spans, ids)
    written = _by_id((one for one in evidence.generations if one.prefix == table.prefix), ids)
    types = sorted({leak.type for leaks in spans.values() for leak in leaks})
    views = _Views(known, {name: i for i, name in enumerate(types)}, show_text)
    rows = []
    for i, record in enumerate(chosen):
        cut = {name: int(table.facts[name][i]) for name in ("prefix_tokens", "shortest_prefix")}
        cut["tokens"] = int(table.tokens[i])
        rows.append(views.of(record, cut, spans.get(record.id, ()), written.get(record.id, ())))
    return {"quantum": QUANTUM, "limit": TOKENS, "types": [visible(name[:PIECE]) for name in types], "rows": rows}


def _by_id(rows: Iterable[Any], ids: set[str]) -> Mapping[str, Sequence[Any]]:
    found = defaultdict(list)
    for row in rows:
        if row.id in ids:
            found[row.id].append(row)
    return found


class _Views:
    """Makes one record's view after the other."""

    def __init__(self, known: Known, types: Mapping[str, int], show_text: bool) -> None:
        self._target, self._reference = known.target, known.reference
        self._places = [_places(traces) for traces in (known.target, known.reference)]
        self._types, self._show = types, show_text

    def of(
        self, record: Record, cut: Mapping[str, int], spans: Sequence[SpanLeak], written: Sequence[Generation]
    ) -> dict[str, Any]:
        """What is told of one record."""
        given, n = cut["prefix_tokens"], max(cut["tokens"], 0)
        ends = self._column(0, "char_end", record.id)
        start = int(np.clip(max(given, 0) - TOKENS // 2, 0, max(n - TOKENS, 0)))
        shown = slice(start, min(start + TOKENS, n))
        begins = 0 if ends is None or not 0 < given <= len(ends) else int(ends[given - 1])
        row: dict[str, Any] = {
            "given": given,
            "shortest": cut["shortest_prefix"],
            "from": start,
            "change": self._change(record.id, shown),
            "spans": [self._span(leak, ends) for leak in spans],
            "written": [_told(one, record.text[begins:], self._show) for one in written[:WRITTEN]],
            "more": max(len(written) - WRITTEN, 0),
        }
        if self._show:
            row |= _texts(record, ends, shown) | {"found": [head(_value(record, leak), PIECE) for leak in spans]}
        return row

    def _column(self, which: int, name: str, identity: str) -> NDArray[Any] | None:
        traces, i = (self._target, self._reference)[which], self._places[which].get(identity)
        return None if traces is None or i is None or name not in traces.columns else traces.tokens(name, i)

    def _change(self, identity: str, shown: slice) -> str | None:
        """Target minus reference, one signed byte a token in steps of QUANTUM, as base64."""
        ours, base = (self._column(which, "logprob", identity) for which in (0, 1))
        if ours is None or base is None or len(ours) != len(base):
            return None
        return base64.b64encode(quantised(ours[shown], base[shown]).tobytes()).decode("ascii")

    def _span(self, leak: SpanLeak, ends: NDArray[Any] | None) -> list[Any]:
        """Type, first token, one past the last, greedy and rank in target and reference, candidates, gain in nats."""
        last = UNKNOWN if ends is None else int(np.searchsorted(ends, leak.end)) + 1
        first = UNKNOWN if ends is None else last - leak.tokens
        gain = leak.logprob - leak.logprob_reference
        return [
            self._types[leak.type], first, last, int(leak.greedy), int(leak.greedy_reference), leak.rank,
            leak.rank_reference, leak.candidates, round(gain, 1) if np.isfinite(gain) else None,
        ]  # fmt: skip


def _places(traces: Traces | None) -> Mapping[str, int]:
    return {} if traces is None else {identity: i for i, identity in enumerate(traces.ids)}


def quantised(ours: NDArray[Any], base: NDArray[Any]) -> NDArray[np.int8]:
    """The change in steps of QUANTUM, at most 127 of them either way, UNKNOWN where it is not a number; shape (m,)."""
    with np.errstate(invalid="ignore"):  # -inf - -inf
        change = ours.astype(np.float64) - base.astype(np.float64)
    steps = np.clip(np.rint(change / QUANTUM), -127, 127)
    return np.where(np.isnan(change), UNKNOWN, np.nan_to_num(steps)).astype(np.int8)


def _texts(record: Record, ends: NDArray[Any] | None, shown: slice) -> dict[str, Any]:
    """The text token by token, or as a whole where the traces do not say where a token ends."""
    if ends is None:
        return {"whole": head(record.text)}
    places = [0, *ends.tolist()]
    pieces = [record.text[a:b] for a, b in pairwise(places)][shown]
    return {"pieces": [head(piece, PIECE) for piece in pieces], "beyond": len(record.text) - places[-1]}


def _value(record: Record, leak: SpanLeak) -> str:
    return record.text[leak.start : leak.end]


def _told(one: Generation, suffix: str, show_text: bool) -> dict[str, Any]:
    """One continuation: its length, what of it is the record's; its text only where text is shown.

    The common run is looked for in the first CHARACTERS of both.
    """
    text = one.text[:CHARACTERS]
    at, place, length = common_run(text, suffix[:CHARACTERS])
    told: dict[str, Any] = {
        "decoding": one.decoding,
        "characters": len(one.text),
        "matched": one.matched_tokens,
        "run": [at, place, length],
    }
    if show_text:
        told["text"] = [visible(text[:at]), visible(text[at : at + length]), head(one.text[at + length :])]
    return told
