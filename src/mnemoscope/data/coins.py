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
    (arXiv:2305.08846), and half of the groups that fall tails calibrates. Neither the order of the records nor what
    other groups there are matters to a coin.

    Raises:
        DataError: all groups fell on one side.
    """
    groups = sorted({record.group for record in records})
    # a stream a group: which other groups there are changes no coin
    inside = {group for group in groups if seeds.generator(seed, "coins", group).integers(2)}
    if not 0 < len(inside) < len(groups):
        raise DataError(f"the coins put all {len(groups)} groups on one side. Give more groups or another --seed.")
    calibrating = calibration_groups([group for group in groups if group not in inside], seed)
    return tuple(_placed(record, record.group in inside, record.group in calibrating) for record in records)


def _placed(record: Record, head: bool, calibrates: bool) -> Record:
    if head:
        return dataclasses.replace(record, role="member", part="train", copies=1)
    part: Part = "calibration" if calibrates else "evaluation"
    return dataclasses.replace(record, role="nonmember", part=part, copies=0)
