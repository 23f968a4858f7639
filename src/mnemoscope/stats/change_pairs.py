"""Two audits on the same records: every difference with groups resampled once for both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope.changes import Audited, Shared
from mnemoscope.folds import group_folds
from mnemoscope.records import Estimate, Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.stats.aggregation import fold_ranks
from mnemoscope.stats.averages import FEWEST, weighted_mean
from mnemoscope.stats.change_tables import SIDES, Side, Table, tables
from mnemoscope.stats.comparison import Paired, auc_difference, auc_difference_delong
from mnemoscope.stats.crossfit import widened
from mnemoscope.stats.intervals import Statistic, exact, group_weights, resample
from mnemoscope.stats.ranking import mean_area, once
from mnemoscope.stats.rates import RESOLVED
from mnemoscope.stats.sample import Counts, Sample, count_groups, group_codes
from mnemoscope.stats.score_estimates import FPRS
from mnemoscope.stats.spreads import within
from mnemoscope.stats.thresholds import smooth_rate, threshold_at

SWAPS = 4999
"""Random swaps of before and after behind a p-value of a mean; the smallest that it can be is 1 / 5000."""
BLOCK = 500
"""Swaps at a time, so that the signs of many groups fit into memory."""


class Raw(NamedTuple):
    """A statistic on both sides, and the difference as an estimate, not yet corrected."""

    before: float | None
    after: float | None
    difference: Estimate


@dataclass(frozen=True)
class Pairs:
    """The common records of two audits, and what each measured of them.

    All differences are after minus before. The records are sorted by id and the draws have the names of statistics, so
    that exchanging the two audits turns every sign round and nothing else.
    """

    before: Audited
    after: Audited
    shared: Shared
    level: float
    resamples: int
    seed: int

    @cached_property
    def records(self) -> list[Record]:
        """The common records, by id."""
        known = {record.id: record for record in self.before.records}
        return [known[name] for name in self.shared.ids]

    @cached_property
    def known(self) -> dict[str, Record]:
        """Id to record, of the common ones."""
        return {record.id: record for record in self.records}

    def differences(self) -> Iterator[Raw]:
        """Every statistic that both audits have."""
        for name in self.before.scores:
            if name in self.after.scores:
                yield from self.areas(name)
                yield from self.rates(name)
        second = {(one.names, one.role): one for one in tables(self.after)}
        for one in tables(self.before):
            if (one.names, one.role) in second:
                yield from self.means(one, second[one.names, one.role])
        for role in SIDES:
            yield self.perplexity(role)

    def areas(self, name: str) -> Iterator[Raw]:
        """AUC of one attack by the paired group bootstrap, and by DeLong, which also gives the p-value of both."""
        pair, path, crossed = self._pair(name, ranked=False), f"membership.{name}.auc", self._crossed(name)
        found = auc_difference(pair, path, level=self.level, resamples=self.resamples, rng=self._rng("membership"))
        tested = auc_difference_delong(pair, f"{path}_delong_clustered", level=self.level)
        trials = pair.first.pairs_of_groups()
        if found.value is not None and found.low is None:
            found = _with_width(found, max(found.value, 0.0), max(-found.value, 0.0), trials)
        if found.value is not None:
            found = replace(found, p_value=tested.p_value, method=f"{found.method}; p clustered DeLong")
        both = [widened(one, lowest=-1) for one in (found, tested)] if crossed else [found, tested]
        for one in both:
            yield Raw(_area(pair.second), _area(pair.first), one)

    def rates(self, name: str) -> Iterator[Raw]:
        """TPR of one attack at each false-positive rate, every audit with its own threshold."""
        pair = self._pair(name, ranked=True)
        for fpr in FPRS:
            path = f"membership.{name}.tpr_at_fpr.{fpr}"
            if gap := pair.gap():
                yield Raw(None, None, pair.first.missing(path, self.level, gap, fpr=fpr))
                continue
            yield self._rate(pair, path, fpr)

    def _rate(self, pair: Paired, path: str, fpr: float) -> Raw:
        sides = (pair.first, pair.second)
        after, before = ((one.members > threshold_at(one.nonmembers, fpr)).mean() for one in sides)
        first, second = (smooth_rate(one.members, one.nonmembers, fpr) for one in sides)
        classes = pair.first.member_groups, pair.first.nonmember_groups
        draws = self._drawn(lambda w, v: first(w, v) - second(w, v), classes, "membership", smooth=True)
        n_groups = count_groups(classes[1])
        found = self._found(path, float(after - before), draws, pair.first.pairs_of_groups(), pair.first.counts())
        found = replace(found, fpr=fpr, method=f"paired Bayesian {found.method}; p normal")
        if fpr * n_groups < RESOLVED:
            reason = f"not resolved: FPR {fpr:g} of {n_groups} non-member groups is less than {RESOLVED} groups"
            found = replace(found, reason=reason, p_value=None)
        return Raw(float(before), float(after), found)

    def means(self, before: Table, after: Table) -> Iterator[Raw]:
        """Means over what both audits have a row for, with p-values from swapping before and after by group."""
        places = [{key: i for i, key in enumerate(one.keys)} for one in (before, after)]
        keys = sorted(key for key in places[0].keys() & places[1].keys() if key[0] in self.known)
        if not keys:
            return
        groups = group_codes((key[0] for key in keys), self.known)
        one, other = (
            table.values[[place[key] for key in keys]] for table, place in zip((before, after), places, strict=True)
        )
        apart, ceiling = other - one, max(before.ceiling, after.ceiling)
        draws = self._drawn(weighted_mean(apart), (groups,), before.names[0])
        chances = swapped(apart, groups, generator(self.seed, "swaps", before.names[0]))
        counts, trials = _counts(before.role, len(keys), groups), count_groups(groups)
        for k, name in enumerate(before.names):
            column = apart[:, k]
            found = self._found(name, float(column.mean()), draws[:, k], None, counts)
            found = replace(found, method=f"paired {found.method}; p from {SWAPS} swaps of groups")
            # groups that were not seen may differ; a mean of tokens has no such bound that says anything
            if found.low is None or (ceiling == 1 and np.abs(column).mean() * trials < FEWEST):
                gains, losses = (float(np.maximum(part, 0).mean()) / ceiling for part in (column, -column))
                found = _with_width(found, gains, losses, trials, ceiling)
            yield Raw(float(one[:, k].mean()), float(other[:, k].mean()), replace(found, p_value=float(chances[k])))

    def perplexity(self, role: Side) -> Raw:
        """Perplexity of the target on the common records of one class; on held-out ones it says how useful it is."""
        kept = [record for record in self.records if record.role == role]
        groups = group_codes((record.id for record in kept), self.known)
        one, other = (_ratio(*_summed(side, kept)) for side in (self.before, self.after))
        name, counts = f"perplexity.target.{role}s", _counts(role, len(kept), groups)
        draws = self._drawn(lambda w: other(w) - one(w), (groups,), name)
        before, after = once(one, len(kept)), once(other, len(kept))
        found = self._found(name, after - before, draws, None, counts)
        return Raw(before, after, replace(found, method=f"paired {found.method}; p normal"))

    def _found(
        self, name: str, value: float, draws: NDArray[np.float64], trials: int | None, counts: Counts
    ) -> Estimate:
        """The percentile interval, stretched to hold the value; where it has no width the exact one on `trials`."""
        ends, how = within(value, draws, self.level), f"group bootstrap (percentile, {len(draws)} resamples)"
        if ends.low is None or ends.high is None:
            bare = Estimate(name, value, None, None, self.level, "none", **counts, reason=ends.reason)
            bare = replace(bare, p_value=ends.p_value)
            return bare if trials is None else _with_width(bare, max(value, 0.0), max(-value, 0.0), trials)
        low, high = min(ends.low, value), max(ends.high, value)
        return Estimate(name, value, low, high, self.level, how, **counts, p_value=ends.p_value)

    def _drawn(
        self, statistic: Statistic, classes: Sequence[NDArray[np.int64]], name: str, *, smooth: bool = False
    ) -> NDArray[np.float64]:
        rng = self._rng(name)
        if smooth:
            return resample(statistic, classes, resamples=self.resamples, rng=rng, draw=group_weights)
        return resample(statistic, classes, resamples=self.resamples, rng=rng)

    def _rng(self, name: str) -> np.random.Generator:
        return generator(self.seed, "changes", name)

    def _crossed(self, name: str) -> bool:
        return name in self.before.fitted or name in self.after.fitted

    def _pair(self, name: str, *, ranked: bool) -> Paired:
        after, before = (self._scores(side, name, ranked) for side in (self.after, self.before))
        return Paired.of(after[0], before[0], self.records, first_folds=after[1], second_folds=before[1])

    def _scores(self, side: Audited, name: str, ranked: bool) -> tuple[Scores, NDArray[np.int64] | None]:
        """Scores of the common records, and inside what they can be compared: the folds of the whole audit."""
        scores, folds = side.scores[name], group_folds(side.records) if name in side.fitted else None
        if folds is not None and ranked:
            scores, folds = fold_ranks(scores, side.records, folds), None
        rows = _rows(side, self.records)
        return scores[rows], None if folds is None else folds[rows]


def swapped(apart: NDArray[np.float64], groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Two-sided p-value of each column's mean, from random exchanges of before and after in whole groups.

    Exact where nothing has changed but by chance (Fisher's randomisation test); `apart` has shape (n_rows, n_names),
    the result (n_names,). The smallest p is 1 / (1 + SWAPS).
    """
    codes = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((int(codes.max()) + 1, apart.shape[1]))
    np.add.at(sums, codes, apart)
    seen, beyond = np.abs(sums.sum(axis=0)), np.zeros(apart.shape[1])
    for start in range(0, SWAPS, BLOCK):
        signs = 2.0 * rng.integers(0, 2, size=(min(BLOCK, SWAPS - start), len(sums))) - 1
        # a swap that gives the same sum in another order must not fall short of it by a rounding
        beyond += (np.abs(signs @ sums) >= seen * (1 - 1e-9) - 1e-15).sum(axis=0)
    return np.asarray((1 + beyond) / (1 + SWAPS), dtype=np.float64)


def _with_width(found: Estimate, gains: float, losses: float, trials: int, ceiling: float = 1.0) -> Estimate:
    """A difference that holds what unseen groups may show, where those that were seen (nearly) all show the same.

    Gains and losses, shares of the ceiling, each get a Clopper-Pearson interval at half the error (Bonferroni), and the
    difference lies between their ends.
    """
    level = 1 - (1 - found.level) / 2
    up, down = (exact(min(share, 1.0), trials, level) for share in (gains, losses))
    low, high = ceiling * (up.low - down.high), ceiling * (up.high - down.low)
    method = f"Clopper-Pearson of gains and losses on {trials} groups (resampling shows too little spread)"
    if found.low is not None and found.high is not None:
        low, high = min(low, found.low), max(high, found.high)
    reason = None if found.low is None else found.reason
    return replace(found, low=low, high=high, method=method, reason=reason)


def _area(sample: Sample) -> float | None:
    return None if sample.gap() else once(mean_area(sample), len(sample.members), len(sample.nonmembers))


def _rows(side: Audited, records: Sequence[Record]) -> list[int]:
    places = {record.id: i for i, record in enumerate(side.records)}
    return [places[record.id] for record in records]


def _summed(side: Audited, records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows = _rows(side, records)
    return side.losses[rows], side.tokens[rows]


def _ratio(losses: NDArray[np.float64], tokens: NDArray[np.int64]) -> Statistic:
    def perplexity(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.exp((weights @ losses) / (weights @ tokens)), dtype=np.float64)

    return perplexity


def _counts(role: Side, n: int, groups: NDArray[np.int64]) -> Counts:
    inside = role == "member"
    n_groups = count_groups(groups)
    return Counts(
        n_members=n if inside else 0,
        n_nonmembers=0 if inside else n,
        n_member_groups=n_groups if inside else 0,
        n_nonmember_groups=0 if inside else n_groups,
        n_unscored=0,
    )
