"""What an audit measured of single records, as columns that another audit's can be subtracted from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.changes import Audited
from mnemoscope.leaks import Sampled, SpanLeak
from mnemoscope.records import Extraction, Generation
from mnemoscope.stats.curves import KNOWN, QUERIES
from mnemoscope.stats.queries import chance_within
from mnemoscope.stats.span_leakage import TOTAL

Side = Literal["member", "nonmember"]
SIDES: tuple[Side, Side] = ("member", "nonmember")
Key = tuple[str, ...]
"""What a row is of: the record's id first, then its place in the record."""


@dataclass(frozen=True, slots=True)
class Table:
    """Statistics that are means over the same rows."""

    names: tuple[str, ...]
    """One a column."""
    role: Side
    keys: tuple[Key, ...]
    """One a row, each once."""
    values: NDArray[np.float64]
    """Shape (n_rows, n_names)."""
    ceiling: float
    """The largest value that a row can have; the least is 0."""


def tables(side: Audited) -> Iterator[Table]:
    """Every mean that two audits can be compared by: extraction, curves, sensitive values, continuations."""
    role_of = {record.id: record.role for record in side.records}
    extractions = [row for row in side.extractions if row.model == "target"]
    sampled = [row for row in side.sampled if row.model == "target"]
    planted = {record.id for record in side.records if record.copies > 1}
    generations = [row for row in side.generations if row.id not in planted]
    for role in SIDES:
        inside = partial(_of, role_of, role)
        yield from _extraction(role, inside(extractions))
        yield from _sampling(role, inside(sampled))
        yield from _spans(role, inside(side.spans))
        yield from _generation(role, inside(generations))


def _of(role_of: Mapping[str, str], role: Side, rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if role_of.get(row.id) == role]


def _extraction(role: Side, rows: Sequence[Extraction]) -> Iterator[Table]:
    for n, (prefix, some) in enumerate(_by(rows, lambda row: row.prefix)):
        path = f"extraction.{prefix}"
        yield _column(f"{path}.verbatim.{role}s", role, [((row.id,), float(row.verbatim)) for row in some])
        longest = float(max(row.suffix_tokens for row in some))
        runs: list[tuple[Key, float]] = [((row.id,), float(row.matched_tokens)) for row in some]
        yield _column(f"{path}.matched_tokens.{role}s", role, runs, ceiling=longest)
        values = [
            ((row.id, str(k)), float(k < row.spans_hit)) for row in some for k in range(row.spans_in_suffix)
        ]  # which of a record's values came back is not known here: only how many count
        if values:
            yield _column(f"{path}.spans.{role}s", role, values)
        if not n:
            yield _prefix_lengths(role, some)


def _prefix_lengths(role: Side, rows: Sequence[Extraction]) -> Table:
    total = np.array([row.prefix_tokens + row.suffix_tokens for row in rows], dtype=np.int64)
    shortest = np.array([row.shortest_prefix for row in rows], dtype=np.int64)
    cuts = np.maximum(1, np.floor(np.outer(total, KNOWN) + 1e-9)).astype(np.int64)
    hits = (cuts >= shortest[:, None]) & (cuts < total[:, None])
    names = tuple(f"prefix_length.{share:g}.{role}s" for share in KNOWN)
    return Table(names, role, tuple((row.id,) for row in rows), hits.astype(np.float64), 1.0)


def _sampling(role: Side, rows: Sequence[Sampled]) -> Iterator[Table]:
    for (prefix, decoding), some in _by(rows, lambda row: (row.prefix, row.decoding)):
        logprob = np.array([row.logprob for row in some], dtype=np.float64)
        names = tuple(f"sampling.{prefix}.{decoding}.expected.n{n}.{role}s" for n in QUERIES)
        values = np.stack([chance_within(logprob, n) for n in QUERIES], axis=1)
        yield Table(names, role, tuple((row.id,) for row in some), values, 1.0)


def _spans(role: Side, rows: Sequence[SpanLeak]) -> Iterator[Table]:
    placed = [row for row in rows if row.tokens]
    named = {TOTAL: placed, **{_label(kind): some for kind, some in _by(placed, lambda row: row.type)}}
    for kind, some in named.items():
        found = {(row.id, str(row.start), str(row.end), row.type): float(row.greedy) for row in some}
        if found:
            yield _column(f"spans.{kind}.greedy.{role}s", role, list(found.items()))


def _label(kind: str) -> str:
    """The type as the audit's estimates name it: a dot would open a new level."""
    own = kind.replace(".", "_")
    return f"{own}_" if own == TOTAL else own


def _generation(role: Side, rows: Sequence[Generation]) -> Iterator[Table]:
    """The first decoding and its first draw of records that were not planted: the mean that the audit prints."""
    for prefix, some in _by(rows, lambda row: row.prefix):
        first = some[0].decoding
        kept = [row for row in some if row.decoding == first and row.draw == 0]
        if kept:
            yield _column(
                f"generation.{prefix}.ngram_share.{role}s", role,
                [((row.id, first), row.ngram_share) for row in kept],
            )  # fmt: skip


def _column(name: str, role: Side, rows: Sequence[tuple[Key, float]], *, ceiling: float = 1.0) -> Table:
    values = np.array([value for _, value in rows], dtype=np.float64)
    return Table((name,), role, tuple(key for key, _ in rows), values[:, None], ceiling)


def _by(rows: Iterable[Any], key: Callable[[Any], Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Rows with an equal key, in the order of its first appearance."""
    listed = list(rows)
    order = {value: n for n, value in enumerate(dict.fromkeys(map(key, listed)))}
    for value, some in groupby(sorted(listed, key=lambda row: order[key(row)]), key=key):
        yield value, list(some)
