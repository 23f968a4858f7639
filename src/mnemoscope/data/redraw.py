"""Who is a member, drawn anew, so that a study's seeds differ in their data too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mnemoscope import seeds
from mnemoscope.records import Part, Record, Role

PARTS: tuple[tuple[Part, Role], ...] = (("train", "member"), ("calibration", "nonmember"), ("evaluation", "nonmember"))


def redraw(records: Sequence[Record], seed: int) -> tuple[Record, ...]:
    """The records in their order with new roles: as many groups train, calibrate and evaluate as before.

    Whole groups move, so that no group is in two parts; one that had records in several counts with its first.
    Neither the order of the records nor what the roles were matters to the draw, only how many groups had each.
    """
    old: dict[str, Part] = {}
    for record in records:
        old.setdefault(record.group, record.part)
    names = sorted(old)
    order = [names[i] for i in seeds.generator(seed, "members").permutation(len(names))]
    places: dict[str, tuple[Part, Role]] = {}
    for part, role in PARTS:
        wanted = sum(one == part for one in old.values())
        taken, order = order[:wanted], order[wanted:]
        places |= dict.fromkeys(taken, (part, role))
    return tuple(_placed(record, *places[record.group]) for record in records)


def _placed(record: Record, part: Part, role: Role) -> Record:
    return dataclasses.replace(record, part=part, role=role, copies=int(role == "member"))
