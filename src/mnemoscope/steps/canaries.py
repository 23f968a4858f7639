"""What an audit finds of canaries, planted or held out: the files are those of `planting`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnemoscope import models, stats
from mnemoscope.errors import DataError
from mnemoscope.leaks import CanaryResult
from mnemoscope.progress import bar
from mnemoscope.seeds import generator
from mnemoscope.steps.opening import identity, tokens
from mnemoscope.steps.planting import records_of
from mnemoscope.store import key_of
from mnemoscope.tables import read_rows, write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mnemoscope.data import Canary
    from mnemoscope.models import Tokens
    from mnemoscope.records import Estimate
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces

MISFIT = 0.05
"""A skew-normal whose Kolmogorov-Smirnov test gives less is not relied on."""
EXACT_LIMIT = 1000
"""Secrets of a canary up to which all of them are tried."""


def audit_canaries(case: Case, canaries: Sequence[Canary], *, exact_limit: int = EXACT_LIMIT) -> list[CanaryResult]:
    """What target and reference know of every canary's secret, planted or held out.

    The score is the secret's log-probability in the target less that in the reference; the text before the secret
    counts for nothing. The exposure of a number is its rank among all numbers of its length where they are at most
    `exact_limit`, else among so many random ones as were asked for, and beyond all of these what a skew-normal says.

    Raises:
        DataError: a canary's secret does not fit into the model's context.
        ModelError: target and reference cut text differently.
    """
    if not canaries:
        return []
    path, candidates = case.file("canaries.parquet"), case.measurement.canary_candidates
    inputs = {
        "canaries": key_of([asdict(one) for one in canaries]), "candidates": candidates, "exact_limit": exact_limit,
        "seed": case.seed, "adapter": models.adapter_hash(case.target),
        "reference": case.base.weights_sha256 if case.base else "adapter off", **identity(case.target, case.compute),
    }  # fmt: skip
    coded = tokens(case.target, case.base, records_of([one.text for one in canaries]), case.compute)
    secrets = [secret_tokens(one, ends) for one, ends in zip(canaries, coded.char_ends, strict=True)]

    def work() -> None:
        with bar("read canaries", 2 * coded.total, "tokens") as tick:
            target, reference = models.trace_pair(case.target, case.base, coded, tick)
        exposures = _exposures(case, canaries, candidates, exact_limit)
        found = [
            _result(one, i, place, target, reference, exposures.get(one.id))
            for i, (one, place) in enumerate(zip(canaries, secrets, strict=True))
        ]
        with case.run.writing(path) as out:
            write_rows(out, CanaryResult, found)

    case.run.stage("canaries", inputs, [path], work, units=len(canaries))
    return read_rows(case.run.path(path), CanaryResult)


def secret_tokens(one: Canary, char_ends: NDArray[np.int32]) -> slice:
    """Tokens that hold a character of the secret.

    Several tokens may share a character; all of them but the last have the same char_end as the token before.
    """
    if not len(char_ends) or char_ends[-1] < one.end:
        raise DataError(f"canary {one.id} is cut before the end of its secret: give a larger --max-tokens")
    first = int(np.searchsorted(char_ends, one.start))
    return slice(first + int(char_ends[first] == one.start), int(np.searchsorted(char_ends, one.end)) + 1)


@dataclass(frozen=True, slots=True)
class _Exposure:
    bits: float
    method: str
    fit_p_value: float | None = None


def _result(
    one: Canary, row: int, place: slice, target: Traces, reference: Traces, exposed: _Exposure | None
) -> CanaryResult:
    known, before = (float(t.tokens("logprob", row)[place].astype(np.float64).sum()) for t in (target, reference))
    return CanaryResult(
        id=one.id,
        kind=one.kind,
        included=one.included,
        copies=one.copies,
        score=known - before,
        verbatim=bool((target.tokens("gap", row)[place].astype(np.float64) >= 0).all()),
        logprob=known,
        exposure=exposed.bits if exposed else None,
        exposure_method=exposed.method if exposed else "",
        fit_p_value=exposed.fit_p_value if exposed else None,
    )


def _exposures(case: Case, canaries: Sequence[Canary], n: int, exact_limit: int) -> Mapping[str, _Exposure]:
    """Exposure of every canary with a secret number, by id."""
    numbers = [one for one in canaries if one.digits]
    if not numbers:
        return {}
    with bar("rank the secrets", len(numbers), "canaries") as tick:
        found = {}
        for one in numbers:
            found[one.id] = _exposure(case, one, n, exact_limit)
            tick(1)
    return found


def _exposure(case: Case, one: Canary, n: int, exact_limit: int) -> _Exposure:
    size = 10**one.digits
    every = size <= exact_limit
    true, *others = _logprobs(case, one, [one.secret, *_others(one, None if every else n, case.seed)])
    rank, rivals = stats.midrank(true, np.array(others)), np.array(others)
    if every:
        return _Exposure(stats.rank_exposure(rank, size), "exact rank")
    beyond = stats.extrapolated_exposure(true, rivals) if rank == 1 else None
    if beyond is None or beyond.ks_p < MISFIT:
        return _Exposure(stats.sampled_exposure(true, rivals), "sampled rank")
    return _Exposure(min(beyond.bits, float(np.log2(size))), "skew-normal", beyond.ks_p)


def _others(one: Canary, n: int | None, seed: int) -> list[str]:
    """All other numbers of the secret's length, or `n` random ones, with chance repeats."""
    size = 10**one.digits
    drawn = range(size) if n is None else generator(seed, "exposure", one.id).integers(size, size=n)
    return [secret for number in drawn if (secret := f"{number:0{one.digits}d}") != one.secret]


def _logprobs(case: Case, one: Canary, secrets: Sequence[str]) -> list[float]:
    """Log-probability in the target of each secret in the canary's place, nats.

    Every text is cut as a whole, so that secret and text before it join as they do in training. Where a tokenizer cuts
    the text before differently for some secrets, the tokens in which they differ are counted to the secret.
    """
    coded = models.tokenize(
        case.target, records_of([one.with_secret(secret) for secret in secrets]), max_tokens=case.compute.max_tokens
    )
    places = [secret_tokens(one, ends) for ends in coded.char_ends]
    known = _shared(coded, min(place.start for place in places))
    tails = [ids[known : place.stop] for ids, place in zip(coded.ids, places, strict=True)]
    traces = models.trace_after(case.target, coded.ids[0][:known], models.rows_of(tails))
    return [float(total) for total in np.ma.getdata(traces.sum("logprob"))]


def _shared(coded: Tokens, most: int) -> int:
    """Leading tokens that all records have in common, `most` at most."""
    heads = np.array([ids[:most] for ids in coded.ids])  # (n, most)
    same = (heads == heads[0]).all(axis=0)
    return most if same.all() else int(same.argmin())


def estimate_canaries(case: Case, results: Sequence[CanaryResult]) -> list[Estimate]:
    """What the canaries show together: detection, verbatim return, exposure, and the privacy that they refute."""
    asked: dict[str, Any] = {"level": case.measurement.level, "seed": case.seed}
    found = stats.canary_estimates(results, resamples=case.measurement.resamples, **asked)
    return [*found, *stats.canary_audit(results, **asked)]
