"""What the data say of a claim, by rules that were fixed before: it replicates, it does not, or it is not resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mnemoscope.answers import Answer, Decision, Rules
from mnemoscope.stats.multiplicity import holm_adjusted

Kind = Literal["above", "below", "near"]
"""The claim is that the value is above 0, below 0, or so near to 0 that it does not matter."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer that is measured and not yet decided: its `decision` and `reason` are filled in by `decided`."""

    answer: Answer
    kind: Kind
    margin: float
    """Above 0, in the unit of the answer's value: what is surely smaller does not count as a difference."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two intervals that a claim must pass."""

    of: str
    """What varies: the records, or the seeds."""
    low: float | None
    high: float | None
    p_adjusted: float | None

    def shows(self, kind: Kind, margin: float, level: float) -> bool:
        if self.low is None or self.high is None:
            return False
        if kind == "near":
            return -margin < self.low and self.high < margin
        right = self.low > 0 if kind == "above" else self.high < 0
        return right and self.p_adjusted is not None and self.p_adjusted < 1 - level

    def refutes(self, kind: Kind, margin: float) -> bool:
        if self.low is None or self.high is None:
            return False
        if kind == "near":
            return self.low > margin or self.high < -margin
        return self.high < margin if kind == "above" else self.low > -margin


def decide(
    kind: Kind,
    *,
    low: float | None,
    high: float | None,
    p_adjusted: float | None,
    seed_low: float | None,
    seed_high: float | None,
    seed_p_adjusted: float | None,
    n_seeds: int,
    margin: float,
    rules: Rules,
) -> tuple[Decision, str]:
    """The decision and, in one sentence, why.

    `low`, `high`, `p_adjusted` come from the records given these seeds; the others from the spread over the seeds. Both
    must agree, on at least `rules.seeds` seeds:

    * above (below mirrored): does not replicate where both intervals lie below `margin`, even if they exclude 0: what
      is surely smaller than the margin is no difference that matters. Else it replicates where both intervals lie above
      0 and both Holm-corrected p-values are below 1 - `rules.level`.
    * near: replicates where both intervals lie inside ±`margin`, does not where both lie wholly beyond one of its ends
      (two one-sided tests, Schuirmann 1987, at (1 - level) / 2 each). No p-value is asked for.

    Everything else, and whatever lacks an interval, is not resolved.
    """
    sides = _Side("records", low, high, p_adjusted), _Side("seeds", seed_low, seed_high, seed_p_adjusted)
    shown = [side.shows(kind, margin, rules.level) for side in sides]
    refuted = [side.refutes(kind, margin) for side in sides]
    if n_seeds < rules.seeds:
        return "not resolved", too_few(n_seeds, _within(kind, sides[0], margin), rules)
    if all(refuted):
        return "does not replicate", f"both intervals lie {_beyond(kind, sides[0], margin)}"
    if all(shown):
        return "replicates", f"both intervals lie {_passed(kind, margin)}"
    settled = refuted if any(refuted) else shown
    return "not resolved", _open([side for side, good in zip(sides, settled, strict=True) if not good], kind, rules)


def _passed(kind: Kind, margin: float) -> str:
    if kind == "near":
        return f"inside ±{margin:g}"
    return f"{kind} 0, and both corrected p-values are small"


def _beyond(kind: Kind, side: _Side, margin: float) -> str:
    if kind == "near":
        return f"above {margin:g}" if side.low is not None and side.low > margin else f"below -{margin:g}"
    return f"below {margin:g}" if kind == "above" else f"above -{margin:g}"


def _within(kind: Kind, records: _Side, margin: float) -> str:
    if records.low is None or records.high is None:
        return "there is no interval"
    if kind == "near":
        outside = "lies outside" if records.refutes(kind, margin) else "goes beyond"
        return f"the interval {'lies inside' if records.shows(kind, margin, 0) else outside} ±{margin:g}"
    if records.low <= 0 <= records.high:
        return "the interval includes 0"
    return "the interval excludes 0" + ("" if (records.low > 0) == (kind == "above") else ", on the other side")


def too_few(n_seeds: int, within: str, rules: Rules) -> str:
    """The reason where `n_seeds` is below `rules.seeds`; `within` says what the records of these seeds show."""
    seeds = "no seed" if not n_seeds else "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    these = "this seed" if n_seeds == 1 else "these seeds"
    found = f"; within {these} {within}" if n_seeds else ""
    return f"{seeds} where the rules ask for {rules.seeds}{found}"


def _open(sides: Sequence[_Side], kind: Kind, rules: Rules) -> str:
    return "; ".join(_why(side, kind, rules) for side in sides)


def _why(side: _Side, kind: Kind, rules: Rules) -> str:
    where = f"the {side.of} leave it open"
    if side.low is None or side.high is None:
        return f"{where}: no interval"
    if kind != "near" and side.p_adjusted is not None and side.p_adjusted >= 1 - rules.level:
        return f"{where}: corrected p {side.p_adjusted:.2g}"
    return f"{where}: {side.low:.3g} to {side.high:.3g}"


def corrected(answers: Sequence[Answer]) -> list[Answer]:
    """The answers with Holm-corrected p-values, in the order given.

    Inside each `family`, `p_value` and `seed_p_value` are corrected apart from each other (Holm 1979, Scand. J.
    Statist. 6:65). An answer without a p-value is no question of the family and stays as it is.
    """
    found = list(answers)
    for family in dict.fromkeys(answer.family for answer in answers):
        rows = [row for row, answer in enumerate(found) if answer.family == family]
        within = holm_adjusted([found[row].p_value for row in rows])
        across = holm_adjusted([found[row].seed_p_value for row in rows])
        for row, p, seed_p in zip(rows, within, across, strict=True):
            found[row] = replace(found[row], p_adjusted=p, seed_p_adjusted=seed_p)
    return found


def decided(claims: Sequence[Claim], rules: Rules) -> list[Answer]:
    """The answers, corrected inside their families and decided, in the order given.

    All claims of a family must be given at once. An answer without a value keeps its reason and is not resolved.
    """
    answers = corrected([claim.answer for claim in claims])
    return [_decided(replace(claim, answer=answer), rules) for claim, answer in zip(claims, answers, strict=True)]


def _decided(claim: Claim, rules: Rules) -> Answer:
    answer = claim.answer
    if answer.value is None:
        return replace(answer, decision="not resolved")
    decision, reason = decide(
        claim.kind,
        low=answer.low,
        high=answer.high,
        p_adjusted=answer.p_adjusted,
        seed_low=answer.seed_low,
        seed_high=answer.seed_high,
        seed_p_adjusted=answer.seed_p_adjusted,
        n_seeds=answer.n_seeds,
        margin=claim.margin,
        rules=rules,
    )
    return replace(answer, decision=decision, reason="; ".join(part for part in (reason, answer.reason) if part))
