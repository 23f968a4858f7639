"""Whether one attack ranks the same records better than another, or the same attack another adapter's records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mnemoscope.records import Estimate, Record, Scores
from mnemoscope.stats.delong import CLUSTERED, PLAIN, Codes, difference, influence, own_groups, standard_error
from mnemoscope.stats.intervals import has_width, percentile, resample
from mnemoscope.stats.ranking import mean_area, once
from mnemoscope.stats.sample import Sample

NO_SPREAD = "no interval: the difference is the same in all groups"


@dataclass(frozen=True, slots=True)
class Paired:
    """Two samples with the same records in the same order."""

    first: Sample
    second: Sample

    @classmethod
    def of(
        cls,
        first: Scores,
        second: Scores,
        records: Sequence[Record],
        *,
        first_folds: NDArray[np.int64] | None = None,
        second_folds: NDArray[np.int64] | None = None,
    ) -> Paired:
        """The members and non-members that both score; all arrays have shape (n_records,).

        A record that one of the two could not score is counted as unscored.

        Raises:
            ValueError: the lengths differ.
        """
        if len(first) != len(second):
            raise ValueError(f"{len(first)} and {len(second)} scores cannot be compared")
        mask = np.ma.getmaskarray(first) | np.ma.getmaskarray(second)
        both = [np.ma.masked_array(np.ma.getdata(scores), mask) for scores in (first, second)]
        return cls(
            Sample.of(both[0], records, folds=first_folds),
            Sample.of(both[1], records, folds=second_folds),
        )

    def gap(self) -> str | None:
        """Why the two cannot be compared, or None."""
        return self.first.gap() or self.second.gap()


def auc_difference(
    pair: Paired, name: str, *, level: float = 0.95, resamples: int = 2000, rng: np.random.Generator
) -> Estimate:
    """AUC of the first less AUC of the second, -1..1; above 0 the first tells members better.

    The interval resamples groups, the same ones for both. It is missing where the difference never changes.
    """
    if reason := pair.gap():
        return pair.first.missing(name, level, reason)
    first, second = mean_area(pair.first), mean_area(pair.second)
    sizes, classes = (
        (len(pair.first.members), len(pair.first.nonmembers)),
        (pair.first.member_groups, pair.first.nonmember_groups),
    )

    def apart(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return first(member_weights, nonmember_weights) - second(member_weights, nonmember_weights)

    value, counts = once(apart, *sizes), pair.first.counts()
    draws = resample(apart, classes, resamples=resamples, rng=rng)
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not has_width(found := percentile(draws, level)):
        return Estimate(name, value, None, None, level, "none", reason=NO_SPREAD, **counts)
    return Estimate(name, value, found.low, found.high, level, f"paired {found.method}", **counts)


def auc_difference_delong(pair: Paired, name: str, *, level: float = 0.95, clustered: bool = True) -> Estimate:
    """The same difference with DeLong's interval and the two-sided p-value of no difference.

    `clustered` sums the records' terms inside groups (Obuchowski 1997); else records are taken for independent
    (DeLong et al. 1988). The normal interval is clipped to -1..1. Without any spread the interval is missing, and
    p is 1 where the difference is 0.
    """
    if reason := pair.gap():
        return pair.first.missing(name, level, reason)
    sample = pair.first
    terms = difference(influence(sample), influence(pair.second))
    groups = Codes(sample.member_groups, sample.nonmember_groups) if clustered else own_groups(sample)
    error, counts = standard_error(terms, groups), sample.counts()
    if not error:
        p_value = None if error is None or terms.area else 1.0
        reason = "no interval: too few groups" if error is None else NO_SPREAD
        return Estimate(name, terms.area, None, None, level, "none", reason=reason, p_value=p_value, **counts)
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    p_value = 2 * float(stats.norm.sf(abs(terms.area) / error))
    low, high = max(-1.0, terms.area - reach), min(1.0, terms.area + reach)
    method = CLUSTERED if clustered else PLAIN
    return Estimate(name, terms.area, low, high, level, f"paired {method}", p_value=p_value, **counts)
