"""The steps from records to traces, and from traces to scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnemoscope import models, registry
from mnemoscope.decoding import Decoding, closed_form, distinct
from mnemoscope.errors import ModelError
from mnemoscope.progress import bar
from mnemoscope.records import Record, Scores
from mnemoscope.steps.opening import base_inputs, identity, texts_key
from mnemoscope.tables import read_scores, read_traces, write_scores, write_traces

if TYPE_CHECKING:
    from mnemoscope.steps.case import Case
    from mnemoscope.steps.evidence import Piece
    from mnemoscope.traces import Traces

REFERENCE = "reference/traces.parquet"


@dataclass(frozen=True, slots=True)
class Reading:
    """How target and reference are read."""

    key: str
    """Of all that this changes in the numbers; empty where it changes none."""
    tokens: int
    """Tokens that are read."""
    pair: Callable[[Callable[[int], None]], tuple[Traces, Traces]]
    """Takes a progress tick, gives the traces of target and reference over the case's records."""


def trace(case: Case, reading: Reading | None = None) -> dict[str, Traces]:
    """Traces of target and reference over all records, from one pass each, with the declared decodings.

    `reading` says how, where it is not one pass of each over the case's records.

    Raises:
        ModelError: the adapter changes nothing.
    """
    run, path, reading = case.run, case.file("traces.parquet"), reading or reading_of(case)
    inputs = {
        "records": case.records_key,
        "adapter": models.adapter_hash(case.target),
        "reference": case.base.weights_sha256 if case.base else "adapter off",
        **identity(case.target, case.compute),
        **({"reading": reading.key} if reading.key else {}),
    }

    def work() -> None:
        with bar("read target and base", reading.tokens, "tokens") as tick:
            found = reading.pair(tick)
        _refuse_inert(*found)
        for name, traces in zip((path, REFERENCE), found, strict=True):
            with run.writing(name) as out:
                write_traces(out, traces)

    base = base_reading(case)
    read = {**inputs, "decodings": base["decodings"]}
    run.stage("traces", read, [path, REFERENCE], work, units=reading.tokens)
    run.mark("pass", inputs)  # what follows hangs on this: more decodings change nothing else
    if not reading.key:
        run.note(base_reading=base)
    return {"target": read_traces(run.path(path)), "reference": read_traces(run.path(REFERENCE))}


def reading_of(case: Case, known: Callable[[], Traces] | None = None) -> Reading:
    """One pass of target and reference each over the case's records; `known` gives the reference's if it was read."""

    def pair(tick: Callable[[int], None]) -> tuple[Traces, Traces]:
        base = known() if known else None
        return models.trace_pair(case.target, case.base, case.tokens, tick, _decodings(case), base)

    return Reading("", case.tokens.total * (1 if known else 2), pair)


def _decodings(case: Case) -> list[Decoding]:
    return distinct(case.measurement.decodings, closed_form)


def base_reading(case: Case) -> dict[str, Any]:
    """What the reference's traces depend on, the machine apart: all but the adapter."""
    return base_inputs(case.base or case.target, case.compute, texts_key(case.records), _decodings(case))


def _refuse_inert(target: Traces, reference: Traces) -> None:
    if np.array_equal(target.columns["logprob"], reference.columns["logprob"]):
        raise ModelError(
            "the adapter changes nothing: every token has the probability that the base gives it. "
            "Was it trained, and is it the right folder?"
        )


def attack(case: Case, evidence: Mapping[str, Piece], names: Sequence[str]) -> dict[str, Scores]:
    """Scores of every attack; attack name to one score a record."""
    path = case.file("scores.parquet")
    chosen = [registry.find(name) for name in names]
    stages = sorted({stage for piece in evidence.values() for stage in piece.stages})
    inputs = {
        "records": case.records_key,
        "evidence": {stage: case.run.key(stage) for stage in stages},
        "attacks": {one.name: one.fingerprint() for one in chosen},
    }

    def work() -> None:
        found = {one.name: _scored(one, evidence, case.records) for one in chosen}
        with case.run.writing(path) as out:
            write_scores(
                out,
                case.records,
                {name: scores for name, (scores, _) in found.items()},
                {name: reasons for name, (_, reasons) in found.items()},
            )

    case.run.stage("scores", inputs, [path], work, units=len(case.records))
    return read_scores(case.run.path(path))


def _scored(
    one: registry.Attack, evidence: Mapping[str, Piece], records: Sequence[Record]
) -> tuple[Scores, list[str | None]]:
    """Scores, and for each record that has none the reason."""
    try:
        scores = one.score({need: evidence[need].value for need in one.needs}, records)
    except registry.Unscorable as error:
        nothing: Scores = np.ma.masked_array(np.zeros(len(records)), mask=True)
        return nothing, [str(error)] * len(records)
    reasons = [one.reason() if out else None for out in np.ma.getmaskarray(scores)]
    for need in one.needs:
        for row, reason in evidence[need].blocked.items():
            scores[row] = np.ma.masked
            reasons[row] = reason
    return scores, reasons
