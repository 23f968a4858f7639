"""From records to groups: what an attacker learns who holds a whole document or all notes of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mnemoscope.records import Record, Scores
from mnemoscope.stats.sample import Sample


def fold_ranks(scores: Scores, records: Sequence[Record], folds: NDArray[np.int64] | None = None) -> Scores:
    """Midrank of each score among the scored members and non-members of its fold, over their number; in 0..1.

    Ranks use no label and bear any scale, so those of different folds can be pooled. Excluded records are masked.
    """
    folds = np.zeros(len(records), dtype=np.int64) if folds is None else folds
    judged = np.array([record.role != "excluded" for record in records], dtype=bool) & ~np.ma.getmaskarray(scores)
    values, ranks = np.ma.getdata(scores), np.zeros(len(records))
    for fold in np.unique(folds[judged]):
        rows = np.flatnonzero(judged & (folds == fold))
        ranks[rows] = stats.rankdata(values[rows], method="average") / len(rows)
    return np.ma.masked_array(ranks, ~judged)


def by_group(scores: Scores, records: Sequence[Record], folds: NDArray[np.int64] | None = None) -> Sample:
    """One score a group: the mean of `fold_ranks` over its scored records; `scores` has shape (n_records,).

    A group with members and non-members is neither, and one without a scored record has no score: both are counted
    as unscored. `folds` must hold groups whole.
    """
    ranks = fold_ranks(scores, records, folds)
    rows = np.array([i for i, record in enumerate(records) if record.role != "excluded"], dtype=np.int64)
    names, codes = np.unique(np.array([records[i].group for i in rows], dtype=str), return_inverse=True)
    member = np.array([records[i].role == "member" for i in rows], dtype=bool)
    scored = ~np.ma.getmaskarray(ranks)[rows]
    n_scored, total = _sums(codes, scored, len(names)), _sums(codes, np.ma.filled(ranks[rows], 0.0), len(names))
    share = _sums(codes, member, len(names)) / _sums(codes, np.ones(len(rows)), len(names))
    where = np.zeros(len(names), dtype=np.int64)
    if folds is not None:
        where[codes] = folds[rows]
    kept = n_scored > 0
    inside, outside = np.flatnonzero(kept & (share == 1)), np.flatnonzero(kept & (share == 0))
    mean = total / np.maximum(n_scored, 1)
    n_unscored = len(names) - len(inside) - len(outside)
    return Sample(mean[inside], mean[outside], inside, outside, n_unscored, where[inside], where[outside])


def _sums(codes: NDArray[np.int64], values: NDArray[Any], n: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(codes, weights=values, minlength=n), dtype=np.float64)
