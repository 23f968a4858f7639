"""A statistic of every seed, put together: what the records say given these seeds, and what the seeds say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Rules
from mnemoscope.stats.intervals import Statistic, exact, percentile, resample
from mnemoscope.stats.spreads import Ends, Left, Spread, across, left_out, within

METHOD = "group bootstrap, groups drawn once for all seeds (percentile, {} resamples); p normal; across seeds: t"


@dataclass(frozen=True, slots=True)
class Panel:
    """What one seed gives to a claim."""

    seed: int
    groups: tuple[str, ...]
    """Group of each row, by the name it has in the pool that all seeds draw from."""
    statistic: Statistic
    """Takes weights of the rows, shape (block, n_rows), and gives shape (block,); NaN where it cannot be had."""
    n_members: int
    n_nonmembers: int = 0

    def value(self) -> float:
        """The statistic of the rows as they are."""
        return float(self.statistic(np.ones((1, len(self.groups)), dtype=np.int64))[0])


def pooled(
    found: Iterable[Panel | Left],
    rules: Rules,
    rng: np.random.Generator,
    *,
    bounded: bool = True,
) -> Spread:
    """The mean over seeds of a statistic, with an interval from the records and one across seeds.

    Groups of the pool are resampled once for all seeds, and a seed's rows take the weight of their group: one document
    may stand in several seeds, as member in one and held out in another, and seeds taken for independent would promise
    too much. A seed of which a resample leaves nothing is no part of that resample's mean. Each seed's own interval is
    from the same resamples. Where the mean never changes, the interval from the records is Clopper-Pearson's on the
    groups, stretched to -1..1, or missing if the statistic is not `bounded` by them; a bounded one's interval across
    seeds ends there too.
    """
    panels, left = _usable(found)
    if not panels:
        return Spread(reason=left[0].reason if left else "no cell can say")
    codes = np.unique([name for panel in panels for name in panel.groups], return_inverse=True)[1]
    values = np.array([panel.value() for panel in panels])
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave a class of a seed empty
        draws = resample(_together(panels), (codes,), resamples=rules.resamples, rng=rng)
    n_groups = int(codes.max()) + 1
    whole = _whole(values, draws, rules.level, n_groups if bounded else None)
    return replace(
        _own(whole, values, draws, rules.level),
        seeds=tuple(panel.seed for panel in panels),
        n_members=min(panel.n_members for panel in panels),
        n_nonmembers=min(panel.n_nonmembers for panel in panels),
        n_groups=n_groups,
        reason="; ".join(part for part in (whole.reason, *left_out(left)) if part),
    )


def _usable(found: Iterable[Panel | Left]) -> tuple[list[Panel], list[Left]]:
    panels: list[Panel] = []
    left: list[Left] = []
    for one in found:
        if isinstance(one, Left):
            left.append(one)
        elif np.isfinite(one.value()):
            panels.append(one)
        else:
            left.append(Left(one.seed, "something that is compared is the same for every record"))
    return panels, left


def _together(panels: Sequence[Panel]) -> Statistic:
    """The statistics of all seeds from the weights of all rows, shape (block, n_seeds)."""
    ends = np.cumsum([len(panel.groups) for panel in panels])[:-1]

    def statistics(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        parts = np.split(weights, ends, axis=1)
        return np.stack([panel.statistic(part) for panel, part in zip(panels, parts, strict=True)], axis=1)

    return statistics


def _whole(values: NDArray[np.float64], draws: NDArray[np.float64], level: float, n_groups: int | None) -> Spread:
    """Both intervals of the mean; `values` has shape (n_seeds,), `draws` (resamples, n_seeds)."""
    kept = draws[np.isfinite(draws).any(axis=1)]
    value = float(values.mean())
    records = within(value, np.nanmean(kept, axis=1), level)
    seeds = across(values.tolist(), level, limit=1.0 if n_groups is not None else np.inf)
    method = METHOD.format(len(kept)) if records.low is not None else "none"
    if records.low is None and n_groups is not None:
        records, method = _stretched(value, n_groups, level)
    reason = "; ".join(part for part in (records.reason, seeds.reason) if part)
    return Spread(value, *records[:3], method, *seeds[:3], reason=reason)


def _stretched(value: float, n_groups: int, level: float) -> tuple[Ends, str]:
    """The exact interval of a mean in -1..1 that is the same in every resample, and how it was made."""
    # rounding can carry a mean of equal values past the ends
    share = exact(min(max((value + 1) / 2, 0.0), 1.0), n_groups, level)
    return Ends(2 * share.low - 1, 2 * share.high - 1, None), share.method


def _own(whole: Spread, values: NDArray[np.float64], draws: NDArray[np.float64], level: float) -> Spread:
    """With every seed's value and interval: a point where no resample has the statistic."""
    finite = [column[np.isfinite(column)] for column in draws.T]
    ends = [percentile(some if len(some) else values[[i]], level) for i, some in enumerate(finite)]
    lows, highs = tuple(one.low for one in ends), tuple(one.high for one in ends)
    return replace(whole, values=tuple(values.tolist()), lows=lows, highs=highs)
