"""The steps from scores to estimates and the verdict, with the checks that need no target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import mnemoscope.data as texts
from mnemoscope import provenance, registry, stats
from mnemoscope.leaks import CanaryResult, Judgement, Sampled, SpanLeak
from mnemoscope.progress import bar
from mnemoscope.records import Counterfactual, Estimate, Extraction, Generation, Record, Scores
from mnemoscope.steps.canaries import estimate_canaries
from mnemoscope.tables import read_rows, read_scores, write_rows, write_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnemoscope.steps.case import Case
    from mnemoscope.steps.evidence import Piece
    from mnemoscope.steps.unprompted import Written
    from mnemoscope.traces import Shadows, Traces

ESTIMATES, CHECKS = "estimates.parquet", "checks.parquet"
OVERLAP = 7
"""Words in an n-gram of the overlap check, as MIMIR has it (arXiv:2402.07841)."""
BLIND = ("blind_words", "blind_ngrams")
"""Controls that are cross-fitted: their scores can be compared inside a fold only."""


def check_texts(case: Case) -> dict[str, Scores]:
    """What the texts alone tell of who is a member, and near copies; one score a record, higher = more like a member.

    near_across and near_within are 1 where the record has a near copy in the other class or in its own.
    """
    run, records = case.run, tuple(case.records)

    def work() -> None:
        with run.writing(CHECKS) as out:
            found = _checked(records)
            write_scores(out, records, found, {name: _why_not(name, scores) for name, scores in found.items()})

    run.stage("checks", {"records": case.records_key, "versions": provenance.versions()}, [CHECKS], work)
    return read_scores(run.path(CHECKS))


@lru_cache(maxsize=8)
def _checked(records: tuple[Record, ...]) -> dict[str, Scores]:
    """The checks themselves: they know no model, so cells of a study with the same records have the same."""
    checks: dict[str, Callable[[], Scores]] = {
        "blind_words": lambda: texts.blind_words(records),
        "blind_ngrams": lambda: texts.blind_ngrams(records),
        f"overlap_{OVERLAP}": lambda: texts.overlap(records, OVERLAP),
    }
    found: dict[str, Scores] = {}
    with bar("check the texts", len(checks) + 1, "checks") as tick:
        for name, check in checks.items():
            found[name] = check()
            tick(1)
        for name, near in texts.near_duplicates(records).items():
            found[f"near_{name}"] = np.ma.masked_array(near.astype(np.float64), mask=np.zeros(len(near), bool))
        tick(1)
    return found


def _why_not(name: str, scores: Scores) -> list[str | None]:
    reason = "a class has too few groups" if name in BLIND else "has too few words"
    return [reason if out else None for out in np.ma.getmaskarray(scores)]


def controls(reference: Traces, checks: Mapping[str, Scores]) -> dict[str, Scores]:
    """Scores that cannot know who is a member, by name: whatever tells members by them is no memory."""
    alone = [one for one in registry.attacks().values() if one.needs == ("target",) and not one.fitted]
    return {
        "length": np.ma.masked_array(reference.lengths.astype(np.float64)),
        "zlib_length": np.ma.masked_array(reference.zlib_bytes.astype(np.float64)),
        **{name: checks[name] for name in BLIND},
        **{f"reference_{one.name}": one.score({"target": reference}) for one in alone},
    }


def counterfactuals(case: Case, evidence: Mapping[str, Piece]) -> list[Counterfactual]:
    """Counterfactual memorization of every record, where shadows were trained."""
    if "shadows" not in evidence:
        return []
    shadows: Shadows = evidence["shadows"].value
    path = case.file("counterfactual.parquet")
    inputs = {"evidence": {stage: case.run.key(stage) for stage in evidence["shadows"].stages}}

    def work() -> None:
        hits = np.array([np.ma.getdata(one.mean(one.values("rank") == 1)) for one in shadows.traces])
        logprob = np.array([np.ma.getdata(one.mean("logprob")) for one in shadows.traces])
        ids = [record.id for record in case.records]
        with case.run.writing(path) as out:
            write_rows(out, Counterfactual, stats.counterfactual(ids, hits, logprob, shadows.inside))

    case.run.stage("counterfactual", inputs, [path], work)
    return read_rows(case.run.path(path), Counterfactual)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured of a case; what was not asked for is empty."""

    traces: Mapping[str, Traces]
    checks: Mapping[str, Scores]
    scores: Mapping[str, Scores]
    extractions: Sequence[Extraction]
    sampled: Sequence[Sampled]
    generations: Sequence[Generation]
    judgements: Sequence[Judgement]
    spans: Sequence[SpanLeak]
    written: Written
    memorized: Sequence[Counterfactual]
    canaries: Sequence[CanaryResult]
    coins: bool
    """Whether a fair coin a group decided who was trained on."""


def estimate(case: Case, found: Measured) -> list[Estimate]:
    """Every statistic with its interval; the controls among them decide whether the audit is valid."""
    run = case.run

    def work() -> None:
        parts, rows = _parts(case, found), list[Estimate]()
        with bar("estimate", len(parts), "parts") as tick:
            for part in parts:
                rows += part()
                tick(1)
        with run.writing(ESTIMATES) as out:
            write_rows(out, Estimate, rows)

    run.stage("estimates", _inputs(case, found), [ESTIMATES], work)
    estimates = read_rows(run.path(ESTIMATES), Estimate)
    validity, reason = stats.verdict(estimates)
    run.note(verdict={"validity": validity, "reason": reason})
    return estimates


def _parts(case: Case, found: Measured) -> list[Callable[[], list[Estimate]]]:
    """The families of estimates, in the order of summary.json."""
    asked, records = case.measurement, case.records
    by = stats.Estimator(level=asked.level, resamples=asked.resamples, seed=case.seed, prior=asked.prior)
    reference, checks = found.traces["reference"], found.checks
    fitted = [name for name in found.scores if registry.find(name).fitted]
    near = {name: checks[f"near_{name}"].filled(0) > 0 for name in ("across", "within")}
    known = controls(reference, checks)
    sums = {name: one.sum("logprob") for name, one in found.traces.items()}
    tokens, overlap = asked.match_tokens, {f"{OVERLAP}": checks[f"overlap_{OVERLAP}"]}
    return [
        lambda: by.controls(records, known, folded=BLIND),
        lambda: by.validity(records, near, overlap, known["reference_loss"]),
        lambda: by.membership(records, found.scores, folded=fitted),
        lambda: by.comparison(records, found.scores, folded=fitted),
        lambda: [*by.extraction(records, found.extractions), *by.prefix_length(records, found.extractions)],
        lambda: by.sampling(records, found.sampled),
        lambda: by.generation(records, found.generations),
        lambda: by.discriminators(records, found.generations, found.judgements),
        lambda: stats.span_estimates(
            records, found.spans, level=asked.level, resamples=asked.resamples, seed=case.seed
        ),
        lambda: stats.two_step(records, *found.written, match_tokens=tokens, level=asked.level),
        lambda: by.perplexity(records, sums, reference.lengths),
        lambda: by.counterfactual(records, found.memorized) if found.memorized else [],
        lambda: estimate_canaries(case, found.canaries) if found.canaries else [],
        lambda: by.one_run(records, found.scores, folded=fitted) if found.coins else [],
    ]


def _inputs(case: Case, found: Measured) -> dict[str, Any]:
    asked = case.measurement
    optional = {
        "judgements": found.judgements, "unprompted": found.written.texts, "counterfactual": found.memorized,
        "canaries": found.canaries,
    }  # fmt: skip
    stages = ["checks", "scores", "extractions", "sampled", "generations", "spans"]
    # only what this audit asked for: an earlier one may have left more
    stages += [stage for stage, rows in optional.items() if rows]
    return {
        "level": asked.level, "resamples": asked.resamples, "prior": asked.prior, "match_tokens": asked.match_tokens,
        "coins": found.coins, "seed": case.seed, "records": case.records_key, "version": provenance.versions(),
        **{stage: case.run.key(stage) for stage in stages},
    }  # fmt: skip
