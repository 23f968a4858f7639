"""What is left of p-values when several questions are asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mnemoscope.records import Estimate


def holm(family: Sequence[Estimate]) -> list[Estimate]:
    """The estimates with `p_adjusted` after Holm, in the order given.

    An estimate without a p-value is no question of the family: it stays as it is.
    """
    adjusted = holm_adjusted([one.p_value for one in family])
    return [one if p is None else replace(one, p_adjusted=p) for one, p in zip(family, adjusted, strict=True)]


def holm_adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm 1979 (Scand. J. Statist. 6:65): the smallest of k p-values times k, the next times k - 1, none falling.

    Not the function of statsmodels, which collects Python's garbage in each call: a second a family beside a model.

    >>> holm_adjusted([0.25, None, 0.03125])
    [0.25, None, 0.0625]
    """
    rows = [row for row, p in enumerate(p_values) if p is not None]
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    order = known.argsort(kind="stable")
    stepped = np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)).clip(max=1)
    adjusted: list[float | None] = [None] * len(p_values)
    for place, p in zip(order, stepped, strict=True):
        adjusted[rows[place]] = float(p)
    return adjusted
