"""Whether memorization grows with the rank of the adaptation, and whether it levels off.

The question of arXiv:2507.21009, Figure 3.6, with all four matrices adapted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Answer, Decision, Outcome, Rules
from mnemoscope.stats.conditions import Place, Table, tables, words
from mnemoscope.stats.contrasts import Arm, Bootstrap, Panel, counts
from mnemoscope.stats.decisions import Claim, decided, too_few
from mnemoscope.stats.saturation import fit_saturation
from mnemoscope.stats.spreads import NO_SPREAD, Left, Spread, across

ALL = "qkvo"
FAMILY = "rank"
GROWS = ".909 at rank 1, .924, .931, .939, .942, .944, .945, .9456 at 128, .945, .944 at 512"
LEVEL = "levels off past about 50; .945 at rank 256, .944 at 512"
FIT = "least squares of a - b r^-c, refitted in group bootstrap (percentile, {} resamples); across seeds: t of log rank"


def rank_answers(outcomes: Sequence[Outcome], rules: Rules, *, seed: int) -> list[Answer]:
    """How the AUC goes with the rank, where all four matrices were adapted at two ranks or more.

    For each alpha rule and other setting, cells of one seed being compared:

    * memorization grows with rank: AUC at the largest rank less AUC at the smallest is above 0;
    * it levels off, asked of three ranks or more: AUC at the largest rank less AUC at the next is nearer to 0 than
      `rules.auc_margin`; it has no p-value, since a large p does not show that two are alike;
    * the plateau begins at one of the ranks measured (`plateau_answer`), from four ranks on.

    Raises:
        ValueError: two cells cannot be told apart, or the records of two cells of a seed differ.
    """
    found = tables(outcomes)
    bootstrap = Bootstrap.of([outcome for outcome in outcomes if outcome.setting.copies == 1], rules, seed=seed)
    claims: list[Claim] = []
    plateaus: list[Answer] = []
    for condition, table in found.items():
        ranks, where = sorted(place.rank for place in table if place.matrices == ALL), words(condition, found)
        if len(ranks) >= 2:
            claims += _claims(bootstrap, table, ranks, where)
        if len(ranks) >= 3:
            plateaus.append(plateau_answer(bootstrap, table, ranks, where))
    return [*decided(claims, rules), *plateaus]


def _claims(bootstrap: Bootstrap, table: Table, ranks: Sequence[int], where: str) -> Iterator[Claim]:
    least, nearly, most = ranks[0], ranks[-2], ranks[-1]
    margin, level = bootstrap.rules.auc_margin, bootstrap.rules.level
    claim = f"AUC grows with rank, from rank {least} to {most}{where}"
    grown = _difference(bootstrap, table, most, least)
    yield Claim(grown.answer("rank", claim, FAMILY, "difference of AUC", GROWS, level), "above", margin)
    if nearly == least:
        return
    claim = f"AUC levels off, from rank {nearly} to {most}{where}"
    level_off = _difference(bootstrap, table, most, nearly).answer(
        "rank", claim, FAMILY, "difference of AUC", LEVEL, level
    )
    yield Claim(replace(level_off, p_value=None, seed_p_value=None), "near", margin)


def _difference(bootstrap: Bootstrap, table: Table, larger: int, smaller: int) -> Spread:
    first, second = table[Place(ALL, larger)], table[Place(ALL, smaller)]
    return bootstrap.contrast({seed: (Arm.end(first[seed]), Arm.end(second[seed])) for seed in first if seed in second})


def plateau_answer(bootstrap: Bootstrap, table: Table, ranks: Sequence[int], where: str = "") -> Answer:
    """The rank from which the AUC is within `rules.plateau` of its limit, by a fit of a - b r^-c; decided.

    The fit is of the mean over those seeds that have all ranks; its interval comes from refitting in the joint
    resamples of groups, the one across seeds is Student's t of the logarithms of each seed's own plateau rank (given in
    `seed_values`, without intervals of their own). A plateau that begins beyond the largest rank is extrapolated: it
    counts as beyond, and is not given as a number.

    The claim replicates where, with `rules.seeds` seeds or more, both intervals end at or below the largest rank. A fit
    cannot tell a later plateau from none, so it never "does not replicate"; else it is not resolved.
    """
    spread = _plateau(bootstrap, table, ranks)
    claim = f"AUC comes within {bootstrap.rules.plateau:g} of its limit by rank {ranks[-1]}{where}"
    answer = spread.answer("rank", claim, FAMILY, "plateau rank", "levels off past about 50", bootstrap.rules.level)
    decision, reason = _decision(spread, bootstrap.rules, ranks[-1])
    return replace(answer, decision=decision, reason=reason)


def _plateau(bootstrap: Bootstrap, table: Table, ranks: Sequence[int]) -> Spread:
    panels = _panels(bootstrap, table, ranks)
    if len(ranks) < 4 or not panels:
        return Spread(reason="a curve with three parameters needs four ranks" if panels else "no seed has all ranks")
    by_seed = np.array([[one.value for one in panel.values] for panel in panels])  # (n_seeds, n_ranks)
    joint = np.mean([[one.joint for one in panel.values] for panel in panels], axis=0)  # (n_ranks, resamples)
    begin = _Begin(np.array(ranks, dtype=np.float64), bootstrap.rules.plateau)
    mean = by_seed.mean(axis=0)
    value = begin.rank(mean)
    if np.isinf(value):
        fitted = fit_saturation(begin.ranks, mean) is not None
        reason = begin.beyond("the fitted plateau") if fitted else "the fit does not converge"
        return Spread(reason=reason, **counts(panels))
    draws = np.array([begin.rank(areas) for areas in joint.T if np.isfinite(areas).all()])
    low, high, why = begin.interval(draws, bootstrap.rules.level)
    values = [begin.rank(areas) for areas in by_seed]
    seed_low, seed_high, seed_why = begin.across(values, bootstrap.rules.level)
    known = tuple(values) if np.isfinite(values).all() else ()
    return Spread(
        value, low, high, None, FIT.format(len(draws)), seed_low, seed_high, None, values=known,
        reason="; ".join(part for part in (why, seed_why) if part), **counts(panels),
    )  # fmt: skip


def _panels(bootstrap: Bootstrap, table: Table, ranks: Sequence[int]) -> list[Panel]:
    cells = [table[Place(ALL, rank)] for rank in ranks]
    shared = [seed for seed in cells[0] if all(seed in by_seed for by_seed in cells)]
    found = [bootstrap.panel(seed, [Arm.end(by_seed[seed]) for by_seed in cells]) for seed in shared]
    return [one for one in found if not isinstance(one, Left)]


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where the plateau begins on these ranks; inf is beyond the largest, or nowhere that the fit could find."""

    ranks: NDArray[np.float64]
    within: float

    def rank(self, areas: NDArray[np.float64]) -> float:
        fit = fit_saturation(self.ranks, areas)
        found = fit.plateau(self.within) if fit else np.inf
        return found if found <= self.ranks[-1] else np.inf

    def beyond(self, what: str) -> str:
        return f"{what} begins beyond rank {self.ranks[-1]:g}, the largest measured"

    def interval(self, draws: NDArray[np.float64], level: float) -> tuple[float | None, float | None, str]:
        if not len(draws):
            return None, None, NO_SPREAD
        tail = (1 - level) / 2
        low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")  # infinite draws cannot be interpolated
        if np.isinf(high):
            least = "" if np.isinf(low) else f" from rank {low:.3g} on"
            return None, None, f"the interval from the records goes{least} beyond rank {self.ranks[-1]:g}"
        return (float(low), float(high), "") if high > low else (None, None, NO_SPREAD)

    def across(self, values: Sequence[float], level: float) -> tuple[float | None, float | None, str]:
        late = int(np.isinf(values).sum())
        if late:
            return None, None, self.beyond(f"the plateau of {late} of {len(values)} seeds")
        low, high, _, reason = across(np.log2(values).tolist(), level)
        return (None, None, reason) if low is None or high is None else (max(1.0, 2**low), 2**high, reason)


def _decision(spread: Spread, rules: Rules, largest: int) -> tuple[Decision, str]:
    if spread.value is None:
        return "not resolved", spread.reason
    inside = spread.high is not None
    if len(spread.seeds) < rules.seeds:
        ends = f"the interval ends by rank {largest}" if inside else f"the interval does not end by rank {largest}"
        reason = too_few(len(spread.seeds), ends, rules)
        return "not resolved", "; ".join(part for part in (reason, spread.reason) if part)
    if inside and spread.seed_high is not None and spread.seed_high <= largest:
        return "replicates", f"both intervals end by rank {largest}"
    return "not resolved", spread.reason or f"the interval across seeds goes beyond rank {largest}"
