"""Planting: the size of the training set stays, and the copies are where they should be."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.errors import ConfigError
from mnemoscope.records import Record


def records(n_members: int, n_nonmembers: int = 3) -> tuple[Record, ...]:
    inside = [Record(f"m{i}", f"in {i}", f"g{i}", "member", "train") for i in range(n_members)]
    outside = [Record(f"n{i}", f"out {i}", f"h{i}", "nonmember", "evaluation", copies=0) for i in range(n_nonmembers)]
    return tuple(outside[:1] + inside + outside[1:])


@given(copies=st.integers(1, 6), planted=st.integers(1, 4), spare=st.integers(0, 5), seed=st.integers(0, 99))
def test_laws(copies: int, planted: int, spare: int, seed: int) -> None:
    """Slots are as many as members were, copies sum to them, and every record stands there as often as it says."""
    before = records(copies * planted + spare)
    after = data.plant(before, copies=copies, planted=planted, seed=seed)
    assert len(after.slots) == copies * planted + spare == sum(r.copies for r in after.records)
    assert Counter(after.slots) == {i: r.copies for i, r in enumerate(after.records) if r.copies}
    roles = Counter(r.role for r in after.records)
    assert roles["excluded"] == planted * (copies - 1)
    assert sum(r.copies == copies and r.role == "member" for r in after.records) >= planted
    assert [(r.id, r.text, r.group, r.part) for r in after.records] == [(r.id, r.text, r.group, r.part) for r in before]


def test_slots_follow_members() -> None:
    """A slot that was not overwritten holds its own member, in order."""
    before = records(6)
    after = data.plant(before, copies=3, seed=0)
    members = [i for i, r in enumerate(before) if r.role == "member"]
    planted = next(i for i, r in enumerate(after.records) if r.copies == 3)
    assert [slot for slot in after.slots if slot != planted] == [i for i in members if after.records[i].copies == 1]
    assert [slot == planted for slot in after.slots] == [
        i == planted or after.records[i].role == "excluded" for i in members
    ]


def test_one_copy_changes_nothing() -> None:
    """copies=1 leaves every record as it was."""
    before = records(4)
    assert data.plant(before, copies=1, planted=2, seed=5).records == before


def test_seed() -> None:
    """Equal seeds plant equally, other seeds elsewhere, and the dose does not change which record is planted."""
    before = records(200)
    planted = {
        (copies, seed): next(r.id for r in data.plant(before, copies=copies, seed=seed).records if r.copies == copies)
        for copies in (2, 50)
        for seed in (0, 1)
    }
    assert data.plant(before, copies=5, seed=0) == data.plant(before, copies=5, seed=0)
    assert planted[2, 0] == planted[50, 0] != planted[2, 1]


@pytest.mark.parametrize(("copies", "planted"), [(0, 1), (2, 0), (-1, 1), (6, 1), (2, 3)])
def test_refusals(copies: int, planted: int) -> None:
    """Counts below 1, or more copies than members, are refused by the names of the options."""
    with pytest.raises(ConfigError, match=r"--copies.*--planted"):
        data.plant(records(5), copies=copies, planted=planted, seed=0)
