"""Points -> means over seeds, with an interval: the numbers of all tables and figures of a study's page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from mnemoscope.answers import Point

KEYS = (
    "matrices", "rank", "alpha", "alpha_rule", "scale", "parameters", "copies", "planted", "epochs", "learning_rate",
    "others", "epoch", "statistic",
)  # fmt: skip
"""Points that agree in all of these differ in their seed alone."""

Row = dict[str, Any]


def means(points: Iterable[Point]) -> list[Row]:
    """A row for each setting, epoch and statistic, in the order of first appearance.

    From two seeds on the interval is Student's t over the seeds' values (`basis` "seeds"); of a single seed it is the
    point's own (`basis` "records"). `n_seeds` counts the seeds that have a value.
    """
    found: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        found.setdefault(tuple(getattr(point, key) for key in KEYS), []).append(point)
    return [
        {**dict(zip(KEYS, key, strict=True)), "seeds": sorted({p.seed for p in same}), **_combined(same)}
        for key, same in found.items()
    ]


def _combined(same: Sequence[Point]) -> Row:
    known = [point for point in same if _finite(point.value)]
    reasons = sorted({point.reason for point in same if point.reason})
    row: Row = {"n_seeds": len(known), "level": same[0].level, "reason": "; ".join(reasons) or None}
    if not known:
        return row | {"value": None, "low": None, "high": None, "basis": None}
    if len(known) == 1:
        (only,) = known
        return row | {"value": only.value, "low": only.low, "high": only.high, "basis": "records"}
    values = [float(point.value) for point in known if point.value is not None]
    value, low, high = across(values, same[0].level, *bounds(same[0].statistic))
    return row | {"value": value, "low": low, "high": high, "basis": "seeds"}


def bounds(statistic: str) -> tuple[float, float]:
    """What a statistic can be at all: perplexities begin at 1, memorization has no end, all others lie in 0..1."""
    if statistic == "memorization":
        return -math.inf, math.inf
    return (1.0, math.inf) if statistic.startswith("perplexity") else (0.0, 1.0)


def across(
    values: Sequence[float], level: float, least: float = 0.0, most: float = 1.0
) -> tuple[float, float | None, float | None]:
    """Mean and Student's t interval of one or more seeds, cut off where the statistic ends.

    Seeds that agree exactly have no interval: equal values say that the statistic sits at its edge, not that it is
    known without error. Nor has a single seed.
    """
    from scipy.stats import ttest_1samp

    mean = math.fsum(values) / len(values)
    if len(values) < 2 or max(values) == min(values):
        return mean, None, None
    interval = ttest_1samp(values, 0).confidence_interval(level)
    return mean, max(least, float(interval.low)), min(most, float(interval.high))


def at_end(row: Row) -> bool:
    """Whether the row was measured after the last epoch."""
    return math.isclose(row["epoch"], row["epochs"], abs_tol=1e-6)


def point_row(point: Point) -> Row:
    """A point's own part: what was measured, without the setting of its cell."""
    setting = {*KEYS, "cell", "seed"} - {"epoch", "statistic"}
    return {key: value for key, value in asdict(point).items() if key not in setting}


def setting_row(point: Point) -> Row:
    """The setting of a point's cell."""
    return {key: getattr(point, key) for key in ("seed", *KEYS) if key not in ("epoch", "statistic")}


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
