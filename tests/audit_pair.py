"""Two audits of the same records, by named draws: what comparisons are tested with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mnemoscope import stats
from mnemoscope.changes import Audited
from mnemoscope.leaks import Sampled, SpanLeak
from mnemoscope.records import Extraction, Generation, Record, Span
from mnemoscope.seeds import generator

RESAMPLES = 200


def records(groups: int = 24, size: int = 2) -> list[Record]:
    """As many member as non-member groups of `size` records, each with one sensitive value."""
    return [
        Record(
            id=f"secret-id-{g:02}-{k}",
            text=f"private text number {g} {k}",
            group=f"secret-group-{g:02}",
            role="member" if g < groups else "nonmember",
            part="train" if g < groups else ("calibration" if g % 2 else "evaluation"),
            spans=(Span(0, 7, "age" if g % 2 else "drug"),),
            copies=1 if g < groups else 0,
        )
        for g in range(2 * groups)
        for k in range(size)
    ]


def audited(name: str, strength: float, rows: list[Record], *, estimated: bool = True) -> Audited:
    """An audit whose scores are a shared part, a part of its own, and `strength` for members."""
    n = len(rows)
    member = np.array([row.role == "member" for row in rows])
    by_id = {row.id: i for i, row in enumerate(records())}
    order = np.array([by_id.get(row.id, i) for i, row in enumerate(rows)])
    shared, own = (generator(3, what).normal(size=4 * n)[order] for what in ("shared", name))
    luck = generator(4, "luck", name).random(4 * n)[order]
    given = luck < 0.05 + 0.2 * strength * member
    made = Audited(
        name=name,
        records=rows,
        scores={
            "loss": np.ma.masked_array(shared + 0.5 * own + strength * member, mask=order == 5),
            "lr_ratio": np.ma.masked_array(0.3 * shared + 0.5 * own + strength * member),
        },
        fitted={"loss"},
        extractions=[
            Extraction(row.id, "0.5", model, 10, 10, int(10 * luck[i]), bool(given[i]), 11 if given[i] else 20, False,
                       int(given[i]), 1)
            for i, row in enumerate(rows) for model in ("target", "reference")
        ],
        sampled=[
            Sampled(row.id, "0.5", model, decoding, 10, float(-3 - 10 * luck[i]))
            for i, row in enumerate(rows) for model in ("target", "reference") for decoding in ("t1-k40", "t0.5-k40")
        ],
        generations=[
            Generation(row.id, "0.5", "greedy", 0, 10, 10, "private", 1, float(luck[i]), 0.1, 9.0, 8.0, 7.0, *[0.1] * 7)
            for i, row in enumerate(rows)
        ],
        spans=[
            SpanLeak(row.id, 0, 7, row.spans[0].type, 2, bool(given[i]), False, -1.0, -2.0, False, None, None, None)
            for i, row in enumerate(rows)
        ],
        losses=20 * (2 - 0.2 * strength * member + 0.1 * own),
        tokens=np.full(n, 20),
        estimates={},
        manifest={"verdict": {"validity": "valid", "reason": "controls at chance"}, "commit": "abc"},
    )  # fmt: skip
    return replace(made, estimates=estimates(made)) if estimated else made


def estimates(side: Audited) -> dict[str, object]:
    """The audit's own estimates, as its steps make them."""
    by = stats.Estimator(level=0.95, resamples=RESAMPLES, seed=13)
    rows = list(side.records)
    sums = {"target": np.ma.masked_array(-side.losses)}
    found = [
        *by.membership(rows, side.scores, folded=side.fitted),
        *by.extraction(rows, side.extractions),
        *by.prefix_length(rows, side.extractions),
        *by.sampling(rows, side.sampled),
        *by.generation(rows, side.generations),
        *stats.span_estimates(rows, side.spans, resamples=RESAMPLES, seed=13),
        *by.perplexity(rows, sums, side.tokens),
    ]
    return {one.name: one for one in found}
