"""The stages of an audit, in order: from an open case to estimates. READ AFTER pipeline.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mnemoscope.steps.canaries import audit_canaries
from mnemoscope.steps.evidence import gather
from mnemoscope.steps.extracting import extract, sample
from mnemoscope.steps.generating import generate, judge
from mnemoscope.steps.judging import Measured, check_texts, counterfactuals, estimate
from mnemoscope.steps.measuring import Reading, attack, trace
from mnemoscope.steps.outputs import describe
from mnemoscope.steps.spans import spans
from mnemoscope.steps.unprompted import unprompted

if TYPE_CHECKING:
    from mnemoscope.data import Canary
    from mnemoscope.records import Estimate
    from mnemoscope.steps.case import Case


def measure(
    case: Case,
    names: Sequence[str],
    planted: Sequence[Canary] = (),
    *,
    coins: bool = False,
    reading: Reading | None = None,
) -> list[Estimate]:
    """Every stage from traces to estimates; each is skipped where nothing it depends on has changed.

    Args:
        case: who is asked, about what.
        names: attacks to run.
        planted: canaries in the training set, if any.
        coins: whether a fair coin a group decided who was trained on.
        reading: how the traces are made, where that is not one pass of target and reference.

    Raises:
        ModelError: the adapter changes nothing.
    """
    traces = trace(case, reading)
    extractions = extract(case, traces)
    sampled = sample(case, traces)
    generations = generate(case, traces)
    judgements = judge(case, generations)
    values = spans(case, traces)
    written = unprompted(case)
    exposed = audit_canaries(case, planted)
    checks = check_texts(case)
    describe(case)
    evidence = gather(case, traces, names)  # last of all that asks the target: shadows take its adapter off
    scores = attack(case, evidence, names)
    memorized = counterfactuals(case, evidence)
    found = Measured(
        traces,
        checks,
        scores,
        extractions,
        sampled,
        generations,
        judgements,
        values,
        written,
        memorized,
        exposed,
        coins,
    )
    return estimate(case, found)
