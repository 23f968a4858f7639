"""The steps from prefixes to real continuations, and to how near they come to the suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope import extraction, models, provenance
from mnemoscope.decoding import Decoding, distinct
from mnemoscope.leaks import Judgement
from mnemoscope.prefixes import cut
from mnemoscope.progress import bar
from mnemoscope.records import Generation, Record
from mnemoscope.seeds import generator
from mnemoscope.tables import read_rows, write_rows

if TYPE_CHECKING:
    from mnemoscope.models import LanguageModel
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces

Tick = Callable[[int], None]
MEASURES = ("rapidfuzz", "sacrebleu", "scikit-learn")
"""Libraries that the measures of nearness come from."""
CHUNK = 64
"""Judgements that are kept together: what a failing judge or a killed run loses at most."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Continuations under one decoding: which record, its cut, and which draw."""

    decoding: Decoding
    rows: list[int]
    cuts: list[int]
    draws: list[int]


def generate(case: Case, traces: Mapping[str, Traces]) -> list[Generation]:
    """Real continuations of a sample of members and non-members, and of every planted record."""
    asked, path = case.measurement, case.file("generations.parquet")
    rows = _chosen(case.records, asked.generations, case.seed)
    jobs = [_job(case, rows, decoding) for decoding in distinct(asked.generate_with)]
    inputs = {
        "traces": case.run.key("pass"), "prefix": case.prefixes[0], "rows": rows, "seed": case.seed,
        "decodings": [job.decoding.label for job in jobs], "draws": asked.draws,
        "measures": provenance.versions(MEASURES),
    }  # fmt: skip

    def work() -> None:
        others = _Others(case, case.prefixes[0])
        found = [row for job in jobs for row in _generated(case, traces, job, others)]
        with case.run.writing(path) as out:
            write_rows(out, Generation, found)

    case.run.stage("generations", inputs, [path], work, units=sum(len(job.rows) for job in jobs))
    return read_rows(case.run.path(path), Generation)


def _job(case: Case, rows: Sequence[int], decoding: Decoding) -> _Job:
    """A decoding that samples has several draws; greedy decoding would only say the same again."""
    draws = case.measurement.draws if decoding.temperature else 1
    ids, prefix = case.tokens.ids, case.prefixes[0]
    cuts = {i: k for i in rows if (k := cut(len(ids[i]), prefix)) is not None}
    return _Job(decoding, [*cuts] * draws, [*cuts.values()] * draws, [n for n in range(draws) for _ in cuts])


def _generated(case: Case, traces: Mapping[str, Traces], job: _Job, others: _Others) -> list[Generation]:
    ids = [case.tokens.ids[i] for i in job.rows]
    prefixes = [row[:k] for row, k in zip(ids, job.cuts, strict=True)]
    suffixes = [row[k:] for row, k in zip(ids, job.cuts, strict=True)]
    lengths = [len(suffix) for suffix in suffixes]
    with bar(f"generate {job.decoding.label}", len(lengths), "texts") as tick:
        new = models.generate(case.target, prefixes, lengths, job.decoding, _uniforms(case, job, lengths), tick=tick)
    losses = _losses(case, prefixes, new)
    texts = [models.decode(case.target, row) for row in new]
    true = [models.decode(case.target, row) for row in suffixes]
    near = extraction.compare(texts, true, _keywords(case, job), [record.text for record in case.records])
    perplexities = {name: np.exp(-np.ma.getdata(one.mean("logprob"))) for name, one in traces.items()}
    return [
        Generation(
            id=case.records[i].id,
            prefix=case.prefixes[0],
            decoding=job.decoding.label,
            draw=job.draws[n],
            prefix_tokens=job.cuts[n],
            suffix_tokens=lengths[n],
            text=texts[n],
            matched_tokens=extraction.leading_match(new[n].tolist(), suffixes[n].tolist()),
            ngram_share=extraction.ngram_share(new[n].tolist(), suffixes[n].tolist()),
            ngram_share_paper=extraction.ngram_share_paper(prefixes[n].tolist(), new[n].tolist(), suffixes[n].tolist()),
            ngram_share_other=others.share(new[n], i, lengths[n]),
            perplexity_base=float(perplexities["reference"][i]),
            perplexity_target=float(perplexities["target"][i]),
            perplexity_generated=float(np.exp(losses[n])),
            **near[n]._asdict(),
        )
        for n, i in enumerate(job.rows)
    ]


def _uniforms(case: Case, job: _Job, lengths: Sequence[int]) -> list[NDArray[np.float64]] | None:
    """One stream a text, named by record, decoding and draw: what stands beside it in a batch changes nothing."""
    if not job.decoding.temperature:
        return None
    named = zip(job.rows, job.draws, lengths, strict=True)
    return [
        generator(case.seed, "generation", case.records[i].id, job.decoding.label, str(draw)).random(n)
        for i, draw, n in named
    ]


def _losses(case: Case, prefixes: Sequence[Any], new: Sequence[Any]) -> list[float]:
    """Mean loss of each generated part in the target, given its prefix, nats a token."""
    whole = [np.concatenate(parts) for parts in zip(prefixes, new, strict=True)]
    lengths = np.array([len(ids) for ids in whole], dtype=np.int64)
    plan = models.plan_batches(lengths, device=case.target.device)
    with bar("read generations", int(lengths.sum()), "tokens") as tick:
        again, _ = models.trace(case.target, models.rows_of(whole), plan, tick)
    return [
        -float(again.tokens("logprob", n)[len(prefix) :].astype(np.float64).mean()) for n, prefix in enumerate(prefixes)
    ]


def _keywords(case: Case, job: _Job) -> list[tuple[str, ...]]:
    """The sensitive values that begin in each suffix."""
    found = []
    for i, k in zip(job.rows, job.cuts, strict=True):
        record, start = case.records[i], int(case.tokens.char_ends[i][k - 1])
        found.append(tuple(record.text[span.start : span.end] for span in record.spans if span.start >= start))
    return found


class _Others:
    """The suffixes of all members, to find what a text gives back of somebody else's."""

    def __init__(self, case: Case, prefix: str) -> None:
        ids = case.tokens.ids
        members = [i for i, record in enumerate(case.records) if record.role == "member"]
        cuts = {i: k for i in members if (k := cut(len(ids[i]), prefix)) is not None}
        _, self._own = np.unique([record.group for record in case.records], return_inverse=True)
        self._groups = self._own[list(cuts)].astype(np.int64)
        self._index = extraction.NgramIndex([ids[i][k:] for i, k in cuts.items()], n=1)

    def share(self, new: NDArray[np.int32], row: int, suffix_tokens: int) -> float:
        """Longest run that stands in another group's suffix, over the length of the record's own."""
        return self._index.longest(new, groups=self._groups, skip=int(self._own[row])).length / suffix_tokens


def judge(case: Case, generations: Sequence[Generation]) -> list[Judgement]:
    """What a model says of each continuation: whether it tells what the suffix tells. Nothing without --judge."""
    if case.measurement.judge is None:
        return []
    path, chunks = case.file("judgements.parquet"), range(0, len(generations), CHUNK)
    ask = _Judge(case.measurement.judge, case.compute.device)
    found = [row for first in chunks for row in _judged(case, ask, first, generations[first : first + CHUNK])]
    inputs = {"parts": [case.run.key(f"judgements/{first}") for first in chunks]}

    def work() -> None:
        with case.run.writing(path) as out:
            write_rows(out, Judgement, found)

    case.run.stage("judgements", inputs, [path], work)
    return found


def _judged(case: Case, ask: _Judge, first: int, generations: Sequence[Generation]) -> list[Judgement]:
    path = case.file(f"judgements/{first}.parquet")
    inputs = {"generations": case.run.key("generations"), "judge": ask.identity, "first": first}
    rows, ids = {record.id: i for i, record in enumerate(case.records)}, case.tokens.ids
    pairs = [(models.decode(case.target, ids[rows[g.id]][g.prefix_tokens :]), g.text) for g in generations]

    def work() -> None:
        with bar(f"judge from {first + 1}", len(pairs), "texts") as tick:
            verdicts = ask(pairs, tick)
        found = [
            Judgement(g.id, g.prefix, g.decoding, g.draw, verdict.prompt, verdict.answer, verdict.same)
            for g, verdict in zip(generations, verdicts, strict=True)
        ]
        with case.run.writing(path) as out:
            write_rows(out, Judgement, found)

    case.run.stage(f"judgements/{first}", inputs, [path], work, units=len(pairs))
    return read_rows(case.run.path(path), Judgement)


class _Judge:
    """A local model, opened when it is first asked, or an endpoint."""

    def __init__(self, name: str, device: str) -> None:
        self._name, self._device = name, device
        self._endpoint = models.parse_judge(name)
        self._lm: LanguageModel | None = None
        self.identity = str(self._endpoint) if self._endpoint else models.locate(name).weights_sha256

    def __call__(self, pairs: Sequence[tuple[str, str]], tick: Tick) -> list[models.Verdict]:
        if self._endpoint is not None:
            return models.judge_endpoint(self._endpoint.url, self._endpoint.model, pairs, tick)
        self._lm = self._lm or models.open_model(self._name, device=self._device)
        return models.judge_local(self._lm, pairs, tick)


def _chosen(records: Sequence[Record], wanted: str, seed: int) -> list[int]:
    """Rows to continue: a random sample of each class, and every planted record."""
    chosen = {i for i, record in enumerate(records) if record.copies > 1} if wanted != "0" else set()
    for role in ("member", "nonmember"):
        rows = [i for i, record in enumerate(records) if record.role == role]
        n = len(rows) if wanted == "all" else min(int(wanted), len(rows))
        chosen.update(rows[i] for i in generator(seed, "generations", role).permutation(len(rows))[:n])
    return sorted(int(i) for i in chosen)
