"""One attack's scores by class: what every statistic of ranking takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

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


@dataclass(frozen=True, slots=True)
class Sample:
    """Scores of members and non-members with their groups; higher = more likely a member."""

    members: NDArray[np.float64]
    """Shape (n1,)."""
    nonmembers: NDArray[np.float64]
    """Shape (n2,)."""
    member_groups: NDArray[np.int64]
    """Group code of each member, shape (n1,)."""
    nonmember_groups: NDArray[np.int64]
    """Group code of each non-member, shape (n2,)."""
    n_unscored: int
    """Members and non-members that the attack could not score."""

    @classmethod
    def of(cls, scores: Scores, records: Sequence[Record], *, parts: tuple[Part, ...] | None = None) -> Sample:
        """The scored members and non-members of `records`; `scores` has shape (n_records,).

        `parts` keeps the non-members of these parts only; members are always kept. A masked record is counted as
        unscored; an excluded one is left out and not counted.

        Raises:
            ValueError: `scores` and `records` differ in length.
        """
        if len(scores) != len(records):
            raise ValueError(f"{len(scores)} scores for {len(records)} records")
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
        )

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
        """Why no statistic can be computed, or None when both classes have records."""
        if not len(self.members):
            return "no member was scored"
        if not len(self.nonmembers):
            return "no non-member was scored"
        return None

    def missing(self, name: str, level: float, reason: str, *, fpr: float | None = None) -> Estimate:
        """The estimate of a statistic that cannot be computed."""
        return Estimate(name, None, None, None, level, "none", fpr=fpr, reason=reason, **self.counts())
