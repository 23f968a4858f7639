"""The rows of a comparison: two finished audits, what they share, and how each statistic changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.leaks import Sampled, SpanLeak
from mnemoscope.records import Estimate, Extraction, Generation, Record, RocCurve, Scores


@dataclass(frozen=True, slots=True)
class Audited:
    """A finished audit, as it is compared; what it did not measure is empty."""

    name: str
    """Its run folder, without the folders above."""
    records: Sequence[Record]
    """Members and non-members that were audited; arrays and scores are aligned to them."""
    scores: Mapping[str, Scores]
    fitted: Collection[str]
    """The attacks that were cross-fitted over `folds.group_folds(records)`."""
    extractions: Sequence[Extraction]
    sampled: Sequence[Sampled]
    generations: Sequence[Generation]
    spans: Sequence[SpanLeak]
    losses: NDArray[np.float64]
    """Minus the log-probability of each record in the target, nats, shape (n_records,)."""
    tokens: NDArray[np.int64]
    """Tokens a record, shape (n_records,)."""
    estimates: Mapping[str, Estimate]
    """The audit's own, by name."""
    manifest: Mapping[str, Any]
    """Without the states of its stages."""


@dataclass(frozen=True, slots=True)
class Shared:
    """How the records of two audits stand to each other; every record of either is counted once."""

    ids: tuple[str, ...]
    """Records that both audited with the same text, role and group: the common ones, sorted."""
    paired: bool
    """Whether the common ones are enough to compare the audits on them alone."""
    members: int
    """Common members; so are the other three."""
    nonmembers: int
    member_groups: int
    nonmember_groups: int
    other_text: int
    """Same id, other text."""
    other_role: int
    """Same record, trained on in one audit only."""
    other_group: int
    """Same record and role, in another group."""
    only_before: int
    only_after: int
    other_copies: int
    """Common records that were trained on a different number of times."""


@dataclass(frozen=True, slots=True)
class Change:
    """One statistic before and after; the row of changes.parquet."""

    name: str
    """As in both audits' summary.json, such as "membership.lr_ratio.auc"."""
    family: str
    """Changes of one family are corrected together (Holm)."""
    before: float | None
    before_low: float | None
    """Interval of the audit itself; None where other records are compared than it audited."""
    before_high: float | None
    after: float | None
    after_low: float | None
    after_high: float | None
    value: float | None
    """After minus before, in the unit of the statistic."""
    low: float | None
    high: float | None
    level: float
    """Confidence level of all three intervals, 0..1."""
    method: str
    """How the interval of the difference was made, and its p-value."""
    paired: bool
    """The same records on both sides, resampled together."""
    p_value: float | None
    """Two-sided, of no difference."""
    p_adjusted: float | None
    """The same after Holm's correction over the family."""
    n_members: int
    n_nonmembers: int
    n_member_groups: int
    n_nonmember_groups: int
    n_unscored: int
    """Records that one of the two could not score."""
    reason: str | None
    """Why a value or an interval is missing, or "not resolved: …"."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the page of a comparison is made of."""

    before: Audited
    after: Audited
    shared: Shared
    changes: Sequence[Change]
    attack: str | None
    """The attack of the curves: fixed beforehand, never chosen by its result."""
    curves: tuple[RocCurve, RocCurve] | None
    """Before and after, on the records that are compared."""
    manifest: Mapping[str, Any]
    """seed, resamples, level, versions and commit of the comparison."""
