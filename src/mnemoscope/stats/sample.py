"""One attack's scores by class: what every statistic of ranking takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate, Part, Record, Scores


class Counts(TypedDict):
    """The counts that an Estimate carries."""

    n_members: int
    n_nonmembers: int
    n_member_groups: int
    n_nonmember_groups: int
    n_unscored: int


def count_groups(groups: NDArray[np.int64]) -> int:
    """Distinct group codes."""
    return int(np.unique(groups).size)


def group_codes(ids: Iterable[str], known: Mapping[str, Record]) -> NDArray[np.int64]:
    """Integer group codes of the records `ids`; codes of one mapping can be compared."""
    codes = {name: code for code, name in enumerate(sorted({record.group for record in known.values()}))}
    return np.array([codes[known[name].group] for name in ids], dtype=np.int64)


def _one_fold() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


class Rows(NamedTuple):
    """Where the records of one fold stand in a sample."""

    members: NDArray[np.intp]
    nonmembers: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sample:
    """Scores of members and non-members with their groups; higher = more likely a member.

    Scores are compared inside a fold only: a cross-fitted attack has another scale in every fold.
    """

    members: NDArray[np.float64]
    """Shape (n1,)."""
    nonmembers: NDArray[np.float64]
    """Shape (n2,)."""
    member_groups: NDArray[np.int64]
    """Group code of each member, shape (n1,)."""
    nonmember_groups: NDArray[np.int64]
    """Group code of each non-member, shape (n2,); the codes of both classes are of one list."""
    n_unscored: int
    """Members and non-members that the attack could not score."""
    member_folds: NDArray[np.int64] = field(default_factory=_one_fold)
    """Fold of each member, shape (n1,); where none are given, all are in fold 0."""
    nonmember_folds: NDArray[np.int64] = field(default_factory=_one_fold)
    """Fold of each non-member, shape (n2,)."""

    def __post_init__(self) -> None:
        for name, scores in (("member_folds", self.members), ("nonmember_folds", self.nonmembers)):
            folds = getattr(self, name)
            if not len(folds):
                object.__setattr__(self, name, np.zeros(len(scores), dtype=np.int64))
            elif len(folds) != len(scores):
                raise ValueError(f"{name} has {len(folds)} entries for {len(scores)} records")

    @classmethod
    def of(
        cls,
        scores: Scores,
        records: Sequence[Record],
        *,
        parts: tuple[Part, ...] | None = None,
        folds: NDArray[np.int64] | None = None,
    ) -> Sample:
        """The scored members and non-members of `records`; `scores` has shape (n_records,).

        `parts` keeps the non-members of these parts only; members are always kept. A masked record is counted as
        unscored; an excluded one is left out and not counted. `folds`, shape (n_records,), says inside what the
        scores can be compared; None where all can.

        Raises:
            ValueError: `scores`, `records` and `folds` differ in length.
        """
        folds = np.zeros(len(records), dtype=np.int64) if folds is None else folds
        if not len(scores) == len(records) == len(folds):
            raise ValueError(f"{len(scores)} scores for {len(records)} records with {len(folds)} folds")
        member = np.array([record.role == "member" for record in records], dtype=bool)
        nonmember = np.array(
            [record.role == "nonmember" and (parts is None or record.part in parts) for record in records], dtype=bool
        )
        # sorted names, so that a group's code does not depend on the order of the records
        names = {name: code for code, name in enumerate(sorted({record.group for record in records}))}
        groups = np.array([names[record.group] for record in records], dtype=np.int64)
        unscored = np.ma.getmaskarray(scores)
        values = np.ma.getdata(scores).astype(np.float64)
        return cls(
            members=values[member & ~unscored],
            nonmembers=values[nonmember & ~unscored],
            member_groups=groups[member & ~unscored],
            nonmember_groups=groups[nonmember & ~unscored],
            n_unscored=int(((member | nonmember) & unscored).sum()),
            member_folds=folds[member & ~unscored],
            nonmember_folds=folds[nonmember & ~unscored],
        )

    def comparable(self) -> list[Rows]:
        """The records of each fold that has members and non-members, in the order of the folds."""
        shared = np.intersect1d(self.member_folds, self.nonmember_folds)
        return [Rows(np.flatnonzero(self.member_folds == k), np.flatnonzero(self.nonmember_folds == k)) for k in shared]

    def counts(self) -> Counts:
        """Records and groups by class, as an Estimate carries them."""
        return Counts(
            n_members=len(self.members),
            n_nonmembers=len(self.nonmembers),
            n_member_groups=count_groups(self.member_groups),
            n_nonmember_groups=count_groups(self.nonmember_groups),
            n_unscored=self.n_unscored,
        )

    def gap(self) -> str | None:
        """Why no statistic can be computed, or None when some member can be compared with some non-member."""
        if not len(self.members):
            return "no member was scored"
        if not len(self.nonmembers):
            return "no non-member was scored"
        if not np.isin(self.member_folds, self.nonmember_folds).any():
            return "no fold has a member and a non-member that were scored"
        return None

    def pairs_of_groups(self) -> int:
        """Disjoint pairs of one member and one non-member group: the trials of an exact interval for an AUC."""
        return min(count_groups(self.member_groups), count_groups(self.nonmember_groups))

    def missing(self, name: str, level: float, reason: str, *, fpr: float | None = None) -> Estimate:
        """The estimate of a statistic that cannot be computed."""
        return Estimate(name, None, None, None, level, "none", fpr=fpr, reason=reason, **self.counts())
