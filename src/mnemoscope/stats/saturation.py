"""A curve that levels off, AUC(r) = a - b r^-c, and the rank from which it is as good as level."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = (0.0, 0.0, 0.01), (1.0, 1.0, 10.0)
"""Bounds of the three parameters; with c below .01 the curve has no end that any rank could come near."""


class Saturation(NamedTuple):
    """The three parameters of the curve."""

    limit: float
    """a, the AUC of an endless rank, 0..1."""
    drop: float
    """b, by how much rank 1 falls short of it, 0..1."""
    power: float
    """c, .01..10; higher = levels off sooner."""

    def plateau(self, within: float) -> float:
        """The smallest rank, 1 or more, with an AUC within `within` of the limit: (b / within)^(1 / c); may be inf.

        >>> Saturation(limit=0.95, drop=0.04, power=1.0).plateau(0.005)
        8.0
        """
        if self.drop <= within:
            return 1.0
        with np.errstate(over="ignore"):
            return float(np.float64(self.drop / within) ** (1 / self.power))


def _curve(ranks: NDArray[np.float64], limit: float, drop: float, power: float) -> NDArray[np.float64]:
    return np.asarray(limit - drop * ranks**-power, dtype=np.float64)


def _slopes(ranks: NDArray[np.float64], _limit: float, drop: float, power: float) -> NDArray[np.float64]:
    fallen = ranks**-power
    return np.stack([np.ones_like(ranks), -fallen, drop * np.log(ranks) * fallen], axis=1)


def fit_saturation(ranks: NDArray[np.float64], areas: NDArray[np.float64]) -> Saturation | None:
    """Least squares over ranks and AUCs, both of shape (n_ranks,); None where the search does not converge.

    Raises:
        ValueError: fewer than four ranks; three would be met exactly, whatever the law.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    if len(ranks) < 4:
        raise ValueError(f"a curve with three parameters needs four ranks or more, got {len(ranks)}")
    start = Saturation(float(areas.max()), float(np.ptp(areas)), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # of the covariance, which is not used
        try:
            found, _ = curve_fit(_curve, ranks, areas, p0=start, jac=_slopes, bounds=(LOWEST, HIGHEST))
        except RuntimeError:  # too many steps
            return None
    return Saturation(*map(float, found))
