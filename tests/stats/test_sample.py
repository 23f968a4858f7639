"""Scores and records to a sample."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.records import Record
from mnemoscope.stats import Sample


def record(name, role, part="evaluation", group=None):
    return Record(id=name, text="", group=group or name, role=role, part=part)


RECORDS = [
    record("a", "member", "train", "doc2"),
    record("b", "member", "train", "doc1"),
    record("c", "nonmember", "calibration", "doc3"),
    record("d", "nonmember", "evaluation", "doc3"),
    record("e", "excluded", "train", "doc1"),
    record("f", "nonmember", "evaluation", "doc4"),
]
SCORES = np.ma.masked_array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], mask=[0, 1, 0, 0, 1, 1])


def test_masked_records_are_counted_and_excluded_ones_are_not():
    """A masked member or non-member is unscored; an excluded record is neither scored nor counted."""
    # scored: member a, non-members c and d; masked: member b, non-member f; e is excluded
    found = Sample.of(SCORES, RECORDS)
    assert (found.members.tolist(), found.nonmembers.tolist(), found.n_unscored) == ([1.0], [3.0, 4.0], 2)
    assert found.counts() == {
        "n_members": 1,
        "n_nonmembers": 2,
        "n_member_groups": 1,
        "n_nonmember_groups": 1,
        "n_unscored": 2,
    }


def test_parts_filter_the_non_members_alone():
    """`parts` keeps the non-members of those parts and every member, and a part left out is not counted unscored."""
    found = Sample.of(SCORES, RECORDS, parts=("calibration",))
    assert (found.members.tolist(), found.nonmembers.tolist(), found.n_unscored) == ([1.0], [3.0], 1)


def test_group_codes_do_not_depend_on_order():
    """The code of a group is the same whatever the order of the records."""
    back = Sample.of(SCORES[::-1], RECORDS[::-1])
    found = Sample.of(SCORES, RECORDS)
    assert found.member_groups.tolist() == back.member_groups.tolist()
    assert found.nonmember_groups.tolist() == back.nonmember_groups.tolist()[::-1]
    assert found.member_groups.dtype == np.int64


def test_scores_without_a_mask_are_taken_whole():
    """A masked array whose mask was never set has no unscored record."""
    found = Sample.of(np.ma.masked_array([1.0, 2.0]), [record("α", "member"), record("β", "nonmember")])
    assert (len(found.members), len(found.nonmembers), found.n_unscored) == (1, 1, 0)


def test_no_records_give_an_empty_sample():
    """Nothing in, nothing out."""
    assert Sample.of(np.ma.masked_array([], dtype=float), []).gap() == "no member was scored"


def test_lengths_must_agree():
    """Scores of other records are refused."""
    with pytest.raises(ValueError, match="6 scores for 5 records"):
        Sample.of(SCORES, RECORDS[:5])


def test_folds_follow_the_scored_records():
    """Each scored record keeps its fold; without folds all records can be compared."""
    found = Sample.of(SCORES, RECORDS, folds=np.arange(6))
    assert (found.member_folds.tolist(), found.nonmember_folds.tolist()) == ([0], [2, 3])
    assert found.gap() == "no fold has a member and a non-member that were scored"
    plain = Sample.of(SCORES, RECORDS)
    assert (plain.member_folds.tolist(), plain.nonmember_folds.tolist()) == ([0], [0, 0])
    assert plain.gap() is None


def test_comparable_folds_have_both_classes():
    """A fold with members alone, or non-members alone, compares nothing."""
    found = Sample(
        np.arange(4.0), np.arange(3.0), np.arange(4), np.arange(3), 0, np.array([2, 0, 1, 1]), np.array([1, 3, 1])
    )
    assert [(one.members.tolist(), one.nonmembers.tolist()) for one in found.comparable()] == [([2, 3], [0, 2])]


def test_as_many_folds_as_records():
    """Folds of other records are refused."""
    with pytest.raises(ValueError, match="5 folds"):
        Sample.of(SCORES, RECORDS, folds=np.zeros(5, dtype=int))
    with pytest.raises(ValueError, match="member_folds has 1 entries for 2 records"):
        Sample(np.zeros(2), np.zeros(1), np.arange(2), np.arange(1), 0, np.zeros(1, dtype=int))
