"""Folds keep groups whole and depend on nothing but the records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope.folds import FOLDS, group_folds
from mnemoscope.records import Record

sides = st.sampled_from(["member", "nonmember", "excluded"])


def record(i, group, role="member"):
    return Record(f"r{i:04}", "", group, role, "train" if role == "member" else "evaluation")


def cohort(members=30, nonmembers=20, size=3):
    """Groups of one class and `size` records each."""
    roles = ["member"] * members + ["nonmember"] * nonmembers
    return [record(size * g + k, f"g{g}", role) for g, role in enumerate(roles) for k in range(size)]


def test_every_fold_has_its_share_of_both_classes():
    """Thirty member groups and twenty of non-members fall into five folds of six and four."""
    records = cohort()
    folds = group_folds(records)
    for role, count in (("member", 18), ("nonmember", 12)):
        found = [fold for fold, one in zip(folds, records, strict=True) if one.role == role]
        assert np.bincount(found, minlength=FOLDS).tolist() == [count] * FOLDS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 25), sides), min_size=1, max_size=80), st.integers(2, 6))
def test_groups_stay_whole(drawn, folds):
    """A group has one fold, whatever the roles of its records; None exactly where a class has too few groups."""
    records = [record(i, f"g{group}", role) for i, (group, role) in enumerate(drawn)]
    found = group_folds(records, folds=folds)
    groups = {side: {one.group for one in records if one.role == side} for side in ("member", "nonmember")}
    assert (found is None) == (min(map(len, groups.values())) < folds)
    if found is not None:
        assert found.shape == (len(records),)
        assert set(found.tolist()) <= set(range(folds))
        assert len({(one.group, fold) for one, fold in zip(records, found.tolist(), strict=True)}) == len(
            {one.group for one in records}
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_records_does_not_matter(seed):
    """Shuffled records get the folds that they had."""
    records = [*cohort(7, 9, 2), *(record(100 + i, f"g{i}", "excluded") for i in range(4))]
    order = np.random.default_rng(seed).permutation(len(records))
    np.testing.assert_array_equal(group_folds([records[i] for i in order]), group_folds(records)[order])


@pytest.mark.parametrize(("members", "nonmembers"), [(4, 20), (20, 4), (0, 20), (20, 0)])
def test_too_few_groups_have_no_folds(members, nonmembers):
    """A class with fewer groups than folds cannot be in every fold; many records do not make up for it."""
    assert group_folds(cohort(members, nonmembers, size=10)) is None
    assert group_folds([]) is None


def test_an_excluded_record_has_the_fold_of_its_group():
    """A record that was overwritten is no member, and still stays with its group."""
    records = cohort(6, 6, 2)
    folds = group_folds([*records, record(99, "g3", "excluded")])
    assert folds[-1] == folds[6]
