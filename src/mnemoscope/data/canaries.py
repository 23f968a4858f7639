"""Records planted more than once, to see what repetition does at a fixed size of the training set."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mnemoscope import seeds
from mnemoscope.errors import ConfigError
from mnemoscope.records import Record


@dataclass(frozen=True, slots=True)
class Planting:
    """Records after planting, and what the model is trained on."""

    records: tuple[Record, ...]
    """In the given order; planted ones have copies > 1, overwritten ones the role "excluded" and copies=0."""
    slots: tuple[int, ...]
    """Index into `records` of what stands in each training slot; one slot a member before planting."""


def plant(records: Sequence[Record], *, copies: int, planted: int = 1, seed: int) -> Planting:
    """Let `planted` members stand `copies` times in the training set, each overwriting `copies - 1` other members.

    The same seed plants the same records whatever `copies` is, so that doses compare like with like.

    Raises:
        ConfigError: a count is below 1, or there are fewer than copies x planted members.
    """
    members = [i for i, record in enumerate(records) if record.role == "member"]
    if copies < 1 or planted < 1:
        raise ConfigError(f"--copies and --planted must be 1 or more; got {copies} and {planted}.")
    if copies * planted > len(members):
        raise ConfigError(
            f"--copies {copies} x --planted {planted} needs {copies * planted} members, got {len(members)}. "
            "Lower --copies or --planted, or give more members."
        )
    slots = {i: i for i in members}
    drawn = [members[i] for i in seeds.generator(seed, "plant").permutation(len(members))]
    chosen, others = drawn[:planted], iter(drawn[planted:])
    for source in chosen:
        slots.update((next(others), source) for _ in range(copies - 1))
    return Planting(_mark(records, slots, set(chosen), copies), tuple(slots[i] for i in members))


def _mark(records: Sequence[Record], slots: dict[int, int], chosen: set[int], copies: int) -> tuple[Record, ...]:
    marked = list(records)
    for i, source in slots.items():
        if i in chosen:
            marked[i] = dataclasses.replace(records[i], copies=copies)
        elif source != i:
            marked[i] = dataclasses.replace(records[i], role="excluded", copies=0)
    return tuple(marked)
