"""What is left of p-values when several questions are asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mnemoscope.records import Estimate


def holm(family: Sequence[Estimate]) -> list[Estimate]:
    """The estimates with `p_adjusted` after Holm 1979 (Scand. J. Statist. 6:65), in the order given.

    An estimate without a p-value is no question of the family: it stays as it is.
    """
    from statsmodels.stats.multitest import multipletests

    p_values = [one.p_value for one in family if one.p_value is not None]
    adjusted = iter(multipletests(p_values, method="holm")[1] if p_values else ())
    return [one if one.p_value is None else replace(one, p_adjusted=float(next(adjusted))) for one in family]
