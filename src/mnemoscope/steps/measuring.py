"""The steps from records to estimates: each calls its room and writes its own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from mnemoscope import extraction, models, registry
from mnemoscope.errors import ModelError
from mnemoscope.progress import bar
from mnemoscope.records import Extraction, Generation, Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.steps.inputs import identity
from mnemoscope.tables import read_rows, read_scores, read_traces, write_rows, write_scores, write_traces

if TYPE_CHECKING:
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.steps.case import Case
    from mnemoscope.steps.evidence import Piece
    from mnemoscope.traces import Traces

REFERENCE = "reference/traces.parquet"
AMBIGUOUS_ULP = 8.0
"""Greedy verdicts that hang on a gap of at most so many units in the last place are decided by generating."""


def trace(case: Case) -> dict[str, Traces]:
    """Traces of target and reference over all records, from one pass each.

    Raises:
        ModelError: the adapter changes nothing.
    """
    run, tokens, path = case.run, case.tokens, case.file("traces.parquet")
    inputs = {
        "records": run.key("records"),
        "adapter": models.adapter_hash(case.target),
        "reference": case.base.weights_sha256 if case.base else "adapter off",
        **identity(case.target, case.compute),
    }

    def work() -> None:
        with bar("read target and base", 2 * tokens.total, "tokens") as tick:
            found = models.trace_pair(case.target, case.base, tokens, tick)
        _refuse_inert(*found)
        for name, traces in zip((path, REFERENCE), found, strict=True):
            with run.writing(name) as out:
                write_traces(out, traces)

    run.stage("traces", inputs, [path, REFERENCE], work, units=2 * tokens.total)
    return {"target": read_traces(run.path(path)), "reference": read_traces(run.path(REFERENCE))}


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
        "records": case.run.key("records"),
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


def extract(case: Case, traces: Mapping[str, Traces]) -> list[Extraction]:
    """What greedy decoding gives back of every record, read off the traces; near ties are decided by generating."""
    path, prefixes = case.file("extractions.parquet"), case.measurement.prefixes
    inputs = {"traces": case.run.key("traces"), "prefixes": list(prefixes), "ulp": AMBIGUOUS_ULP}

    def work() -> None:
        found: list[Extraction] = []
        for model in ("target", "reference"):
            for prefix in prefixes:
                found += _extracted(case, traces[model], model, prefix)
        with case.run.writing(path) as out:
            write_rows(out, Extraction, found)

    case.run.stage("extractions", inputs, [path], work, units=len(case.records))
    return read_rows(case.run.path(path), Extraction)


def _extracted(case: Case, traces: Traces, model: Literal["target", "reference"], prefix: str) -> list[Extraction]:
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
    prefixes = [tokens.ids[i][:k] for i, k in zip(rows, cuts, strict=True)]
    lengths = [len(tokens.ids[i]) - k for i, k in zip(rows, cuts, strict=True)]
    if not rows:
        return []
    with bar("generate", len(rows), "records") as tick:
        return models.greedy(lm, prefixes, lengths, tick=tick)


def generate(case: Case, traces: Mapping[str, Traces]) -> list[Generation]:
    """Real continuations of a sample of members and non-members, and of every planted record."""
    path, prefix = case.file("generations.parquet"), case.measurement.prefixes[0]
    rows = _sample(case.records, case.measurement.generations, case.seed)
    inputs = {"traces": case.run.key("traces"), "prefix": prefix, "rows": rows}

    def work() -> None:
        found = _generated(case, traces, rows, prefix)
        with case.run.writing(path) as out:
            write_rows(out, Generation, found)

    case.run.stage("generations", inputs, [path], work, units=len(rows))
    return read_rows(case.run.path(path), Generation)


def _generated(case: Case, traces: Mapping[str, Traces], rows: Sequence[int], prefix: str) -> list[Generation]:
    ids = case.tokens.ids
    cuts = {i: k for i in rows if (k := extraction.cut(len(ids[i]), prefix)) is not None}
    generated = _continue(case.target, case.tokens, list(cuts), list(cuts.values()))
    losses = _generated_losses(case.target, [ids[i][:k] for i, k in cuts.items()], generated)
    perplexities = {name: np.exp(-np.ma.getdata(one.mean("logprob"))) for name, one in traces.items()}
    return [
        Generation(
            id=case.records[i].id,
            prefix=extraction.parse_prefix(prefix).label,
            text=models.decode(case.target, new),
            perplexity_base=float(perplexities["reference"][i]),
            perplexity_target=float(perplexities["target"][i]),
            perplexity_generated=float(np.exp(loss)),
            **_overlap(ids[i].tolist(), k, new.tolist()),
        )
        for (i, k), new, loss in zip(cuts.items(), generated, losses, strict=True)
    ]


def _generated_losses(target: LanguageModel, prefixes: Sequence[Any], generated: Sequence[Any]) -> list[float]:
    """Mean loss of each generated part in the target, given its prefix, nats a token."""
    whole = [np.concatenate(parts) for parts in zip(prefixes, generated, strict=True)]
    lengths = np.array([len(ids) for ids in whole], dtype=np.int64)
    with bar("read generations", int(lengths.sum()), "tokens") as tick:
        again, _ = models.trace(target, models.rows_of(whole), models.plan_batches(lengths), tick)
    return [
        -float(again.tokens("logprob", n)[len(prefix) :].astype(np.float64).mean()) for n, prefix in enumerate(prefixes)
    ]


class _Overlap(TypedDict):
    prefix_tokens: int
    suffix_tokens: int
    matched_tokens: int
    ngram_share: float
    ngram_share_paper: float


def _overlap(ids: list[int], k: int, new: list[int]) -> _Overlap:
    """How much of the record's suffix the generated tokens hold."""
    prefix, suffix = ids[:k], ids[k:]
    return _Overlap(
        prefix_tokens=k,
        suffix_tokens=len(suffix),
        matched_tokens=extraction.leading_match(new, suffix),
        ngram_share=extraction.ngram_share(new, suffix),
        ngram_share_paper=extraction.ngram_share_paper(prefix, new, suffix),
    )


def _sample(records: Sequence[Record], wanted: str, seed: int) -> list[int]:
    """Rows to continue: a random sample of each class, and every planted record."""
    chosen = {i for i, record in enumerate(records) if record.copies > 1} if wanted != "0" else set()
    for role in ("member", "nonmember"):
        rows = [i for i, record in enumerate(records) if record.role == role]
        n = len(rows) if wanted == "all" else min(int(wanted), len(rows))
        chosen.update(rows[i] for i in generator(seed, "generations", role).permutation(len(rows))[:n])
    return sorted(int(i) for i in chosen)
