"""Who is a member, and on which non-members thresholds are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from mnemoscope import seeds
from mnemoscope.errors import DataError
from mnemoscope.records import Part

Kind = Literal["member", "calibration", "evaluation", "nonmember"]
"""nonmember: a non-member that may be in either part."""

KINDS: Mapping[str, Kind] = {
    "train": "member",
    "member": "member",
    "dev": "calibration",
    "validation": "calibration",
    "valid": "calibration",
    "val": "calibration",
    "test": "evaluation",
    "nonmember": "nonmember",
    "non-member": "nonmember",
}
"""What each split value means, in lower case."""


def kinds(values: Sequence[str], present: str, name: str) -> list[Kind]:
    """The kind of each record; `present` and `name` are for the message.

    Raises:
        DataError: a value is no known split.
    """
    found = [KINDS.get(value.strip().lower()) for value in values]
    if None in found:
        raise DataError(f"{name} has unknown splits; present: {present}. Allowed: {', '.join(KINDS)}.")
    return [kind for kind in found if kind is not None]


def parts(found: Sequence[Kind], groups: Sequence[str], seed: int) -> list[Part]:
    """The part of each record.

    Non-members keep the parts that the data gives them where it gives both. Otherwise a random half of their groups
    calibrates, so that no group is on both sides.
    """
    outside = set(found) - {"member"}
    if outside == {"calibration", "evaluation"}:
        return ["train" if kind == "member" else _part(kind == "calibration") for kind in found]
    half = calibration_groups([group for group, kind in zip(groups, found, strict=True) if kind != "member"], seed)
    return ["train" if kind == "member" else _part(group in half) for group, kind in zip(groups, found, strict=True)]


def calibration_groups(groups: Sequence[str], seed: int) -> frozenset[str]:
    """A random half (rounded down) of the distinct `groups`; their order does not matter."""
    distinct = sorted(set(groups))
    order = seeds.generator(seed, "calibration").permutation(len(distinct))
    return frozenset(distinct[i] for i in order[: len(distinct) // 2])


def _part(calibration: bool) -> Part:
    return "calibration" if calibration else "evaluation"
