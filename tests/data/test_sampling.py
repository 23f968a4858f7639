"""A share of the data: whole groups, every part kept, nested and reproducible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.errors import ConfigError
from mnemoscope.records import Part, Record

PARTS: tuple[Part, ...] = ("train", "calibration", "evaluation")


def records(sizes: dict[Part, int]) -> tuple[Record, ...]:
    """Groups of one to three records, the parts interleaved."""
    found = []
    for i in range(max(sizes.values(), default=0)):
        for part in PARTS:
            if i < sizes.get(part, 0):
                role = "member" if part == "train" else "nonmember"
                name = f"{part}{i}"
                found += [Record(f"{name}-{k}", f"text {i} {k}", name, role, part) for k in range(1 + i % 3)]
    return tuple(found)


def groups(found: tuple[Record, ...]) -> dict[str, str]:
    return {record.group: record.part for record in found}


@given(
    sizes=st.fixed_dictionaries({part: st.integers(0, 9) for part in PARTS}),
    share=st.floats(0.01, 1),
    seed=st.integers(0, 50),
)
def test_laws(sizes: dict[Part, int], share: float, seed: int) -> None:
    """Each part keeps its share of groups, at least one; groups stay whole and records in order."""
    before = records(sizes)
    after = data.sample(before, share, seed)
    kept = set(groups(after))
    assert after == tuple(record for record in before if record.group in kept)
    counts = Counter(groups(after).values())
    assert counts == +Counter({part: min(n, max(1, round(share * n))) for part, n in sizes.items()})


def test_all() -> None:
    """Share 1 gives everything back."""
    before = records({"train": 5, "evaluation": 4})
    assert data.sample(before, 1, 3) == before


def test_seed() -> None:
    """Equal seeds draw equally and others differ; a larger share keeps the smaller; order does not change the draw."""
    before = records({"train": 60, "calibration": 30, "evaluation": 30})
    small = data.sample(before, 0.2, 1)
    assert small == data.sample(before, 0.2, 1) != data.sample(before, 0.2, 2)
    assert set(small) < set(data.sample(before, 0.5, 1))
    assert set(small) == set(data.sample(before[::-1], 0.2, 1))


def test_group_with_several_parts_counts_with_its_first() -> None:
    """A mixed group is drawn once and stays whole."""
    mixed = (
        Record("a", "x", "g", "member", "train"),
        Record("b", "x", "g", "nonmember", "evaluation"),
        Record("c", "x", "h", "nonmember", "evaluation"),
    )
    assert data.sample(mixed, 0.01, 0) == mixed


def test_every_group_has_its_chance() -> None:
    """Over many seeds each of 10 groups is drawn about as often: 60 of 200 expected, 4 standard errors allowed."""
    before = records({"train": 10})
    drawn = Counter(group for seed in range(200) for group in groups(data.sample(before, 0.3, seed)))
    assert len(drawn) == 10
    assert all(abs(n - 60) <= 4 * (200 * 0.3 * 0.7) ** 0.5 for n in drawn.values())


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_refusals(share: float) -> None:
    """A share outside (0, 1] is refused."""
    with pytest.raises(ConfigError, match="share"):
        data.sample(records({"train": 2}), share, 0)
