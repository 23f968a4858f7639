"""The steps from records to estimates: each calls its room and writes its own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from mnemoscope import extraction, models, provenance, registry, stats
from mnemoscope.errors import ModelError
from mnemoscope.progress import bar
from mnemoscope.records import Estimate, Extraction, Generation, Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.steps.inputs import identity
from mnemoscope.tables import read_rows, read_scores, read_traces, write_rows, write_scores, write_traces

if TYPE_CHECKING:
    from mnemoscope.config import Compute, Measurement
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.store import Run
    from mnemoscope.traces import Traces

REFERENCE, ESTIMATES = "reference/traces.parquet", "estimates.parquet"
AMBIGUOUS_ULP = 8.0
"""Greedy verdicts that hang on a gap of at most so many units in the last place are decided by generating."""


def trace(
    run: Run, cell: str, target: LanguageModel, base: LanguageModel | None, tokens: Tokens, compute: Compute
) -> dict[str, Traces]:
    """Traces of target and reference over all records, from one pass each.

    Raises:
        ModelError: the adapter changes nothing.
    """
    path = f"cells/{cell}/traces.parquet"
    inputs = {
        "records": run.key("records"),
        "adapter": models.adapter_hash(target),
        "reference": base.weights_sha256 if base else "adapter off",
        **identity(target, compute),
    }

    def work() -> None:
        with bar("read target and base", 2 * tokens.total, "tokens") as tick:
            found = models.trace_pair(target, base, tokens, tick)
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


def attack(
    run: Run, cell: str, records: Sequence[Record], traces: Mapping[str, Traces], names: Sequence[str]
) -> dict[str, Scores]:
    """Scores of every attack; attack name to one score a record."""
    path = f"cells/{cell}/scores.parquet"
    chosen = [registry.find(name) for name in names]
    inputs = {"traces": run.key("traces"), "attacks": {one.name: one.fingerprint() for one in chosen}}

    def work() -> None:
        scores = {one.name: one.score(traces) for one in chosen}
        with run.writing(path) as out:
            write_scores(out, records, scores, {one.name: one.reason() for one in chosen})

    run.stage("scores", inputs, [path], work, units=len(records))
    return read_scores(run.path(path))


def extract(
    run: Run,
    cell: str,
    records: Sequence[Record],
    traces: Mapping[str, Traces],
    target: LanguageModel,
    base: LanguageModel | None,
    tokens: Tokens,
    measurement: Measurement,
) -> list[Extraction]:
    """What greedy decoding gives back of every record, read off the traces; near ties are decided by generating."""
    path = f"cells/{cell}/extractions.parquet"
    inputs = {"traces": run.key("traces"), "prefixes": list(measurement.prefixes), "ulp": AMBIGUOUS_ULP}

    def work() -> None:
        found: list[Extraction] = []
        for model in ("target", "reference"):
            lm = base if model == "reference" and base is not None else target
            for prefix in measurement.prefixes:
                rows = extraction.verbatim(traces[model], records, prefix=prefix, model=model)
                unsure = extraction.ambiguous(traces[model], prefix=prefix, ulp=AMBIGUOUS_ULP)
                with models.without_adapter(lm, off=model == "reference" and base is None):
                    cuts = {row.id: row.prefix_tokens for row in rows}
                    generated = _continue(lm, tokens, unsure, [cuts[records[i].id] for i in unsure])
                by_id = {records[i].id: new.tolist() for i, new in zip(unsure, generated, strict=True)}
                found += extraction.settle(rows, by_id, traces[model], records)
        with run.writing(path) as out:
            write_rows(out, Extraction, found)

    run.stage("extractions", inputs, [path], work, units=len(records))
    return read_rows(run.path(path), Extraction)


def _continue(lm: LanguageModel, tokens: Tokens, rows: Sequence[int], cuts: Sequence[int]) -> list[Any]:
    """Greedy continuations of the records `rows`, as long as what was cut off."""
    prefixes = [tokens.ids[i][:k] for i, k in zip(rows, cuts, strict=True)]
    lengths = [len(tokens.ids[i]) - k for i, k in zip(rows, cuts, strict=True)]
    if not rows:
        return []
    with bar("generate", len(rows), "records") as tick:
        return models.greedy(lm, prefixes, lengths, tick=tick)


def generate(
    run: Run,
    cell: str,
    records: Sequence[Record],
    traces: Mapping[str, Traces],
    target: LanguageModel,
    tokens: Tokens,
    measurement: Measurement,
    seed: int,
) -> list[Generation]:
    """Real continuations of a sample of members and non-members, and of every planted record."""
    path, prefix = f"cells/{cell}/generations.parquet", measurement.prefixes[0]
    rows = _sample(records, measurement.generations, seed)
    inputs = {"traces": run.key("traces"), "prefix": prefix, "rows": rows}

    def work() -> None:
        cuts = {i: k for i in rows if (k := extraction.cut(len(tokens.ids[i]), prefix)) is not None}
        generated = _continue(target, tokens, list(cuts), list(cuts.values()))
        losses = _generated_losses(target, [tokens.ids[i][:k] for i, k in cuts.items()], generated)
        perplexities = {name: np.exp(-np.ma.getdata(one.mean("logprob"))) for name, one in traces.items()}
        found = [
            Generation(
                id=records[i].id,
                prefix=extraction.parse_prefix(prefix).label,
                text=models.decode(target, new),
                perplexity_base=float(perplexities["reference"][i]),
                perplexity_target=float(perplexities["target"][i]),
                perplexity_generated=float(np.exp(loss)),
                **_overlap(tokens.ids[i].tolist(), k, new.tolist()),
            )
            for (i, k), new, loss in zip(cuts.items(), generated, losses, strict=True)
        ]
        with run.writing(path) as out:
            write_rows(out, Generation, found)

    run.stage("generations", inputs, [path], work, units=len(rows))
    return read_rows(run.path(path), Generation)


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


def estimate(
    run: Run,
    records: Sequence[Record],
    traces: Mapping[str, Traces],
    scores: Mapping[str, Scores],
    extractions: Sequence[Extraction],
    generations: Sequence[Generation],
    measurement: Measurement,
    seed: int,
) -> list[Estimate]:
    """Every statistic with its interval; the controls among them decide whether the audit is valid."""
    stages = ("records", "scores", "extractions", "generations")
    inputs = {
        "level": measurement.level, "resamples": measurement.resamples, "seed": seed,
        "version": provenance.versions(), **{stage: run.key(stage) for stage in stages},
    }  # fmt: skip
    by = stats.Estimator(level=measurement.level, resamples=measurement.resamples, seed=seed)
    reference = traces["reference"]
    controls = {
        "reference_loss": reference.mean("logprob"),
        "length": np.ma.masked_array(reference.lengths.astype(np.float64)),
        "zlib_length": np.ma.masked_array(reference.zlib_bytes.astype(np.float64)),
    }

    def work() -> None:
        sums = {name: one.sum("logprob") for name, one in traces.items()}
        found = [
            *by.controls(records, controls),
            *by.membership(records, scores),
            *by.extraction(records, extractions),
            *by.generation(records, generations),
            *by.perplexity(records, sums, reference.lengths),
        ]
        with run.writing(ESTIMATES) as out:
            write_rows(out, Estimate, found)

    run.stage("estimates", inputs, [ESTIMATES], work)
    found = read_rows(run.path(ESTIMATES), Estimate)
    validity, reason = stats.verdict([one for one in found if one.name.startswith("controls.")])
    run.note(verdict={"validity": validity, "reason": reason})
    return found
