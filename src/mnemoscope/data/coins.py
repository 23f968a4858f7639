"""Who is trained on, by a fair coin a group: then nothing but the training can tell members from the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mnemoscope import seeds
from mnemoscope.data.splits import calibration_groups
from mnemoscope.errors import DataError
from mnemoscope.records import Part, Record


def coin_flip(records: Sequence[Record], seed: int) -> tuple[Record, ...]:
    """The records in their order with new roles: heads are members, tails are non-members, whole groups at a time.

    Old roles, parts and copies are forgotten. Every group has a coin of its own, as a one-run audit asks for
    (arXiv:2305.08846), and half of the groups that fall tails calibrates. The order of the records does not matter.

    Raises:
        DataError: all groups fell on one side.
    """
    groups = sorted({record.group for record in records})
    heads = seeds.generator(seed, "coins").integers(2, size=len(groups)).astype(bool)
    inside = {group for group, head in zip(groups, heads, strict=True) if head}
    if not 0 < len(inside) < len(groups):
        raise DataError(f"the coins put all {len(groups)} groups on one side. Give more groups or another --seed.")
    calibrating = calibration_groups([group for group in groups if group not in inside], seed)
    return tuple(_placed(record, record.group in inside, record.group in calibrating) for record in records)


def _placed(record: Record, head: bool, calibrates: bool) -> Record:
    if head:
        return dataclasses.replace(record, role="member", part="train", copies=1)
    part: Part = "calibration" if calibrates else "evaluation"
    return dataclasses.replace(record, role="nonmember", part=part, copies=0)
