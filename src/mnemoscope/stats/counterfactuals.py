"""How much better models predict a record when they were trained on it, from models trained on random halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Counterfactual

FEWEST = 2
"""Shadows that are needed with and without a record, so that both sides have a spread."""

Measured = NDArray[np.float64] | np.ma.MaskedArray[Any, np.dtype[np.float64]]


class Contrast(NamedTuple):
    """Difference of two means a record, and its standard error; both have shape (n,)."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]


def counterfactual(
    ids: Sequence[str], accuracy: Measured, logprob: Measured, inside: NDArray[np.bool_]
) -> list[Counterfactual]:
    """Counterfactual memorization of each record: mean over the shadows trained on it less mean over the others.

    Feldman & Zhang 2020 (arXiv:2008.03703) for labels, Zhang et al. 2021 (arXiv:2112.12938) for the tokens of a text.

    `accuracy` (share of tokens, 0..1), `logprob` (nats a token) and `inside` (trained on it) have shape (K, n) for K
    shadows and the n records `ids`. The standard error is sqrt(s_in^2 / K_in + s_out^2 / K_out). A record with fewer
    than 2 shadows on a side, or that some shadow could not measure, has no row: the caller counts what is missing.

    Raises:
        ValueError: the shapes differ.
    """
    shape = (len(inside), len(ids))
    if not accuracy.shape == logprob.shape == inside.shape == shape:
        raise ValueError(f"{len(ids)} ids for arrays of shape {accuracy.shape}, {logprob.shape} and {inside.shape}")
    n_in, n_out = inside.sum(axis=0), (~inside).sum(axis=0)
    kept = (np.minimum(n_in, n_out) >= FEWEST) & _measured(accuracy) & _measured(logprob)
    exact, likely = (_contrast(np.ma.getdata(one)[:, kept], inside[:, kept]) for one in (accuracy, logprob))
    columns = zip(*exact, *likely, n_in[kept], n_out[kept], strict=True)
    names = [name for name, here in zip(ids, kept, strict=True) if here]
    return [
        Counterfactual(name, float(a), float(a_error), float(p), float(p_error), int(k_in), int(k_out))
        for name, (a, a_error, p, p_error, k_in, k_out) in zip(names, columns, strict=True)
    ]


def _measured(values: Measured) -> NDArray[np.bool_]:
    there = ~np.ma.getmaskarray(values) & np.isfinite(np.ma.getdata(values))
    return np.asarray(there.all(axis=0), dtype=bool)


def _contrast(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> Contrast:
    sides = [np.ma.masked_array(values, mask) for mask in (~inside, inside)]
    means = [np.ma.getdata(side.mean(axis=0)) for side in sides]
    errors = [np.ma.getdata(side.var(axis=0, ddof=1) / side.count(axis=0)) for side in sides]
    return Contrast(means[0] - means[1], np.sqrt(errors[0] + errors[1]))
