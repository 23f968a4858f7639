"""Coins: whole groups, fair, and blind to everything but the names of the groups."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.errors import DataError
from mnemoscope.records import Record, Span


def records(groups: list[int]) -> list[Record]:
    """One record for each entry, of that group, in old roles that go round."""
    roles = (("member", "train", 1), ("nonmember", "calibration", 0), ("nonmember", "evaluation", 0))
    return [
        Record(f"r{i}", f"text {i}", f"g{group}", *roles[i % 3][:2], (Span(0, 4, "age"),), roles[i % 3][2])
        for i, group in enumerate(groups)
    ]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 20))
def test_laws(groups: list[int], seed: int) -> None:
    """Groups stay whole, a role fits its part and copies, half of the held-out groups calibrate, all else stays."""
    before = [*records(groups), *records([20, 21, 22, 23, 24, 25, 26, 27])]
    try:
        after = data.coin_flip(before, seed)
    except DataError:
        return
    kept = ("id", "text", "group", "spans")
    assert [[getattr(r, k) for k in kept] for r in after] == [[getattr(r, k) for k in kept] for r in before]
    places: dict[str, set[tuple[str, str, int]]] = {}
    for record in after:
        places.setdefault(record.group, set()).add((record.role, record.part, record.copies))
    assert all(len(found) == 1 for found in places.values())
    found = Counter(next(iter(one)) for one in places.values())
    allowed = {("member", "train", 1), ("nonmember", "calibration", 0), ("nonmember", "evaluation", 0)}
    assert set(found) <= allowed
    spare = found["nonmember", "evaluation", 0] - found["nonmember", "calibration", 0]
    assert spare in (0, 1)


@given(st.permutations(range(24)), st.integers(0, 5))
def test_neither_order_nor_old_roles_matter(order: list[int], seed: int) -> None:
    """The role of a record follows from its group and the seed alone."""
    before = records([i // 2 for i in range(24)])
    other = [dataclasses.replace(before[i], role="excluded", part="train", copies=7) for i in order]
    found = {record.id: record for record in data.coin_flip(before, seed)}
    assert {record.id: record for record in data.coin_flip(other, seed)} == found


def test_coins_are_fair_and_apart() -> None:
    """Each group is heads in half of the seeds, and knowing one coin says nothing about another."""
    before = records(list(range(20)))
    heads = np.array([[r.role == "member" for r in data.coin_flip(before, seed)] for seed in range(800)])
    assert heads.mean(axis=0) == pytest.approx(np.full(20, 0.5), abs=0.07)
    assert np.abs(np.corrcoef(heads.T) - np.eye(20)).max() < 0.15


def test_old_members_are_no_likelier() -> None:
    """Old members are members again half of the time."""
    before = records(list(range(600)))
    after = data.coin_flip(before, 0)
    again = [new.role == "member" for old, new in zip(before, after, strict=True) if old.role == "member"]
    assert np.mean(again) == pytest.approx(0.5, abs=0.1)


def test_one_sided_coins_are_refused() -> None:
    """One group cannot be on both sides."""
    with pytest.raises(DataError, match="all 1 groups on one side"):
        data.coin_flip(records([1, 1, 1]), 0)
