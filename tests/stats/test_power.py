"""The smallest AUC that could be seen."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope import stats


def test_detectable_by_hand(sample):
    """.5 + (1.959964 + .841621) standard errors."""
    # every score of both classes once: 1 2 3 4 5 in each; V10 = V01 = .1 .3 .5 .7 .9, variance .1; SE = sqrt(.04) = .2
    found = stats.detectable_auc(sample([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), "x")
    assert found.value == 1.0  # .5 + 2.801585 * .2 = 1.06, which no AUC can be
    found = stats.detectable_auc(sample([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), "x", level=0.5)
    # level .5: z_.75 = .674490, so .5 + (.674490 + .841621) * .2
    assert found.value == pytest.approx(0.5 + 1.516111 * 0.2, abs=1e-6)
    assert (found.low, found.high, found.reason) == (None, None, "no interval: a property of the design")


def test_four_of_five_audits_see_the_detectable_auc(clustered):
    """At a true AUC of that size about 80% of samples have p < .05, groups included."""
    rng = np.random.default_rng(2)
    sizes = {"groups": (150, 150), "size": 3, "icc": 0.5}
    control = own_codes(clustered(rng, **sizes))
    detectable = stats.detectable_auc(control, "x").value
    shift = np.sqrt(2) * float(stats.delong.stats.norm.ppf(detectable))
    samples = [own_codes(clustered(rng, shift=shift, **sizes)) for _ in range(200)]
    seen = np.mean([stats.auc_delong_clustered(one, "x").p_value < 0.05 for one in samples])
    assert seen == pytest.approx(0.8, abs=0.12)  # three standard errors .085, and the control's own error


def own_codes(one):
    return stats.Sample(one.members, one.nonmembers, one.member_groups, one.nonmember_groups + 1000, n_unscored=0)


def test_without_a_spread_there_is_a_reason(sample):
    """A constant control or an empty class tells nothing about power."""
    assert stats.detectable_auc(sample([1, 1], [1, 1]), "x").reason == "the control has no spread between groups"
    assert stats.detectable_auc(sample([], [1]), "x").reason == "no member was scored"
