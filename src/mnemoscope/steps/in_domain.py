"""In-domain references: the target's recipe on records of the same kind that the target was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnemoscope.errors import DataError
from mnemoscope.records import Record
from mnemoscope.seeds import generator
from mnemoscope.steps.others import Other, recipe_of, tell, traced
from mnemoscope.traces import Traces, concatenate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mnemoscope.steps.case import Case

OPTION = "--in-domain"


def in_domain(case: Case) -> Traces:
    """Every record through the one of two references that was trained on nothing of its half of the groups.

    Each is trained on the non-members of one half and reads the other half, members and non-members alike, so that
    both classes meet each reference equally. The target's adapter is off the model afterwards.

    Raises:
        ConfigError: how the target was trained is not known.
        DataError: the non-members have too few groups.
    """
    training, others = recipe_of(case, OPTION), references(case.records, case.seed)
    tell(case, others, training, "in-domain references")
    traces = concatenate([traced(case, other, training, "in-domain reference") for other in others])
    return traces.take(np.argsort(np.concatenate([np.asarray(other.read) for other in others])))


def references(records: Sequence[Record], seed: int) -> list[Other]:
    """Which records train and meet each of the two.

    Raises:
        DataError: the non-members have too few groups.
    """
    second = cut(records, seed)
    outside = np.array([record.role == "nonmember" for record in records])
    sets = [(np.flatnonzero(outside & half), np.flatnonzero(~half)) for half in (~second, second)]
    if not all(len(trained) for trained, _ in sets):
        raise DataError(f"{OPTION} trains on half of the non-members' groups and scores the others: give two groups")
    return [
        Other("in_domain", "in_domain", k, 2, trained.tolist(), read.tolist()) for k, (trained, read) in enumerate(sets)
    ]


def cut(records: Sequence[Record], seed: int) -> NDArray[np.bool_]:
    """Whether a record is in the second half of the groups, shape (n_records,).

    Groups with non-members and the others are halved apart, so that each reference has as much to learn from.
    """
    known = {record.group for record in records if record.role == "nonmember"}
    others = {record.group for record in records} - known
    second: set[str] = set()
    for name, groups in (("nonmembers", sorted(known)), ("members", sorted(others))):
        order = generator(seed, "in_domain", name).permutation(len(groups))
        second |= {groups[i] for i in order[: len(groups) // 2]}
    return np.array([record.group in second for record in records], dtype=bool)
