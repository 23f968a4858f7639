"""Two fine-tunings on the same records: how far apart they are in a measure, over the seeds that have both.

Two things vary, and each has its interval: the records, given these seeds, and the seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Outcome, Rules
from mnemoscope.records import Scores
from mnemoscope.seeds import generator
from mnemoscope.stats.intervals import Statistic, percentile, resample
from mnemoscope.stats.measures import AUC, Measure
from mnemoscope.stats.ranking import once
from mnemoscope.stats.sample import Sample
from mnemoscope.stats.spreads import Left, Spread, SpreadCounts, across, left_out, within

METHOD = "paired group bootstrap, groups drawn once for all seeds (percentile, {} resamples); p normal; across seeds: t"


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a contrast in one seed: a weighted sum of one cell's values along its training."""

    outcome: Outcome
    weights: tuple[float, ...]
    """Weight of the base model and of each moment, shape (1 + n_moments,)."""

    @classmethod
    def end(cls, outcome: Outcome) -> Arm:
        """The cell as it is after its training."""
        return cls(outcome, (0.0,) * len(outcome.moments) + (1.0,))

    def scores(self, measure: Measure) -> list[tuple[float, Scores, float]]:
        """Epoch, scores of shape (n_records,) and weight of each moment that counts."""
        pairs = zip(self.outcome.moments, self.weights[1:], strict=True)
        return [(moment.epoch, measure.scores(self.outcome, moment), weight) for moment, weight in pairs if weight]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sum of values: itself, in resamples of the pool's groups, and in resamples of its own records' groups."""

    value: float
    joint: NDArray[np.float64]
    """Shape (resamples,); NaN where a resample has left a class empty."""
    alone: NDArray[np.float64]
    """The same from resampling the seed's members' and non-members' groups apart."""

    def plus(self, weight: float, other: Drawn) -> Drawn:
        """This and `weight` times the other."""
        return Drawn(
            self.value + weight * other.value,
            self.joint + weight * other.joint,
            self.alone + weight * other.alone,
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """Several arms of one seed, measured on the same records."""

    seed: int
    values: tuple[Drawn, ...]
    """One an arm."""
    n_members: int
    n_nonmembers: int
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resamples of a study's groups, the same ones for all cells, so that any two cells can be contrasted.

    A group (a document) may be a member's in one seed and a non-member's in another. So the groups of the pool are
    drawn with replacement once for all seeds, and in every seed a record has the weight of its group. Drawing them
    anew in each seed would take the seeds' errors for independent, and the interval of the mean would be too narrow.
    Other than drawing members' and non-members' groups apart, this lets the sizes of the classes vary between
    resamples; neither measure depends on them, so with many groups both spread alike. A resample that leaves a class of
    a seed without records is left out.
    """

    rules: Rules
    seed: int
    pool: Mapping[str, int]
    """Group name to code."""
    measure: Measure = AUC
    """What is compared."""
    _known: dict[tuple[str, float, bytes], Drawn] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], rules: Rules, *, seed: int, measure: Measure = AUC) -> Bootstrap:
        """The pool is all groups that stand in any of the outcomes."""
        lists = {id(outcome.records): outcome.records for outcome in outcomes}
        names = {record.group for records in lists.values() for record in records}
        return cls(rules, seed, {name: code for code, name in enumerate(sorted(names))}, measure)

    def value(self, arm: Arm, unscored: NDArray[np.bool_]) -> Drawn:
        """The arm's weighted sum on its records but the `unscored`, shape (n_records,)."""
        start = self.measure.base * arm.weights[0]
        base = np.full(self.rules.resamples, start)
        total = Drawn(start, base, base)
        for epoch, scores, weight in arm.scores(self.measure):
            key = (arm.outcome.setting.cell, epoch, unscored.tobytes())
            if key not in self._known:
                self._known[key] = self._measure(arm.outcome, scores, unscored)
            total = total.plus(weight, self._known[key])
        return total

    def _measure(self, outcome: Outcome, scores: Scores, unscored: NDArray[np.bool_]) -> Drawn:
        sample = Sample.of(np.ma.masked_array(np.ma.getdata(scores), unscored), outcome.records)
        statistic, classes = self.measure.of(sample), (sample.member_groups, sample.nonmember_groups)
        # a sample's codes count the sorted names of its records
        pooled = np.array([self.pool[name] for name in sorted({record.group for record in outcome.records})])
        members, nonmembers = (pooled[codes] for codes in classes)

        def of_pool(weights: NDArray[np.int64]) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):  # a resample may leave a class empty
                return statistic(np.take(weights, members, axis=1), np.take(weights, nonmembers, axis=1))

        return Drawn(
            once(statistic, len(members), len(nonmembers)),
            self._drawn(of_pool, (np.arange(len(self.pool)),), "pool"),
            self._drawn(statistic, classes, f"seed {outcome.setting.seed}"),
        )

    def _drawn(self, statistic: Statistic, classes: Sequence[NDArray[np.int64]], name: str) -> NDArray[np.float64]:
        # a new generator of the same name: equal draws in all cells, without keeping them
        rng = generator(self.seed, "contrasts", name)
        return resample(statistic, classes, resamples=self.rules.resamples, rng=rng)

    def panel(self, seed: int, arms: Sequence[Arm]) -> Panel | Left:
        """The arms of one seed on the records that all of them score, or why there are none.

        Raises:
            ValueError: two arms have different records.
        """
        records, unscored = arms[0].outcome.records, _unscored(seed, arms, self.measure)
        sample = Sample.of(np.ma.masked_array(np.zeros(len(unscored)), unscored), records)
        if gap := sample.gap():
            return Left(seed, gap)
        values = tuple(self.value(arm, unscored) for arm in arms)
        groups = frozenset(record.group for record, gone in zip(records, unscored, strict=True) if not gone)
        return Panel(seed, values, len(sample.members), len(sample.nonmembers), groups)

    def contrast(self, pairs: Mapping[int, tuple[Arm, Arm]], *, missing: Sequence[Left] = ()) -> Spread:
        """The measure of the first arm less that of the second, mean over seeds; `pairs` has each seed's two arms.

        The interval given the seeds is the percentile one of the mean difference in resamples of the pool's groups;
        its two-sided p-value is that of a normal with the resamples' standard deviation. Across seeds it is Student's
        t. Each seed's own interval is the paired group bootstrap of `auc_difference`. A record that one arm of a seed
        cannot score is left out of both. `missing` are seeds that have no two arms.

        Raises:
            ValueError: the two arms of a seed have different records.
        """
        found = [self.panel(seed, arms) for seed, arms in pairs.items()]
        panels = [one for one in found if not isinstance(one, Left)]
        gaps = left_out([*missing, *(one for one in found if isinstance(one, Left))])
        if not panels:
            return Spread(reason="; ".join(gaps) or "no seed has both cells")
        apart = [panel.values[0].plus(-1, panel.values[1]) for panel in panels]
        values, level = [one.value for one in apart], self.rules.level
        value, joint = float(np.mean(values)), np.mean([one.joint for one in apart], axis=0)
        records, seeds = within(value, joint, level), across(values, level, limit=self.measure.limit)
        own = [percentile(one.alone, level) for one in apart]
        return Spread(
            value, *records[:3], METHOD.format(self.rules.resamples), *seeds[:3], values=tuple(values),
            lows=tuple(one.low for one in own), highs=tuple(one.high for one in own),
            reason="; ".join(part for part in (records.reason, seeds.reason, *gaps) if part), **counts(panels),
        )  # fmt: skip


def _unscored(seed: int, arms: Sequence[Arm], measure: Measure) -> NDArray[np.bool_]:
    first = arms[0].outcome
    for other in (arm.outcome for arm in arms[1:]):
        if other.records is first.records:
            continue
        if [(one.id, one.role) for one in other.records] != [(one.id, one.role) for one in first.records]:
            cells = f"{first.setting.cell} and {other.setting.cell}"
            raise ValueError(f"cells {cells} of seed {seed} have different records")
    unscored = np.zeros(len(first.records), dtype=bool)
    for arm in arms:
        for _, scores, _ in arm.scores(measure):
            unscored |= np.ma.getmaskarray(scores)
    return unscored


def counts(panels: Sequence[Panel]) -> SpreadCounts:
    """The seeds, the records of the seed that has fewest, and the groups of all."""
    return SpreadCounts(
        seeds=tuple(panel.seed for panel in panels),
        n_members=min(panel.n_members for panel in panels),
        n_nonmembers=min(panel.n_nonmembers for panel in panels),
        n_groups=len(frozenset().union(*(panel.groups for panel in panels))),
    )
