"""How the statistics of one audit differ from those of another: before and after a defence, or any two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
from scipy import stats

from mnemoscope.changes import Audited, Change, Shared
from mnemoscope.records import Estimate, Record
from mnemoscope.stats.averages import excess
from mnemoscope.stats.change_pairs import Pairs, Raw
from mnemoscope.stats.multiplicity import holm

FEWEST_GROUPS = 10
"""Groups of each class that must be common to both audits for them to be compared record by record."""

_WHO = r"((?:non)?members)"
_FAMILIES = (
    (r"membership\.[^.]+\.(auc|auc_delong_clustered|tpr_at_fpr\.[^.]+\.?\d*)", r"membership.\1"),
    (rf"extraction\..+\.(verbatim|spans|matched_tokens)\.{_WHO}", r"extraction.\1.\2"),
    (rf"prefix_length\..+\.{_WHO}", r"prefix_length.\1"),
    (rf"(sampling\..+\.expected)\.n\d+\.{_WHO}", r"\1.\2"),
    (rf"spans\..+\.greedy\.{_WHO}", r"spans.greedy.\1"),
    (rf"generation\..+\.ngram_share\.{_WHO}", r"generation.ngram_share.\1"),
    (rf"perplexity\.target\.{_WHO}", r"perplexity.target.\1"),
)
"""The statistics that are compared, and the family of each: what one question asks of all attacks, prefixes, types or
numbers of queries."""


def family_of(name: str) -> str | None:
    """The family of a statistic; None where it is not compared.

    >>> family_of("membership.loss.tpr_at_fpr.0.01"), family_of("membership.loss.group.auc")
    ('membership.tpr_at_fpr.0.01', None)
    >>> family_of("sampling.0.5.t0.7-k40.expected.n10.members")
    'sampling.0.5.t0.7-k40.expected.members'
    """
    for pattern, family in _FAMILIES:
        if found := re.fullmatch(pattern, name):
            return found.expand(family)
    return None


def shared(before: Audited, after: Audited) -> Shared:
    """Which records the two have in common, and how the others differ."""
    first, second = ({record.id: record for record in side.records} for side in (before, after))
    tally: dict[str, list[str]] = {"common": [], "other_text": [], "other_role": [], "other_group": []}
    for name in sorted(first.keys() & second.keys()):
        tally[_kind(first[name], second[name])].append(name)
    common = [first[name] for name in tally["common"]]
    groups = [{record.group for record in common if record.role == role} for role in ("member", "nonmember")]
    return Shared(
        ids=tuple(tally["common"]),
        paired=min(map(len, groups)) >= FEWEST_GROUPS,
        members=sum(record.role == "member" for record in common),
        nonmembers=sum(record.role == "nonmember" for record in common),
        member_groups=len(groups[0]),
        nonmember_groups=len(groups[1]),
        other_text=len(tally["other_text"]),
        other_role=len(tally["other_role"]),
        other_group=len(tally["other_group"]),
        only_before=len(first.keys() - second.keys()),
        only_after=len(second.keys() - first.keys()),
        other_copies=sum(record.copies != second[record.id].copies for record in common),
    )


def _kind(one: Record, other: Record) -> str:
    if one.text != other.text:
        return "other_text"
    if one.role != other.role:
        return "other_role"
    return "common" if one.group == other.group else "other_group"


def changes(
    before: Audited, after: Audited, common: Shared, *, level: float = 0.95, resamples: int = 2000, seed: int
) -> list[Change]:
    """Every statistic that both audits have: after minus before, with an interval and Holm-corrected p-values.

    Paired where enough records are `common`: groups are resampled once for both sides (`Pairs`). Else the two are taken
    for independent samples, and the audits' own intervals are squared and added (`averages.excess`).

    Exchanging the two audits turns every sign round.
    """
    if common.paired:
        found = list(Pairs(before, after, common, level, resamples, seed).differences())
    else:
        found = list(_apart(before, after))
    return [_change(before, after, raw, p, common.paired) for raw, p in zip(found, _corrected(found), strict=True)]


def _apart(before: Audited, after: Audited) -> Iterator[Raw]:
    """Differences of the audits' own estimates, which share no record."""
    for name, one in before.estimates.items():
        other = after.estimates.get(name)
        if other is not None and family_of(name) is not None:
            yield Raw(one.value, other.value, _difference(one, other))


def _difference(one: Estimate, other: Estimate) -> Estimate:
    counts = {name: min(getattr(one, name), getattr(other, name)) for name in _COUNTS}
    reason = next((side.reason for side in (other, one) if side.reason), None)
    bare = Estimate(one.name, None, None, None, one.level, "none", fpr=one.fpr, reason=reason, **counts)
    if one.value is None or other.value is None:
        return bare
    found = excess(other, one, one.name)
    if found.value is None or one.level != other.level:
        reason = reason or ("the audits have other levels" if one.level != other.level else "an audit has no interval")
        return Estimate(**{**asdict(bare), "value": other.value - one.value, "reason": reason})
    method = "independent samples: square-and-add of both audits' intervals; p normal"
    p_value = None if reason else _normal_p(found)
    return Estimate(**{**asdict(bare), "value": found.value, "low": found.low, "high": found.high, "method": method,
                       "p_value": p_value})  # fmt: skip


_COUNTS = ("n_members", "n_nonmembers", "n_member_groups", "n_nonmember_groups", "n_unscored")


def _normal_p(found: Estimate) -> float | None:
    """The p-value that belongs to the interval's reach towards 0, as if that were a normal's."""
    value, low, high = found.value or 0.0, found.low or 0.0, found.high or 0.0
    if not value:
        return 1.0
    reach = value - low if value > 0 else high - value
    z = float(stats.norm.ppf((1 + found.level) / 2))
    return 2 * float(stats.norm.sf(z * abs(value) / reach)) if reach > 0 else None


def _corrected(found: Sequence[Raw]) -> list[float | None]:
    """Holm-corrected p-values, family by family, in the order given."""
    families: dict[str | None, list[int]] = {}
    for i, raw in enumerate(found):
        families.setdefault(family_of(raw.difference.name), []).append(i)
    adjusted: dict[int, float | None] = {}
    for rows in families.values():
        adjusted |= dict(zip(rows, (one.p_adjusted for one in holm([found[i].difference for i in rows])), strict=True))
    return [adjusted[i] for i in range(len(found))]


def _change(before: Audited, after: Audited, raw: Raw, p_adjusted: float | None, paired: bool) -> Change:
    one = raw.difference
    own = [_own(side, one.name, value) for side, value in ((before, raw.before), (after, raw.after))]
    return Change(
        one.name, family_of(one.name) or one.name, raw.before, *own[0], raw.after, *own[1], one.value, one.low,
        one.high, one.level, one.method, paired, one.p_value, p_adjusted, one.n_members, one.n_nonmembers,
        one.n_member_groups, one.n_nonmember_groups, one.n_unscored, one.reason,
    )  # fmt: skip


def _own(side: Audited, name: str, value: float | None) -> tuple[float | None, float | None]:
    """The audit's own interval, where it is one of this very value."""
    known = side.estimates.get(name)
    if known is None or known.value is None or value is None or not np.isclose(known.value, value, rtol=1e-9):
        return None, None
    return known.low, known.high
