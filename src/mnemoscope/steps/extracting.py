"""The step from traces to what decoding gives back: greedily, and with what probability by sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mnemoscope import extraction, models
from mnemoscope.decoding import closed_form, distinct
from mnemoscope.leaks import Sampled
from mnemoscope.progress import bar
from mnemoscope.records import Extraction
from mnemoscope.tables import read_rows, write_rows

if TYPE_CHECKING:
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces

Model = Literal["target", "reference"]
MODELS: tuple[Model, Model] = ("target", "reference")
AMBIGUOUS_ULP = 8.0
"""Greedy verdicts that hang on a gap of at most so many units in the last place are decided by generating."""


def extract(case: Case, traces: Mapping[str, Traces]) -> list[Extraction]:
    """What greedy decoding gives back of every record, read off the traces; near ties are decided by generating."""
    path, prefixes = case.file("extractions.parquet"), case.prefixes
    inputs = {"traces": case.run.key("pass"), "prefixes": list(prefixes), "ulp": AMBIGUOUS_ULP}

    def work() -> None:
        found: list[Extraction] = []
        for model in MODELS:
            for prefix in prefixes:
                found += _extracted(case, traces[model], model, prefix)
        with case.run.writing(path) as out:
            write_rows(out, Extraction, found)

    case.run.stage("extractions", inputs, [path], work, units=len(case.records))
    return read_rows(case.run.path(path), Extraction)


def _extracted(case: Case, traces: Traces, model: Model, prefix: str) -> list[Extraction]:
    own = model == "reference" and case.base is None  # the reference is the target without its adapter
    lm = case.target if case.base is None or model == "target" else case.base
    rows = extraction.verbatim(traces, case.records, prefix=prefix, model=model)
    unsure = extraction.ambiguous(traces, prefix=prefix, ulp=AMBIGUOUS_ULP)
    cuts = {row.id: row.prefix_tokens for row in rows}
    with models.without_adapter(lm, off=own):
        generated = _continue(lm, case.tokens, unsure, [cuts[case.records[i].id] for i in unsure])
    by_id = {case.records[i].id: new.tolist() for i, new in zip(unsure, generated, strict=True)}
    return list(extraction.settle(rows, by_id, traces, case.records))


def _continue(lm: LanguageModel, tokens: Tokens, rows: Sequence[int], cuts: Sequence[int]) -> list[Any]:
    """Greedy continuations of the records `rows`, as long as what was cut off."""
    if not rows:
        return []
    prefixes = [tokens.ids[i][:k] for i, k in zip(rows, cuts, strict=True)]
    lengths = [len(tokens.ids[i]) - k for i, k in zip(rows, cuts, strict=True)]
    with bar("decide near ties", len(rows), "records") as tick:
        return models.generate(lm, prefixes, lengths, tick=tick)


def sample(case: Case, traces: Mapping[str, Traces]) -> list[Sampled]:
    """How probable it is that each declared decoding gives back the rest of a record, read off the traces."""
    path, prefixes = case.file("sampled.parquet"), case.prefixes
    decodings = distinct(case.measurement.decodings, closed_form)
    labels = [one.label for one in decodings]
    inputs = {"traces": case.run.key("traces"), "prefixes": list(prefixes), "decodings": labels}

    def work() -> None:
        found: list[Sampled] = []
        for model in MODELS:
            for prefix in prefixes:
                found += extraction.sampled(traces[model], prefix=prefix, model=model, decodings=decodings)
        with case.run.writing(path) as out:
            write_rows(out, Sampled, found)

    case.run.stage("sampled", inputs, [path], work, units=len(case.records))
    return read_rows(case.run.path(path), Sampled)
