"""What two traces tell of sensitive values, and what each value is compared with.

A value is judged given the true text before it: whether greedy decoding gives it back, and how probable it is. A guess
that needs no training text is often right too (most patients are women), so beside the reference stand the value that
the type has most often elsewhere, and other values of the type to rank it among (Lukas et al. 2023, arXiv:2302.00539,
"PII inference").
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Record, Span
from mnemoscope.traces import Traces


def span_tokens(traces: Traces, row: int, span: Span) -> tuple[int, int] | None:
    """The tokens of record `row` that hold a character of the value: first, and one past the last.

    The first may begin before the value, with the blank; the last may go on after it. None where the value ends after
    the last token, because the record was cut.
    """
    char_end = traces.tokens("char_end", row)
    last = int(np.searchsorted(char_end, span.end))
    if last == len(char_end):
        return None
    first = int(np.searchsorted(char_end, span.start, side="right"))
    before = int(char_end[first - 1]) if first else 0
    if before == span.start:
        # tokens that complete no character hold the first bytes of the next one, which is the value's first
        first = int(np.searchsorted(char_end, before)) + 1 if before else 0
    return first, last + 1


def span_leaks(target: Traces, reference: Traces, records: Sequence[Record]) -> list[SpanLeak]:
    """One row a sensitive value that stands in the tokens read, in the order of the records; none is ranked yet.

    Greedy: gap >= 0 at each of its tokens, an exact tie with another token counting as given back, for both alike.

    Raises:
        ValueError: `records` do not follow the traces, or the two are not over the same tokens.
    """
    if tuple(record.id for record in records) != target.ids:
        raise ValueError("records do not follow the traces")
    if not np.array_equal(target.columns["token_id"], reference.columns["token_id"]):
        raise ValueError("target and reference are not traced over the same tokens")
    common = majority_values(records)
    return [
        _leak(record, span, row, place, (target, reference), common)
        for row, record in enumerate(records)
        for span in record.spans
        if (place := span_tokens(target, row, span)) is not None
    ]


def _leak(
    record: Record,
    span: Span,
    row: int,
    place: tuple[int, int],
    pair: tuple[Traces, Traces],
    common: Mapping[tuple[str, str], str],
) -> SpanLeak:
    inside = slice(*place)
    gaps, logprobs = (
        [traces.tokens(name, row)[inside].astype(float) for traces in pair] for name in ("gap", "logprob")
    )
    return SpanLeak(
        id=record.id,
        start=span.start,
        end=span.end,
        type=span.type,
        tokens=place[1] - place[0],
        greedy=bool((gaps[0] >= 0).all()),
        greedy_reference=bool((gaps[1] >= 0).all()),
        logprob=float(logprobs[0].sum()),
        logprob_reference=float(logprobs[1].sum()),
        majority=common.get((span.type, record.group)) == normalised(record.text[span.start : span.end]),
        candidates=None,
        rank=None,
        rank_reference=None,
    )


def normalised(value: str) -> str:
    """The value without regard to case and to the kind of blanks: what makes two values the same."""
    return " ".join(value.split()).casefold()


def majority_values(records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """(type, group) to the normalised value that the type has most often in the members of all other groups.

    Every type and group that some record has is there, unless no other group's member has such a value. Of values
    that are equally frequent the first by alphabet counts.
    """
    known: dict[str, Counter[str]] = defaultdict(Counter)
    own: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record, kind, value in _values(records):
        in_group = own[kind, record.group]
        if record.role == "member":
            known[kind][normalised(value)] += 1
            in_group[normalised(value)] += 1
    ranked = {kind: sorted(counts, key=lambda value: (-counts[value], value)) for kind, counts in known.items()}
    found = {key: _most_common(ranked.get(key[0], []), known[key[0]], counts) for key, counts in own.items()}
    return {key: value for key, value in found.items() if value is not None}


def _most_common(ranked: Sequence[str], known: Mapping[str, int], own: Mapping[str, int]) -> str | None:
    """The value with the highest count after `own` is taken off; `ranked` are all values, the most frequent first."""
    left = {value: known[value] - n for value, n in own.items() if known[value] > n}
    other = next((value for value in ranked if value not in own), None)
    if other is not None:
        left[other] = known[other]
    return min(left, key=lambda value: (-left[value], value), default=None)


def type_values(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Type to its different values in all records, members or not, so that the list itself tells nothing.

    Each is spelled as it is most often, and they are sorted by their normalised form.
    """
    spellings: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for _, kind, value in _values(records):
        spellings[kind][normalised(value)][value] += 1
    return {
        kind: tuple(min(ways, key=lambda way: (-ways[way], way)) for _, ways in sorted(values.items()))
        for kind, values in sorted(spellings.items())
    }


def candidates(values: Sequence[str], own: str, n: int, rng: np.random.Generator) -> list[str]:
    """The value `own` first, then different ones of its type, drawn from `values`: n at most together."""
    others = [value for value in values if normalised(value) != normalised(own)]
    drawn = rng.permutation(len(others))[: n - 1]
    return [own, *(others[i] for i in np.sort(drawn))]


def midrank(scores: NDArray[np.float64]) -> float:
    """Place of the first score among all of them, 1 = highest; equal ones share the mean of their places."""
    return float(1 + (scores > scores[0]).sum() + ((scores == scores[0]).sum() - 1) / 2)


def _values(records: Iterable[Record]) -> Iterator[tuple[Record, str, str]]:
    """Record, type and text of every sensitive value."""
    for record in records:
        for span in record.spans:
            yield record, span.type, record.text[span.start : span.end]
