"""Where a claim's value, intervals and seeds lie on a bar: the numbers of a table at a glance (a forest plot)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Claim = Mapping[str, Any]
Bar = dict[str, Any]

ROOM = 0.04
"""Share of the bar that stays free at either end, so that a mark there is not cut."""
ENDS = ("value", "low", "high", "seed_low", "seed_high")


def bars(claims: Sequence[Claim]) -> list[Bar | None]:
    """A bar a claim, all numbers in percent of its width from the left; None for a claim whose value 0 is no mark of.

    Claims on one statistic share a scale, which holds 0 and all that is drawn; correlations have theirs from -1 to 1.
    """
    return [_bar(claim, *_scale(claim["statistic"], claims)) if _drawn(claim) else None for claim in claims]


def _drawn(claim: Claim) -> bool:
    """Whether the claim has a value that is held against 0."""
    told = claim["statistic"].lower()
    return claim["value"] is not None and any(word in told for word in ("difference", "correlation", "r²"))


def _scale(statistic: str, claims: Sequence[Claim]) -> tuple[float, float]:
    if "correlation" in statistic and "difference" not in statistic:
        return -1.0, 1.0
    same = [claim for claim in claims if claim["statistic"] == statistic and _drawn(claim)]
    numbers = [0.0, *(claim[end] for claim in same for end in ENDS if claim[end] is not None)]
    numbers += [value for claim in same for value in claim["seed_values"] if value is not None]
    return min(numbers), max(numbers)


def _bar(claim: Claim, first: float, last: float) -> Bar:
    width = (last - first) or 1.0

    def at(number: float) -> float:
        return round(100 * (ROOM + (1 - 2 * ROOM) * (number - first) / width), 1)

    def span(low: str, high: str) -> tuple[float, float] | None:
        if claim[low] is None or claim[high] is None:
            return None
        return at(claim[low]), round(at(claim[high]) - at(claim[low]), 1)

    return {
        "zero": at(0.0),
        "value": at(claim["value"]),
        "records": span("low", "high"),
        "over": span("seed_low", "seed_high"),
        "seeds": [at(value) for value in claim["seed_values"] if value is not None] if claim["n_seeds"] > 1 else [],
    }
