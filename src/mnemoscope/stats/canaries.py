"""What planted canaries show: those that the coin put in, beside those that it held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from mnemoscope.leaks import CanaryResult
from mnemoscope.records import Estimate
from mnemoscope.seeds import generator
from mnemoscope.stats.averages import mean
from mnemoscope.stats.delong import auc_delong_clustered
from mnemoscope.stats.intervals import clopper_pearson
from mnemoscope.stats.one_run import one_run_audit
from mnemoscope.stats.rates import tpr_at_fpr
from mnemoscope.stats.sample import Sample

FPRS = (0.1, 0.01)
REJECTED = 0.05
"""A skew-normal whose p-value is below does not fit."""

Side = Literal["member", "nonmember"]


def canary_estimates(
    results: Sequence[CanaryResult], *, level: float = 0.95, resamples: int = 2000, seed: int
) -> list[Estimate]:
    """Detection, verbatim return and exposure of the canaries, by kind and number of copies.

    Names are canaries.KIND.WHICH.WHAT. WHICH is copies_N, included (all that the coin put in) or heldout. WHAT is
    auc, tpr_at_fpr.FPR (the threshold comes from all held-out canaries of the kind; not for heldout), verbatim (share
    whose secret greedy decoding gives back whole, Clopper-Pearson) and exposure (mean, bits, where the kind has a
    space of secrets). Every canary is independent of the others and counts as a group of its own.
    """
    found: list[Estimate] = []
    for kind in dict.fromkeys(one.kind for one in results):
        here = [one for one in results if one.kind == kind]
        inside, outside = [one for one in here if one.included], [one for one in here if not one.included]
        sets = {f"copies_{n}": [one for one in inside if one.copies == n] for n in sorted({one.copies for one in here})}
        for which, planted in {**sets, "included": inside}.items():
            path = f"canaries.{kind}.{which}"
            found += _detected(path, planted, outside, level, resamples, seed)
            found += _given_back(path, planted, "member", level, resamples, seed)
        found += _given_back(f"canaries.{kind}.heldout", outside, "nonmember", level, resamples, seed)
    return found


def canary_audit(
    results: Sequence[CanaryResult], *, delta: float = 0.0, level: float = 0.95, seed: int
) -> list[Estimate]:
    """`one_run_audit` on all canaries together, as canaries.one_run.epsilon and so on; a unit is a canary, all copies.

    Scores of different kinds have different spreads, so each is taken relative to the scores of its kind (its rank
    there, over their number), which needs no label.
    """
    ranks = np.zeros(len(results))
    for kind in {one.kind for one in results}:
        rows = [i for i, one in enumerate(results) if one.kind == kind]
        scores = np.array([results[i].score for i in rows])
        ranks[rows] = (np.searchsorted(np.sort(scores), scores) + 0.5) / len(rows)
    included = np.array([one.included for one in results], dtype=bool)
    return one_run_audit(np.ma.masked_array(ranks), included, "canaries.one_run", delta=delta, level=level, seed=seed)


def _detected(
    path: str, inside: Sequence[CanaryResult], outside: Sequence[CanaryResult], level: float, resamples: int, seed: int
) -> list[Estimate]:
    """How well the score tells planted canaries from held-out ones."""
    sample = Sample(
        members=np.array([one.score for one in inside], dtype=np.float64),
        nonmembers=np.array([one.score for one in outside], dtype=np.float64),
        member_groups=np.arange(len(inside)),
        nonmember_groups=len(inside) + np.arange(len(outside)),
        n_unscored=0,
    )
    names = {fpr: f"{path}.tpr_at_fpr.{fpr}" for fpr in FPRS}
    return [
        auc_delong_clustered(sample, f"{path}.auc", level=level),
        *(
            tpr_at_fpr(sample, name, fpr=fpr, level=level, resamples=resamples, rng=generator(seed, "bootstrap", name))
            for fpr, name in names.items()
        ),
    ]


def _given_back(
    path: str, results: Sequence[CanaryResult], role: Side, level: float, resamples: int, seed: int
) -> list[Estimate]:
    """Share that comes back verbatim, and mean exposure."""
    exposed = [one for one in results if one.exposure is not None]
    found = [_verbatim(f"{path}.verbatim", results, role, level)]
    if exposed:
        name = f"{path}.exposure"
        bits, apart = np.array([one.exposure for one in exposed], dtype=np.float64), np.arange(len(exposed))
        rng = generator(seed, "bootstrap", name)
        estimate = mean(bits, apart, name, role=role, level=level, resamples=resamples, rng=rng)
        found.append(replace(estimate, reason=estimate.reason or _misfit(exposed)))
    return found


def _verbatim(name: str, results: Sequence[CanaryResult], role: Side, level: float) -> Estimate:
    hits, n = sum(one.verbatim for one in results), len(results)
    n_in, n_out = (n, 0) if role == "member" else (0, n)
    empty = Estimate(name, None, None, None, level, "none", n_in, n_out, n_in, n_out)
    if not n:
        return replace(empty, reason="the coin left no canary here")
    low, high = clopper_pearson(hits, n, level)
    return replace(empty, value=hits / n, low=low, high=high, method="Clopper-Pearson")


def _misfit(results: Sequence[CanaryResult]) -> str | None:
    """What to know of exposures that were read off a curve."""
    bad = sum(one.fit_p_value is not None and one.fit_p_value < REJECTED for one in results)
    if not bad:
        return None
    return f"{bad} of {len(results)} exposures rest on a skew-normal that does not fit (p < {REJECTED})"
