"""All audited records, the most exposed first, as columns: what the table of records shows, without any text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Evidence, Record
from mnemoscope.reporting.names import main_attack, main_prefix
from mnemoscope.reporting.wording import NONE, number, percent
from mnemoscope.traces import Traces

Ints = NDArray[np.int64]

SIDES = ("training", "held out", "planted")
STATIC = 25
"""Rows that stand on the page without a script."""
UNKNOWN = -1
"""Stands in a column of counts where the number was not measured."""
_FACTS = (
    "prefix_tokens", "suffix_tokens", "matched_tokens", "spans_hit", "spans_in_suffix", "shortest_prefix", "verbatim",
    "rechecked",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exposed:
    """Columns of shape (n,), by matched share, then score, then hash; counts are UNKNOWN where not measured."""

    attack: str | None
    """The headline's attack, whose score is shown."""
    prefix: str | None
    """The headline's prefix, after which tokens are counted as given back."""
    heldout: int
    """Held-out records that were scored."""
    order: Ints
    """Place of each row in the records of the evidence."""
    hashes: tuple[str, ...]
    side: Ints
    """Index into SIDES."""
    characters: Ints
    copies: Ints
    """In the fine-tuning set."""
    tokens: Ints
    score: NDArray[np.float64]
    """NaN where the record could not be scored; higher = more likely a member."""
    as_high: Ints
    """Held-out records that score as high or higher."""
    facts: Mapping[str, Ints]
    """What the target gives back: the counts of `Extraction`, and its two verdicts as 0 and 1."""
    base_matched: Ints
    """Tokens that the reference gives back."""


def exposed(evidence: Evidence, hashes: Mapping[str, str], traces: Traces | None = None) -> Exposed:
    """The table of all records.

    Args:
        evidence: what was measured.
        hashes: id to the hash that stands for it.
        traces: the target's; they count the tokens of records that are too short to be cut.
    """
    prefix, attack = main_prefix(row.prefix for row in evidence.extractions), main_attack(evidence.scores)
    facts = _facts(evidence, prefix, "target")
    score, as_high, heldout = _scores(evidence, attack)
    names = np.array([hashes[record.id] for record in evidence.records], dtype=str)
    order = np.lexsort((names, -np.nan_to_num(score, nan=-np.inf), -_share(facts)))
    records = [evidence.records[i] for i in order.tolist()]
    return Exposed(
        attack=attack,
        prefix=prefix,
        heldout=heldout,
        order=order,
        hashes=tuple(names[order].tolist()),
        side=np.array([_side(record) for record in records], dtype=np.int64),
        characters=np.array([len(record.text) for record in records], dtype=np.int64),
        copies=np.array([record.copies for record in records], dtype=np.int64),
        tokens=_tokens(evidence, facts, traces)[order],
        score=score[order],
        as_high=as_high[order],
        facts={name: column[order] for name, column in facts.items()},
        base_matched=_facts(evidence, prefix, "reference")["matched_tokens"][order],
    )


def _side(record: Record) -> int:
    if record.copies > 1:
        return SIDES.index("planted")
    return SIDES.index("training" if record.role == "member" else "held out")


def _facts(evidence: Evidence, prefix: str | None, model: Literal["target", "reference"]) -> dict[str, Ints]:
    """The counts of the extractions at this prefix, in the order of the records."""
    place = {record.id: i for i, record in enumerate(evidence.records)}
    take = attrgetter(*_FACTS)
    table = np.full((len(evidence.records), len(_FACTS)), UNKNOWN, dtype=np.int64)
    rows = [
        (place[row.id], *take(row))
        for row in evidence.extractions
        if row.prefix == prefix and row.model == model and row.id in place
    ]
    if rows:
        found = np.array(rows, dtype=np.int64)
        table[found[:, 0]] = found[:, 1:]
    return dict(zip(_FACTS, table.T, strict=True))


def _share(facts: Mapping[str, Ints]) -> NDArray[np.float64]:
    """Share of the suffix that came back; below 0 where nobody looked."""
    return facts["matched_tokens"] / np.maximum(facts["suffix_tokens"], 1)


def _scores(evidence: Evidence, attack: str | None) -> tuple[NDArray[np.float64], Ints, int]:
    """Scores, how many held-out records score at least as high as each record, and how many held-out ones there are."""
    n = len(evidence.records)
    if attack is None:
        return np.full(n, np.nan), np.full(n, UNKNOWN, dtype=np.int64), 0
    given = np.ma.masked_array(evidence.scores[attack])
    known = ~np.ma.getmaskarray(given) & np.isfinite(given.data)
    score = np.where(known, given.data, np.nan).astype(np.float64)
    held = known & np.array([record.role == "nonmember" for record in evidence.records], dtype=bool)
    others = np.sort(score[held])
    as_high = np.where(known, len(others) - np.searchsorted(others, score, side="left"), UNKNOWN)
    return score, as_high, len(others)


def _tokens(evidence: Evidence, facts: Mapping[str, Ints], traces: Traces | None) -> Ints:
    cut = facts["prefix_tokens"] >= 0
    tokens = np.where(cut, facts["prefix_tokens"] + facts["suffix_tokens"], UNKNOWN)
    if traces is not None and not cut.all():
        known = dict(zip(traces.ids, traces.lengths.tolist(), strict=True))
        for i in np.flatnonzero(~cut).tolist():
            tokens[i] = known.get(evidence.records[i].id, UNKNOWN)
    return tokens


def columns(table: Exposed) -> dict[str, Any]:
    """The table as the page's data block holds it: numbers as they are shown, one list or one string a column."""
    facts, (shares, which) = table.facts, np.unique(_shares(table), return_inverse=True)
    return {
        "sides": SIDES,
        "hash": "".join(table.hashes),  # all are equally long
        "side": "".join(map(str, table.side.tolist())),
        "recheck": "".join("1" if seen == 1 else "0" for seen in facts["rechecked"].tolist()),
        "score": [None if score != score else _rounded(score) for score in table.score.tolist()],
        "tokens": table.tokens.tolist(),
        "characters": table.characters.tolist(),
        "copies": table.copies.tolist(),
        "shares": shares.tolist(),  # the page rounds as Python does, and few shares are different once they are rounded
        "asHigh": which.tolist(),
        "suffix": facts["suffix_tokens"].tolist(),
        "matched": facts["matched_tokens"].tolist(),
        "base": table.base_matched.tolist(),
        "hit": facts["spans_hit"].tolist(),
        "values": facts["spans_in_suffix"].tolist(),
    }


def _shares(table: Exposed) -> list[str]:
    """The share of held-out records that score as high, in words."""
    return [_share_of(n, table.heldout) for n in table.as_high.tolist()]


def _share_of(n: int, heldout: int) -> str:
    return percent(n / heldout) if n >= 0 and heldout else NONE


def _rounded(score: float) -> float:
    """The score in the digits of `wording.number`."""
    return float(number(score).replace(",", ""))


def first_rows(table: Exposed) -> list[dict[str, Any]]:
    """The first rows in words, as they stand on the page where no script runs."""
    return [_row(table, i) for i in range(min(STATIC, len(table.order)))]


def _row(table: Exposed, i: int) -> dict[str, Any]:
    facts = {name: int(column[i]) for name, column in table.facts.items()}
    score = float(table.score[i])
    return {
        "hash": table.hashes[i],
        "side": SIDES[table.side[i]],
        "tokens": _counted(table.tokens[i]),
        "characters": _counted(table.characters[i]),
        "copies": _counted(table.copies[i]),
        "score": NONE if np.isnan(score) else number(score),
        "as_high": _share_of(int(table.as_high[i]), table.heldout),
        "matched": _of(facts["matched_tokens"], facts["suffix_tokens"]),
        "share": 100 * max(facts["matched_tokens"], 0) / max(facts["suffix_tokens"], 1),
        "whole": facts["verbatim"] == 1,
        "rechecked": facts["rechecked"] == 1,
        "base": _counted(table.base_matched[i]),
        "values": _of(facts["spans_hit"], facts["spans_in_suffix"]),
    }


def _counted(n: np.int64) -> str:
    return NONE if n == UNKNOWN else f"{n:,}"


def _of(part: int, whole: int) -> str:
    return NONE if part == UNKNOWN else f"{part} of {whole}"
