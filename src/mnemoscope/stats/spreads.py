"""A statistic over several seeds: its interval from the records, given these seeds, and its interval across seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mnemoscope.answers import Answer
from mnemoscope.stats.intervals import has_width, percentile

NO_SPREAD = "no interval from the records: the same in all groups"
NO_SEED_SPREAD = "no interval across seeds: all give the same"


class SpreadCounts(TypedDict):
    """The counts that a Spread carries."""

    seeds: tuple[int, ...]
    n_members: int
    n_nonmembers: int
    n_groups: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A statistic with both intervals; None is missing, and `reason` says why."""

    value: float | None = None
    """Mean over the seeds."""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    method: str = "none"
    seed_low: float | None = None
    seed_high: float | None = None
    seed_p_value: float | None = None
    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    """One a seed; so are the ends of each seed's own interval."""
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    n_members: int = 0
    """Scored records in the seed that has fewest."""
    n_nonmembers: int = 0
    n_groups: int = 0
    """Groups that stand in any of the seeds."""
    reason: str = ""

    def answer(self, question: str, claim: str, family: str, statistic: str, paper: str, level: float) -> Answer:
        """The answer, not yet corrected or decided."""
        return Answer(
            question, claim, family, statistic, paper, self.value, self.low, self.high, self.method, self.p_value,
            p_adjusted=None, seed_low=self.seed_low, seed_high=self.seed_high, seed_p_value=self.seed_p_value,
            seed_p_adjusted=None, n_seeds=len(self.seeds), level=level, decision="not resolved", reason=self.reason,
            n_members=self.n_members, n_nonmembers=self.n_nonmembers, n_groups=self.n_groups, seeds=self.seeds,
            seed_values=self.values, seed_lows=self.lows, seed_highs=self.highs,
        )  # fmt: skip


class Left(NamedTuple):
    """A seed that can say nothing of a claim, and why."""

    seed: int
    reason: str


def left_out(found: Iterable[Left]) -> list[str]:
    """The seeds that are missing, one sentence a reason."""
    by_reason: dict[str, list[str]] = {}
    for one in found:
        by_reason.setdefault(one.reason, []).append(str(one.seed))
    return [f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)} left out: {why}" for why, seeds in by_reason.items()]


class Ends(NamedTuple):
    """An interval and the two-sided p-value of a value of 0, or why there is none."""

    low: float | None
    high: float | None
    p_value: float | None
    reason: str = ""


def within(value: float, draws: NDArray[np.float64], level: float) -> Ends:
    """Percentile interval of the draws, shape (resamples,), and p from a normal with their standard deviation.

    NaN draws are left out. Draws without any spread give no interval; then p is 1 where the value is 0.
    """
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not has_width(found := percentile(draws, level)):
        return Ends(None, None, None if value else 1.0, NO_SPREAD)
    return Ends(found.low, found.high, 2 * float(stats.norm.sf(abs(value) / draws.std(ddof=1))))


def across(values: Sequence[float], level: float, *, limit: float = float("inf")) -> Ends:
    """Student's t of one value a seed: it speaks of other seeds, on the same records.

    No interval below two seeds, and none where all seeds give the same. It ends at ±`limit`, beyond which the statistic
    cannot lie: t does not know that, and what is cut off holds no value that could be true.
    """
    if len(values) < 2:
        return Ends(None, None, None)
    if np.ptp(values) <= 1e-12 * max(1.0, *np.abs(values)):
        return Ends(None, None, None, NO_SEED_SPREAD)
    found = stats.ttest_1samp(values, 0.0)
    low, high = found.confidence_interval(level)
    return Ends(max(float(low), -limit), min(float(high), limit), float(found.pvalue))
