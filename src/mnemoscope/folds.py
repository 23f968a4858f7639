"""Folds by group: whatever is learnt from labels is never asked about a group that it saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mnemoscope import seeds
from mnemoscope.records import Record

FOLDS = 5


def group_folds(records: Sequence[Record], *, folds: int = FOLDS) -> NDArray[np.int64] | None:
    """The fold of each record, 0..folds-1, shape (n_records,); None where a class has fewer groups than folds.

    Groups stay whole, the share of members is about equal in all folds, and neither the order of the records nor
    the alphabetical order of their groups matters. Excluded records get the fold of their group too.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    sides = {side: {record.group for record in records if record.role == side} for side in ("member", "nonmember")}
    if min(len(groups) for groups in sides.values()) < folds:
        return None
    names = sorted({record.group for record in records}, key=lambda name: (seeds.derive(0, "folds", name), name))
    codes = {name: code for code, name in enumerate(names)}  # hashed, because names may be sorted by date or ward
    order = sorted(range(len(records)), key=lambda i: (codes[records[i].group], records[i].id))
    labels = np.array([records[i].role == "member" for i in order])
    groups = np.array([codes[records[i].group] for i in order])
    found = np.zeros(len(records), dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(order)), labels, groups)):
        found[[order[i] for i in held_out]] = fold
    return found
