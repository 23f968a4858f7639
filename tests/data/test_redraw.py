"""Members drawn anew: as many groups as before, whole groups, and another draw for another seed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.data import redraw
from mnemoscope.records import Record

PARTS = {"train": "member", "calibration": "nonmember", "evaluation": "nonmember"}


def pool(n_groups: int) -> list[Record]:
    """Groups of 1 to 3 records, half of the groups in training and a quarter in each other part."""
    parts = ("train", "calibration", "train", "evaluation")
    return [
        Record(f"r{g}-{i}", "text", f"g{g}", PARTS[parts[g % 4]], parts[g % 4], copies=int(parts[g % 4] == "train"))
        for g in range(n_groups)
        for i in range(1 + g % 3)
    ]


def groups(records, part):
    """The groups of a part."""
    return {record.group for record in records if record.part == part}


@given(st.integers(0, 40), st.integers(0, 2**31 - 1))
def test_groups_move_whole_and_their_numbers_stay(n, seed):
    """Every part has as many groups as before, none is in two, and role and copies follow the part."""
    before = pool(n)
    after = redraw(before, seed)
    assert [record.id for record in after] == [record.id for record in before]
    assert {part: len(groups(after, part)) for part in PARTS} == {part: len(groups(before, part)) for part in PARTS}
    assert len(set.union(*(groups(after, part) for part in PARTS))) == len({record.group for record in before})
    for record in after:
        assert record.role == PARTS[record.part]
        assert record.copies == int(record.role == "member")


def test_neither_order_nor_old_roles_matter():
    """The same groups train whatever stood first and whoever trained before."""
    records = pool(60)
    assert groups(redraw(records[::-1], 13), "train") == groups(redraw(records, 13), "train")
    assert groups(redraw(redraw(records, 5), 13), "train") == groups(redraw(records, 13), "train")


def test_seeds_differ_and_every_group_trains_now_and_then():
    """Over 200 seeds each of 40 groups is a member in about half; none is always or never."""
    records = pool(40)
    counts = Counter(group for seed in range(200) for group in groups(redraw(records, seed), "train"))
    assert len(counts) == 40
    assert all(60 <= n <= 140 for n in counts.values())  # 5.6 standard deviations
