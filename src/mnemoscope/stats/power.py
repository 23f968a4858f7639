"""What an audit of this size could see at all."""

from __future__ import annotations

from scipy import stats

from mnemoscope.records import Estimate
from mnemoscope.stats.delong import Codes, influence, standard_error
from mnemoscope.stats.sample import Sample

POWER = 0.8
"""Chance of telling the smallest detectable AUC from .5."""


def detectable_auc(control: Sample, name: str, *, level: float = 0.95) -> Estimate:
    """The smallest AUC that would be told from .5 with 80% power, two-sided at `level`; .5..1.

    .5 + (z_(1+level)/2 + z_.8) * standard error (the usual normal approximation). The error is the clustered
    DeLong one of `control`, a score that cannot know who is a member: that is the error when there is nothing to
    tell, with the design effect of these groups.
    """
    if reason := control.gap():
        return control.missing(name, level, reason)
    error = standard_error(influence(control), Codes(control.member_groups, control.nonmember_groups))
    if not error:
        return control.missing(name, level, "the control has no spread between groups")
    reach = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(POWER)) * error
    method = f"{POWER:.0%} power, error of clustered DeLong"
    reason = "no interval: a property of the design"
    return Estimate(name, min(1.0, 0.5 + reach), None, None, level, method, reason=reason, **control.counts())
