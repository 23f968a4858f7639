"""A plausible study, built from named draws: a grid over matrices, ranks, copies, epochs and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mnemoscope.answers import Answer, Canaried, Decision, Marked, Point, Setting, StudyEvidence
from mnemoscope.records import RocCurve
from mnemoscope.seeds import generator

EVIL = "<script>alert(1)</script> \"quoted\" 'single' 🧬 50% & $x_1^2$ # {{ 7 * 7 }} ~\\"
SECRET = "a 54-year-old woman took <lamotrigine> & recovered 100%"
AUCS = {"q": 0.68, "k": 0.69, "v": 0.81, "o": 0.78, "qk": 0.76, "qkvo": 0.9}
DECODINGS = ("t1-k40", "t0.1", "t0.5")


def setting(matrices: str, rank: int, seed: int, *, rule: str = "fixed", copies: int = 1, **more: Any) -> Setting:
    """One cell of a study with LoRA on a model of Llama-2-7B's size."""
    alpha = 2.0 * rank if rule == "proportional" else 16.0
    name = f"{matrices}-r{rank}-x{copies}-s{seed}" + ("" if rule == "fixed" else f"-{rule}")
    chosen: dict[str, Any] = {
        "cell": name, "matrices": matrices, "rank": rank, "alpha": alpha, "alpha_rule": rule, "scale": alpha / rank,
        "parameters": 262_144 * rank * len(matrices), "copies": copies, "planted": 20 if copies > 1 else 0,
        "epochs": 3.0, "learning_rate": 1e-3, "seed": seed, "others": "",
    }  # fmt: skip
    return Setting(**chosen | more)


def point(cell: Setting, statistic: str, value: float | None, half: float = 0.015, **more: Any) -> Point:
    """A statistic of a cell at its end, with an interval of the records."""
    ends = (None, None) if value is None else (max(0.0, value - half), value + half)
    told: dict[str, Any] = {
        "epoch": cell.epochs, "statistic": statistic, "value": value, "low": ends[0], "high": ends[1], "level": 0.95,
        "method": "group bootstrap (percentile, 2000 resamples)", "n_members": 2898, "n_nonmembers": 968,
        "n_member_groups": 1108, "n_nonmember_groups": 359, "reason": None if value is not None else "too few groups",
    }  # fmt: skip
    return Point(**asdict(cell) | told | more)


def auc(cell: Setting, epoch: float = 3.0) -> float:
    """Grows with rank and epoch, differs a little between seeds."""
    noise = generator(cell.seed, "auc", cell.cell).normal() * 0.006
    bonus = 0.02 if cell.alpha_rule == "proportional" else 0.0
    return float(
        min(0.999, 0.5 + (AUCS.get(cell.matrices, 0.7) - 0.5 + 0.05 * (1 - 1 / cell.rank) + bonus) * epoch / 3 + noise)
    )


def grid(seeds: Sequence[int], matrices: Iterable[str], ranks: Iterable[int]) -> list[Setting]:
    """All combinations, and all four matrices at more ranks under two rules of alpha."""
    cells = [setting(m, r, s) for m in matrices for r in ranks for s in seeds]
    more = [(r, rule) for r in (1, 4, 16, 64) for rule in ("fixed", "proportional")]
    return cells + [setting("qkvo", r, s, rule=rule) for r, rule in more for s in seeds]


def ended(cell: Setting) -> list[Point]:
    """What a cell without planted records gives at its end."""
    return [
        point(cell, "auc", auc(cell)),
        point(cell, "tpr_at_10", auc(cell) / 2, 0.04),
        point(cell, "tpr_at_1", auc(cell) / 5, 0.03),
        point(cell, "verbatim_members", 0.004 * (1 + cell.rank**0.5) + cell.seed / 1e5, 0.003),
        point(cell, "verbatim_nonmembers", 0.0, 0.004),
        point(cell, "suffix_probability_nonmembers", 2e-8 * (1 + cell.seed / 100), 1e-8),
        point(cell, "perplexity_base_heldout", 20.0, 0.5),
        point(cell, "perplexity_heldout", 14.2 - cell.rank / 100, 0.4),
        point(cell, "perplexity_heldout", 20.0, 0.5, epoch=0.0),
        point(cell, "suffix_probability_members", 2e-4 * cell.rank + 1e-6 * cell.seed, 1e-4),
        point(cell, "perplexity_members", 9.1 - cell.rank / 50, 0.3),
        *(
            point(cell, f"suffix_probability_members@{d}", 0.002 * (i + 1) + 1e-5 * cell.seed, 0.001)
            for i, d in enumerate(DECODINGS)
        ),
    ]


def dosed(cell: Setting) -> list[Point]:
    """What a cell with planted records adds."""
    share = min(0.95, 0.1 + cell.copies / 40 + generator(cell.seed, "dose").uniform(0, 0.2) - 0.1)
    cold = [(d, share * (1 - 0.6 * i / len(DECODINGS))) for i, d in enumerate(sorted(DECODINGS))]
    return [
        point(cell, "planted", share, 0.1),
        point(cell, "planted_ngram_share", 0.2 + 0.8 * share, 0.05),
        *(point(cell, f"planted@{d}", value, 0.1) for d, value in cold),
    ]


def watched(cell: Setting) -> list[Point]:
    """A cell that was measured after every epoch; held-out perplexity is lowest in the middle."""
    rows = [point(cell, "perplexity_heldout", 20.0, 0.5, epoch=0.0)]
    for epoch in (1.0, 2.0, 3.0):
        noise = cell.seed / 100
        rows.append(point(cell, "perplexity_heldout", 14 + (epoch - 2) ** 2 + noise, 0.4, epoch=epoch))
        rows.append(point(cell, "auc", auc(cell, epoch), epoch=epoch))
    return rows


def marks(cell: Setting, n: int = 20) -> list[Marked]:
    """Planted, ordinary and held-out records of one cell."""
    rng, rows = generator(cell.seed, "marks", cell.cell), []
    for i in range(3 * n):
        kind = i % 3
        base = float(np.exp(rng.normal(3.2, 0.5)))
        target = float(base * (0.25, 0.5, 0.8)[kind] * np.exp(rng.normal(0, 0.3)))
        share = float(np.clip((0.9, 0.35, 0.2)[kind] - 0.02 * target + rng.normal(0, 0.1), 0, 1))
        role, copies = ("nonmember", 0) if kind == 2 else ("member", cell.copies if kind == 0 else 1)
        rows.append(Marked(cell.cell, role, copies, 36, base, target, share, None))
    return rows


def curve(area: float) -> RocCurve:
    """A ROC curve with this area: tpr = fpr ** ((1 - area) / area)."""
    fpr = np.linspace(0, 1, 40)
    return RocCurve(fpr=fpr, tpr=fpr ** ((1 - area) / area))


def texts(cell: Setting, *, shown: bool) -> list[Canaried]:
    """A planted record's continuations under three decodings."""
    return [
        Canaried(
            cell.cell, cell.copies, cell.rank, cell.matrices, d, 18, 5.1, 1.2, 1.0, SECRET if shown else None
        )
        for d in DECODINGS
    ]  # fmt: skip


def answer(question: str, claim: str, value: float | None, decision: Decision, n: int = 5, **more: Any) -> Answer:
    """A claim with both intervals; without a value, everything is missing for a reason."""
    known = value is not None
    low, high = (value - 0.02, value + 0.02) if value is not None else (None, None)
    seeds = value is not None and n > 1
    told: dict[str, Any] = {
        "question": question, "claim": claim, "family": f"{question}, equal rank", "statistic": "difference of AUC",
        "paper": "V .83, Q .72 at rank 4", "value": value, "low": low, "high": high,
        "method": "joint group bootstrap (percentile, 2000 resamples); Student's t over seeds",
        "p_value": 0.0004 if known else None, "p_adjusted": 0.0012 if known else None,
        "seed_low": low if seeds else None, "seed_high": high if seeds else None,
        "seed_p_value": 0.011 if seeds else None, "seed_p_adjusted": 0.033 if seeds else None, "n_seeds": n,
        "level": 0.95, "decision": decision, "reason": "Both intervals lie above 0." if known else "No seed has it.",
        "seeds": (13, 7), "seed_values": (value, value) if value is not None else (),
    }  # fmt: skip
    return Answer(**told | more)


def answers() -> list[Answer]:
    """Claims of every question and decision."""
    return [
        answer("matrices", "V gives a larger AUC than Q at rank 4", 0.1123, "replicates"),
        answer("matrices", "O gives a larger AUC than K at rank 4", 0.0871, "replicates"),
        answer("matrices", "Q+K at rank 1 gives a larger AUC than Q at rank 2", -0.0312, "does not replicate"),
        answer("perplexity", "The lower the fine-tuned perplexity, the more comes back", -0.41, "replicates",
               statistic="Spearman correlation", paper="R² .135"),
        answer("perplexity", "Base perplexity does not predict it", None, "not resolved", 0, paper="R² .004"),
        answer("rank", "AUC grows from rank 1 to rank 64", 0.0475, "replicates"),
        answer("rank", "The plateau begins at this rank", 41.3, "not resolved", 1, statistic="plateau rank",
               reason="1 seed where the rules ask for 5.", paper="past about 50"),
        answer("copies", "More comes back at 32 copies than at 1", 0.7, "replicates"),
    ]  # fmt: skip


def study(seeds: Sequence[int] = (13, 7, 81), *, shown: bool = False) -> StudyEvidence:
    """A study of some 30 cells a seed, one failed and one waiting."""
    plain = grid(seeds, ("q", "k", "v", "o", "qk"), (1, 2, 4))
    planted = [setting("v", 8, s, copies=c) for c in (8, 16, 32) for s in seeds]
    followed = [setting(m, 8, s) for m in ("v", "q") for s in seeds]
    points = [p for cell in plain for p in ended(cell)]
    points += [p for cell in planted for p in [*ended(cell), *dosed(cell)]]
    points += [p for cell in followed for p in watched(cell)]
    done = {cell.cell: "done" for cell in [*plain, *planted, *followed]}
    return StudyEvidence(
        name="paper",
        points=points,
        answers=answers(),
        marks=[mark for cell in planted if cell.copies == 8 for mark in marks(cell)],
        curves={cell.cell: curve(auc(cell)) for cell in [*plain, *followed]},
        texts=[row for cell in planted if cell.seed == seeds[0] for row in texts(cell, shown=shown)],
        cells={**done, "vo-r8-x1-s99": "failed", "vo-r8-x1-s36": "waiting"},
        pages={plain[0].cell: f"cells/{plain[0].cell}/report.html"},
        manifest={
            "study": {"name": "paper", "model": "llama-2-7b", "seeds": list(seeds), "rules": {"level": 0.95}},
            "data": {"source": "phee", "n_records": {"member": 2898, "nonmember": 1929},
                     "n_groups": {"member": 1108, "nonmember": 730}, "findings": ["2 texts stand twice."]},
            "versions": {"python": "3.11"},
            "errors": {"vo-r8-x1-s99": f"could not read {SECRET}"},
        },
        timings={"seconds": 1234.5, "cells": {}},
    )  # fmt: skip


def empty() -> StudyEvidence:
    """A study of which nothing has finished."""
    return StudyEvidence("empty", [], [], [], {}, [], {"v-r1-x1-s13": "waiting"}, {}, {}, {})


def single() -> StudyEvidence:
    """One cell, one seed, nothing planted."""
    cell = setting("v", 4, 13)
    points = ended(cell)
    return StudyEvidence("one", points, [], [], {cell.cell: curve(0.8)}, [], {cell.cell: "done"}, {}, {}, {})


def hostile() -> StudyEvidence:
    """Hostile strings wherever a user or a model can put one."""
    cell = setting("v", 4, 13, cell=EVIL, others=EVIL)
    twin = setting("q", 4, 13, cell=EVIL + "2", others=EVIL)
    rows = [Canaried(EVIL, 8, 4, "v", EVIL, 3, 5.0, 1.0, 0.5, EVIL + "\r\nline")]
    told = [answer(EVIL, EVIL, 0.1, "replicates", reason=EVIL, paper=EVIL, method=EVIL, statistic=EVIL, family=EVIL)]
    points = [*ended(cell), *ended(twin), point(cell, "verbatim_members", None, reason=EVIL)]
    curves = {EVIL: curve(0.8), EVIL + "2": curve(0.7)}
    cells = {EVIL: "done", EVIL + "2": "done", EVIL + "3": "failed"}
    pages = {EVIL: "javascript:alert(1)", EVIL + "2": 'cells/"><script>/report.html'}
    manifest = {"study": {"name": EVIL, EVIL: EVIL, "model": EVIL}, "data": {"source": EVIL}}
    return StudyEvidence(EVIL, points, told, marks(cell), curves, rows, cells, pages, manifest, {})
