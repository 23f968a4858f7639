"""Two-step extraction (Carlini et al. 2021, arXiv:2012.07805): write texts without a prefix, rank them, look them up.

The first step knows nothing of the training set: half of the texts follow the start token alone, half the first words
of calibration records, which were never trained on. Each is matched against the members and, as the false-alarm
floor, against the held-out evaluation records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope import extraction, models, provenance, registry
from mnemoscope.decoding import parse_decoding
from mnemoscope.leaks import Unprompted
from mnemoscope.progress import bar
from mnemoscope.records import Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.tables import read_rows, read_scores, read_traces, write_rows, write_scores, write_traces
from mnemoscope.traces import Traces, concatenate

if TYPE_CHECKING:
    from mnemoscope.steps.case import Case

CHUNK = 64
"""Texts that are written and kept together: what a killed run loses at most."""
OPENING_TOKENS = 4
"""First tokens of a calibration record that open a text."""


class Written(NamedTuple):
    """What the first step gives: texts and the attacks' scores of them."""

    texts: list[Unprompted]
    scores: dict[str, Scores]


@dataclass(frozen=True, slots=True)
class _Opening:
    """What stands before a text."""

    name: str
    kind: str
    ids: NDArray[np.int32]


def unprompted(case: Case) -> Written:
    """Texts that the target writes on its own, with what each shares with members and with held-out records."""
    openings = _openings(case)
    if not openings:
        return Written([], {})
    pairs = [_chunk(case, k, openings[k : k + CHUNK]) for k in range(0, len(openings), CHUNK)]
    target, reference = (concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    path, scored = case.file("unprompted.parquet"), case.file("unprompted_scores.parquet")
    stages = [_name(k) for k in range(0, len(openings), CHUNK)]
    attacks = [
        one for one in registry.attacks().values() if set(one.needs) <= set(registry.TRACE_ONLY) and not one.fitted
    ]
    inputs = {
        "records": case.records_key,
        "texts": [case.run.key(stage) for stage in stages],
        "attacks": {one.name: one.fingerprint() for one in attacks},
        "measures": provenance.versions(("rapidfuzz",)),
    }

    def work() -> None:
        rows = _matched(case, openings, target)
        texts = [_as_record(row) for row in rows]
        scores = {one.name: one.score({"target": target, "reference": reference}, texts) for one in attacks}
        with case.run.writing(path) as out:
            write_rows(out, Unprompted, rows)
        with case.run.writing(scored) as out:
            write_scores(out, texts, scores, {one.name: _reasons(one, scores[one.name]) for one in attacks})

    case.run.stage("unprompted", inputs, [path, scored], work, units=len(openings))
    return Written(read_rows(case.run.path(path), Unprompted), read_scores(case.run.path(scored)))


def _openings(case: Case) -> list[_Opening]:
    """Half the start token alone, half the first tokens of a calibration record drawn at random."""
    n = case.measurement.unprompted
    known = [i for i, record in enumerate(case.records) if record.part == "calibration"]
    similar = n // 2 if known else 0
    drawn = generator(case.seed, "openings").integers(len(known), size=similar) if known else np.zeros(0, np.int64)
    found = [("similar", case.tokens.ids[known[i]][:OPENING_TOKENS]) for i in drawn]
    found += [("start", np.zeros(0, dtype=np.int32))] * (n - similar)
    return [_Opening(f"u{k:06d}", kind, ids) for k, (kind, ids) in enumerate(found)]


def _name(first: int) -> str:
    return f"unprompted/{first}"


def _chunk(case: Case, first: int, openings: Sequence[_Opening]) -> tuple[Traces, Traces]:
    """Texts written together, as traces of opening and text in target and reference."""
    asked, decoding = case.measurement, parse_decoding(case.measurement.unprompted_with)
    names = [case.file(f"unprompted/{model}-{first}.parquet") for model in ("target", "reference")]
    inputs = {
        "traces": case.run.key("pass"), "decoding": decoding.label, "tokens": asked.unprompted_tokens,
        "openings": [[one.name, *map(int, one.ids)] for one in openings], "seed": case.seed,
    }  # fmt: skip

    def work() -> None:
        length = asked.unprompted_tokens
        uniforms = [generator(case.seed, "unprompted", one.name).random(length) for one in openings]
        with bar(f"write {first + len(openings)}/{asked.unprompted}", len(openings), "texts") as tick:
            prefixes, lengths = [one.ids for one in openings], [length] * len(openings)
            new = models.generate(case.target, prefixes, lengths, decoding, uniforms, tick=tick)
        whole = [np.concatenate((one.ids, row)) for one, row in zip(openings, new, strict=True)]
        tokens = models.rows_of(whole, [models.decode(case.target, row) for row in whole])
        with bar("read what was written", 2 * tokens.total, "tokens") as tick:
            traces = models.trace_pair(case.target, case.base, tokens, tick)
        for name, one in zip(names, traces, strict=True):
            with case.run.writing(name) as out:
                write_traces(out, one)

    case.run.stage(_name(first), inputs, names, work, units=len(openings))
    target, reference = (read_traces(case.run.path(name)) for name in names)
    return target, reference


class _Corpus:
    """Records of one class, to look texts up in."""

    def __init__(self, case: Case, keep: Callable[[Record], bool]) -> None:
        self._rows = [i for i, record in enumerate(case.records) if keep(record)]
        self._case = case
        self._index = extraction.NgramIndex([case.tokens.ids[i] for i in self._rows])

    def best(self, ids: NDArray[np.int32], text: str) -> tuple[int, str, float]:
        """Longest run shared with a record, its id, and how near the text comes to the nearest record."""
        run = self._index.longest(ids)
        if not run.length:
            return 0, "", 0.0
        records = [self._case.records[self._rows[row]] for row in {run.row, *self._index.candidates(ids)}]
        near = max(extraction.similarity(record.text, text) for record in records)
        return run.length, self._case.records[self._rows[run.row]].id, near


def _matched(case: Case, openings: Sequence[_Opening], target: Traces) -> list[Unprompted]:
    members = _Corpus(case, lambda record: record.role == "member")
    heldout = _Corpus(case, lambda record: record.role == "nonmember" and record.part == "evaluation")
    found = []
    with bar("look up texts", len(openings), "texts") as tick:
        for n, one in enumerate(openings):
            ids = np.asarray(target.tokens("token_id", n)[len(one.ids) :], dtype=np.int32)
            text = models.decode(case.target, ids)
            ours, theirs = members.best(ids, text), heldout.best(ids, text)
            found.append(Unprompted(one.name, one.kind, text, len(ids), *ours, *theirs))
            tick(1)
    return found


def _as_record(row: Unprompted) -> Record:
    """What an attack takes; nobody knows a written text's class, so it has none."""
    return Record(row.id, row.text, row.id, "excluded", "evaluation", copies=0)


def _reasons(one: registry.Attack, scores: Scores) -> list[str | None]:
    return [one.reason() if out else None for out in np.ma.getmaskarray(scores)]
