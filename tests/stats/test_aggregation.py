"""From records to groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope.records import Record
from mnemoscope.stats import by_group, fold_ranks


def record(k, group, role="member"):
    return Record(id=str(k), text="", group=group, role=role, part="train" if role == "member" else "evaluation")


RECORDS = [
    record(0, "a"),
    record(1, "a"),
    record(2, "b", "nonmember"),
    record(3, "b", "nonmember"),
    record(4, "c", "nonmember"),
    record(5, "d"),
    record(6, "d", "nonmember"),
    record(7, "e"),
    record(8, "f", "excluded"),
]
SCORES = np.ma.masked_array([9, 1e300, 9, 3, 1, 2, 4, 5, 7.0], mask=[0, 0, 0, 1, 0, 0, 0, 1, 0])


def test_ranks_by_hand():
    """Midranks of the scored members and non-members over their number; excluded ones have none."""
    # scored: 9 1e300 9 . 1 2 4 . -> sorted 1 2 4 9 9 1e300: ranks 4.5 6 4.5 . 1 2 3, n = 6
    found = fold_ranks(SCORES, RECORDS)
    assert found.tolist() == pytest.approx([4.5 / 6, 1, 4.5 / 6, None, 1 / 6, 2 / 6, 3 / 6, None, None])


def test_group_scores_by_hand():
    """A group's score is the mean rank of its scored records; mixed and unscored groups are counted as unscored."""
    # a: (4.5 + 6) / 12 = .875; b: 4.5 / 6 = .75 (its other record is masked); c: 1 / 6; d is mixed, e has no score
    found = by_group(SCORES, RECORDS)
    assert found.members.tolist() == pytest.approx([0.875])
    assert found.nonmembers.tolist() == pytest.approx([0.75, 1 / 6])
    assert found.counts() == {
        "n_members": 1,
        "n_nonmembers": 2,
        "n_member_groups": 1,
        "n_nonmember_groups": 2,
        "n_unscored": 2,
    }


def test_folds_rank_apart_and_stay_with_their_groups():
    """With folds the ranks start anew in each, and a group keeps its records' fold."""
    folds = np.array([0, 0, 1, 1, 0, 1, 1, 0, 0])
    # fold 0 scored: 9 1e300 1 -> 2/3 1 1/3; fold 1 scored: 9 2 4 -> 1 1/3 2/3
    assert fold_ranks(SCORES, RECORDS, folds).tolist() == pytest.approx(
        [2 / 3, 1, 1, None, 1 / 3, 1 / 3, 2 / 3, None, None]
    )
    found = by_group(SCORES, RECORDS, folds)
    assert (found.member_folds.tolist(), found.nonmember_folds.tolist()) == ([0], [1, 0])


@given(st.lists(st.integers(-5, 5), min_size=9, max_size=9))
@settings(max_examples=30, deadline=None)
def test_only_the_order_of_scores_counts(values):
    """Any rising change of the scores leaves the groups' scores as they are."""
    first = by_group(np.ma.masked_array(values, dtype=float), RECORDS)
    second = by_group(np.ma.masked_array(np.exp(10.0 * np.array(values))), RECORDS)
    assert first.members.tolist() == second.members.tolist()
    assert first.nonmembers.tolist() == second.nonmembers.tolist()


def test_no_records_make_no_groups():
    """Nothing in, nothing out."""
    assert by_group(np.ma.masked_array([], dtype=float), []).gap() == "no member was scored"
