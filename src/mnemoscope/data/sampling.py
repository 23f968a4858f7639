"""A random share of the data, whole groups at a time."""

from __future__ import annotations

from collections.abc import Sequence

from mnemoscope import seeds
from mnemoscope.errors import ConfigError
from mnemoscope.records import Record


def sample(records: Sequence[Record], share: float, seed: int) -> tuple[Record, ...]:
    """The records of a random `share` of the groups, in their order; at share 1 all records.

    Drawn apart among the groups of members, of calibration and of evaluation non-members; a group that has several
    counts with its first record. At least one group of each is kept. A larger share with the same seed keeps all
    that a smaller one keeps, whatever the order of the records is.

    Raises:
        ConfigError: the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"a share of the groups lies above 0 and at most at 1; got {share}. Give 1 for all of them.")
    part_of: dict[str, str] = {}
    for record in records:
        part_of.setdefault(record.group, record.part)
    rng = seeds.generator(seed, "share")
    kept: set[str] = set()
    for part in ("train", "calibration", "evaluation"):
        groups = sorted(group for group, first in part_of.items() if first == part)
        drawn = rng.permutation(len(groups))[: max(1, round(share * len(groups)))]
        kept.update(groups[i] for i in drawn)
    return tuple(record for record in records if record.group in kept)
