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
    the names of their groups matter. Excluded records get the fold of their group too.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    sides = {side: {record.group for record in records if record.role == side} for side in ("member", "nonmember")}
    if min(len(groups) for groups in sides.values()) < folds:
        return None
    order = sorted(range(len(records)), key=lambda i: (seeds.derive(0, "folds", records[i].group), records[i].id))
    labels = np.array([records[i].role == "member" for i in order])
    groups = np.array([records[i].group for i in order], dtype=object)
    found = np.zeros(len(records), dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(order)), labels, groups)):
        found[[order[i] for i in held_out]] = fold
    return found
