"""The layout of PHEE (Sun et al., 2022, arXiv:2210.12560): nested events to spans, ids to groups.

Each event has arguments (Subject, Treatment, Effect) and these have sub-arguments (Subject.Age, Treatment.Drug,
Treatment.Combination[].Drug, …). An argument is an object with `text: [["…"], …]` and `start: [[n], …]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from mnemoscope.records import Span

TYPES = frozenset({"Age", "Disorder", "Dosage", "Drug", "Duration", "Effect", "Freq", "Gender", "Population", "Race"})
TYPES |= {"Route", "Time_elapsed"}
"""Arguments that are values. Subject and Treatment are phrases around them; triggers and modifiers are no values."""


def group(record_id: str) -> str:
    """The PubMed id in "PMID_sentence"."""
    return record_id.rpartition("_")[0] or record_id


def spans(annotations: object, text: str) -> tuple[Span, ...]:
    """The distinct values that the annotations mark, by position.

    Raises:
        ValueError: the annotations are not in this layout, or a value does not stand where it says. (PHEE v1 has no
            such value.)
    """
    found = sorted(set(_values(annotations)))
    for kind, value, start in found:
        if not value or start < 0 or text[start : start + len(value)] != value:
            raise ValueError(f"the {kind} said to begin at {start} is not there")
    marked = (Span(start, start + len(value), kind) for kind, value, start in found)
    return tuple(sorted(marked, key=lambda span: (span.start, span.end, span.type)))


def _values(node: object, name: str = "") -> Iterator[tuple[str, str, int]]:
    if isinstance(node, list):
        for item in node:
            yield from _values(item, name)
    elif isinstance(node, Mapping):
        if name in TYPES:
            yield from _argument(node, name)
        for key, child in node.items():
            yield from _values(child, key)


def _argument(node: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, int]]:
    try:
        texts = list(chain.from_iterable(node["text"]))
        starts = list(chain.from_iterable(node["start"]))
    except (KeyError, TypeError):
        raise ValueError(f"{name} has no text and start lists") from None
    whole = all(isinstance(value, str) for value in texts) and all(type(start) is int for start in starts)
    if len(texts) != len(starts) or not whole:
        raise ValueError(f"{name} has text and start lists that do not match")
    yield from ((name.lower(), value, start) for value, start in zip(texts, starts, strict=True))
