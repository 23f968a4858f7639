"""The step from two traces to everything else that a chosen attack needs; each piece says its cost before it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mnemoscope.data as texts
from mnemoscope import models, registry
from mnemoscope.errors import DataError
from mnemoscope.progress import bar, say
from mnemoscope.records import Record
from mnemoscope.seeds import generator
from mnemoscope.steps import in_domain as domain
from mnemoscope.steps.opening import identity, open_alone
from mnemoscope.steps.others import recipe_of
from mnemoscope.steps.shadows import OPTION, shadows
from mnemoscope.tables import read_scores, read_traces, write_scores, write_traces

if TYPE_CHECKING:
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces

Blocked = Mapping[int, str]
"""Row to the reason why it cannot be scored with this evidence."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one need of an attack is met with."""

    value: Any
    blocked: Blocked = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    """The stages that made it, whose keys the scores depend on."""


def gather(case: Case, traces: Mapping[str, Traces], names: Sequence[str]) -> dict[str, Piece]:
    """Evidence for the attacks `names`, by need; what trains comes last, because it takes the target's adapter off."""
    needs = _needs(names)
    found = {need: Piece(traces[need], stages=("traces",)) for need in needs if need in registry.TRACE_ONLY}
    return found | {need: PROVIDERS[need](case) for need in needs if need not in registry.TRACE_ONLY}


def foresee(case: Case, names: Sequence[str]) -> None:
    """Refuse now what would fail only after the long passes.

    Raises:
        ConfigError, DataError: the evidence for an attack cannot be made.
    """
    needs = _needs(names)
    for side in SHOT_PARTS:
        if f"{side}_shots" in needs:
            _shot_rows(case, side)
    if "shadows" in needs:
        recipe_of(case, OPTION)
    if "in_domain" in needs:
        recipe_of(case, domain.OPTION)
        domain.references(case.records, case.seed)


def _needs(names: Sequence[str]) -> list[str]:
    """What the attacks `names` need, in the order of registry.NEEDS."""
    chosen = [registry.find(name) for name in names]
    return [need for need in registry.NEEDS if any(need in one.needs for one in chosen)]


Make = Callable[[Callable[..., None]], "Traces"]
"""Takes a progress tick, gives traces."""


def _read(
    case: Case, need: str, lm: LanguageModel, total: int, inputs: Mapping[str, Any], makes: Sequence[Make]
) -> tuple[Traces, ...]:
    """More passes as one stage: what each of `makes` gives, `total` tokens together."""
    paths = [case.file(f"evidence/{need}-{k}.parquet") for k in range(len(makes))]
    inputs = {**_known(case, lm), **inputs}

    def work() -> None:
        _tell(case, need, total)
        with bar(f"read {need}", total, "tokens") as tick:
            for path, make in zip(paths, makes, strict=True):
                with case.run.writing(path) as out:
                    write_traces(out, make(tick))

    case.run.stage(f"evidence/{need}", inputs, paths, work, units=total)
    return tuple(read_traces(case.run.path(path)) for path in paths)


def _known(case: Case, lm: LanguageModel) -> dict[str, Any]:
    """What every piece of evidence depends on."""
    records, adapter = case.records_key, models.adapter_hash(case.target)
    return {"records": records, "adapter": adapter, **identity(lm, case.compute)}


def _tell(case: Case, need: str, tokens: int, factor: float = 1) -> None:
    """The cost in tokens, and in minutes at the rate of the passes that every audit makes."""
    rate = case.run.timings["stages"].get("traces", {}).get("per_second")
    about = f", about {factor * tokens / rate / 60:.1f} min" if rate else ""
    users = ", ".join(one.name for one in registry.attacks().values() if need in one.needs)
    say(f"{users}: {tokens:,} tokens more to read ({need}){about}")


def _plain(lm: LanguageModel, tokens: Tokens) -> Make:
    return lambda tick: models.trace(lm, tokens, models.plan_batches(tokens.lengths, device=lm.device), tick)[0]


def _changed(case: Case, records: Sequence[Record]) -> Tokens:
    return models.tokenize(case.target, records, max_tokens=case.compute.max_tokens)


def _lowercase(case: Case) -> Piece:
    tokens = _changed(case, [replace(record, text=record.text.lower(), spans=()) for record in case.records])
    (traces,) = _read(case, "lowercase", case.target, tokens.total, {}, [_plain(case.target, tokens)])
    return Piece(traces, stages=("evidence/lowercase",))


def _neighbours(case: Case) -> Piece:
    """Traces of changed copies, one a copy; texts of one word cannot be changed."""
    n = case.measurement.neighbours
    copies = [_changed(case, records) for records in texts.neighbours(case.records, n, case.seed)]
    total = sum(tokens.total for tokens in copies)
    makes = [_plain(case.target, tokens) for tokens in copies]
    traces = _read(case, "neighbours", case.target, total, {"n": n, "seed": case.seed}, makes)
    return Piece(traces, texts.unchangeable(case.records), ("evidence/neighbours",))


def _nonmember_shots(case: Case) -> Piece:
    return _shots(case, "nonmember")


def _member_shots(case: Case) -> Piece:
    return _shots(case, "member")


def _shots(case: Case, side: str) -> Piece:
    """The records after some known ones; whoever shares a group with a shot is not scored."""
    rows = _shot_rows(case, side)
    shots = models.shots_of(case.target, [case.records[i].text for i in rows])
    need = f"{side}_shots"

    def make(tick: Any) -> Traces:
        return models.trace_after(case.target, shots, case.tokens, tick)

    (traces,) = _read(case, need, case.target, case.tokens.total, {"shots": rows}, [make])
    groups = {case.records[i].group for i in rows}
    reason = f"shares its group with one of the {len(rows)} {side} shots"
    blocked = {i: reason for i, one in enumerate(case.records) if one.group in groups}
    return Piece(traces, blocked, (f"evidence/{need}",))


SHOT_PARTS = {"nonmember": "calibration", "member": "train"}
"""Where an attacker knows records from: the part of the shots, by their side."""


def _shot_rows(case: Case, side: str) -> list[int]:
    """Rows of the shots, each of another group.

    Raises:
        DataError: there are too few groups to draw them from.
    """
    part = SHOT_PARTS[side]
    rows = [i for i, record in enumerate(case.records) if record.part == part]
    drawn = [rows[i] for i in generator(case.seed, "shots", side).permutation(len(rows))]
    first: dict[str, int] = {}
    for row in drawn:
        first.setdefault(case.records[row].group, row)
    wanted = case.measurement.shots
    if len(first) <= wanted:
        raise DataError(
            f"--shots {wanted}: the {part} part has {len(first)} groups, and some must be left to score; give fewer"
        )
    return list(first.values())[:wanted]


def _second(case: Case) -> Piece:
    """Traces of another model, which may cut the text into other tokens."""
    name = str(case.measurement.second)
    lm = open_alone(name, case.compute.model_copy(update={"start_token": None}))  # which is a token of the target's
    tokens = models.tokenize(lm, case.records, max_tokens=case.compute.max_tokens)
    (traces,) = _read(case, "second", lm, tokens.total, {}, [_plain(lm, tokens)])
    return Piece(traces, stages=("evidence/second",))


def _gradient(case: Case) -> Piece:
    """Norm of the gradient of each record's loss; a forward and a backward pass."""
    stage, path = "evidence/gradient", case.file("evidence/gradient.parquet")
    inputs = _known(case, case.target)

    def work() -> None:
        _tell(case, "gradient", case.tokens.total, factor=2)
        with bar("gradients", case.tokens.total, "tokens") as tick, case.run.writing(path) as out:
            norms = models.gradient_norms(case.target, case.tokens, tick)
            reasons = ["has no token" if out else None for out in np.ma.getmaskarray(norms)]
            write_scores(out, case.records, {"gradient": norms}, {"gradient": reasons})

    case.run.stage(stage, inputs, [path], work, units=case.tokens.total)
    return Piece(read_scores(case.run.path(path))["gradient"], stages=(stage,))


def _in_domain(case: Case) -> Piece:
    stages = tuple(other.stage(case) for other in domain.references(case.records, case.seed))
    return Piece(domain.in_domain(case), stages=stages)


def _shadows(case: Case) -> Piece:
    found = shadows(case)
    return Piece(found, stages=tuple(f"shadow/{case.cell}/{k}" for k in range(len(found.traces))))


PROVIDERS: Mapping[str, Callable[[Case], Piece]] = {
    "lowercase": _lowercase,
    "nonmember_shots": _nonmember_shots,
    "member_shots": _member_shots,
    "neighbours": _neighbours,
    "second": _second,
    "gradient": _gradient,
    "in_domain": _in_domain,
    "shadows": _shadows,
}
