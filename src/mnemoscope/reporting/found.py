"""The records that came back, as rows of the page: without text unless it is asked for."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mnemoscope.records import Evidence, Extraction, Record
from mnemoscope.reporting.names import main_attack, main_prefix
from mnemoscope.reporting.wording import NONE, number
from mnemoscope.traces import Traces

ROWS = 200
CHARACTERS = 2000
"""Longer parts of a shown text are cut, at the side away from the cut between prefix and suffix, and say so."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A record's text in three parts, made safe to look at."""

    prefix: str
    """What the model was given; the whole text where the cut is not known."""
    matched: str
    rest: str
    generated: str | None
    """What the model wrote, where it was asked to generate."""
    cut: bool
    """Whether the three parts are known."""


@dataclass(frozen=True, slots=True)
class Found:
    """One record that came back at least in part."""

    hash: str
    role: str
    characters: int
    copies: int
    matched: int
    suffix: int
    base_matched: str
    """What the base model gives back of it, in tokens."""
    spans_hit: int
    spans: int
    score: str
    verbatim: bool
    rechecked: bool
    passage: Passage | None


def found(evidence: Evidence, *, show_text: bool, traces: Traces | None = None) -> tuple[str | None, list[Found], int]:
    """The prefix of the table, up to ROWS records by matched share and then score, and how many there are."""
    prefix = main_prefix(row.prefix for row in evidence.extractions)
    place = {record.id: i for i, record in enumerate(evidence.records)}
    rows = {model: _rows(evidence, prefix, model) for model in ("target", "reference")}
    scores = _scores(evidence)
    hits = [row for key, row in rows["target"].items() if row.matched_tokens > 0 and key in place]
    hits.sort(key=lambda row: (-_share(row), -scores.get(row.id, -np.inf), short_hash(row.id)))
    passages = Passages(evidence, prefix, traces) if show_text else None
    table = [
        _found(evidence.records[place[row.id]], row, rows["reference"].get(row.id), scores, passages)
        for row in hits[:ROWS]
    ]
    return prefix, table, len(hits)


def _rows(evidence: Evidence, prefix: str | None, model: str) -> dict[str, Extraction]:
    return {row.id: row for row in evidence.extractions if row.prefix == prefix and row.model == model}


def _share(row: Extraction) -> float:
    return row.matched_tokens / max(row.suffix_tokens, 1)


def _scores(evidence: Evidence) -> Mapping[str, float]:
    attack = main_attack(evidence.scores)
    if attack is None:
        return {}
    column = np.ma.masked_array(evidence.scores[attack])
    scored = ~np.ma.getmaskarray(column)
    return {record.id: float(column[i]) for i, record in enumerate(evidence.records) if scored[i]}


def _found(
    record: Record,
    row: Extraction,
    base: Extraction | None,
    scores: Mapping[str, float],
    passages: Passages | None,
) -> Found:
    score = scores.get(record.id)
    return Found(
        hash=short_hash(record.id),
        role={"member": "training", "nonmember": "held out"}.get(record.role, record.role),
        characters=len(record.text),
        copies=record.copies,
        matched=row.matched_tokens,
        suffix=row.suffix_tokens,
        base_matched=NONE if base is None else str(base.matched_tokens),
        spans_hit=row.spans_hit,
        spans=row.spans_in_suffix,
        score=NONE if score is None else number(score),
        verbatim=row.verbatim,
        rechecked=row.rechecked,
        passage=None if passages is None else passages.of(record, row),
    )


def short_hash(identity: str) -> str:
    """Ten hex digits that stand for a record: its owner, who knows the ids, can find it."""
    return hashlib.sha256(identity.encode()).hexdigest()[:10]


class Passages:
    """Texts cut at the prefix, where the target's traces say which character a token ends at."""

    def __init__(self, evidence: Evidence, prefix: str | None, traces: Traces | None) -> None:
        self._traces = traces
        self._place = {} if traces is None else {identity: i for i, identity in enumerate(traces.ids)}
        self._generated = {g.id: g.text for g in evidence.generations if g.prefix == prefix}

    def of(self, record: Record, row: Extraction) -> Passage:
        """The passage of one record."""
        generated = self._generated.get(record.id)
        written = None if generated is None else _head(generated)
        ends = self._ends(record.id, row)
        if ends is None:
            return Passage(_head(record.text), "", "", written, cut=False)
        cut, match = ends
        text = record.text
        return Passage(_tail(text[:cut]), _head(text[cut:match]), _head(text[match:]), written, cut=True)

    def _ends(self, identity: str, row: Extraction) -> tuple[int, int] | None:
        if self._traces is None or identity not in self._place:
            return None
        ends = self._traces.tokens("char_end", self._place[identity])
        last = row.prefix_tokens + row.matched_tokens
        if not 0 < last <= len(ends):
            return None
        cut = int(ends[row.prefix_tokens - 1]) if row.prefix_tokens else 0
        return cut, int(ends[last - 1])


def _head(text: str) -> str:
    left = len(text) - CHARACTERS
    return visible(text[:CHARACTERS]) + (f" … ({left:,} characters more)" if left > 0 else "")


def _tail(text: str) -> str:
    left = len(text) - CHARACTERS
    return (f"({left:,} characters before) … " if left > 0 else "") + visible(text[max(left, 0) :])


def visible(text: str) -> str:
    """Control and direction marks as their names: hidden ones could reorder or hide the text around them."""
    return "".join(_named(character) for character in text)


def _named(character: str) -> str:
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs"}
    if not hidden or character in "\n\t\u200c\u200d":  # the last two join emoji and letters of many scripts
        return character
    return f"⟨U+{ord(character):04X}⟩"
