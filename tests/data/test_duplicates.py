"""Near copies: exactly those that brute force finds, in the class where they are."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import data, seeds
from mnemoscope.data.duplicates import bands
from mnemoscope.records import Record, Role


def record(name: str, text: str, role: Role = "member") -> Record:
    return Record(name, text, name, role, "train" if role == "member" else "evaluation")


def found(records: list[Record], threshold: float = 0.7) -> dict[str, list[str]]:
    """Ids by key."""
    near = data.near_duplicates(records, threshold)
    assert all(values.shape == (len(records),) and values.dtype == bool for values in near.values())
    return {key: [r.id for r, hit in zip(records, values, strict=True) if hit] for key, values in near.items()}


def brute(records: list[Record], threshold: float) -> dict[str, list[str]]:
    """The definition, pair by pair, for texts of plain lower-case words."""

    def shingles(text: str) -> set[str]:
        words = text.split()
        return {" ".join(words[i : i + 3]) for i in range(len(words) - 2)} or {text}

    near: dict[str, set[str]] = {"across": set(), "within": set()}
    for one, other in itertools.combinations(records, 2):
        a, b = shingles(one.text), shingles(other.text)
        if len(a & b) / len(a | b) >= threshold and "excluded" not in (one.role, other.role):
            near["within" if one.role == other.role else "across"] |= {one.id, other.id}
    return {key: [r.id for r in records if r.id in ids] for key, ids in near.items()}


def test_worked() -> None:
    """Ten words have 8 shingles; a change of the last word leaves 7 of 9, one in the middle 5 of 11."""
    text = "a b c d e f g h i j"
    last, middle = text.replace("j", "x"), text.replace("e", "x")
    records = [record("m", text), record("n", last, "nonmember"), record("o", middle, "nonmember")]
    assert found(records) == {"across": ["m", "n"], "within": []}
    assert found(records, 7 / 9) == {"across": ["m", "n"], "within": []}
    assert found(records, 0.78) == {"across": [], "within": []}
    assert found(records, 5 / 11) == {"across": ["m", "n", "o"], "within": []}


def test_exactly_at_the_threshold() -> None:
    """7 of 10 shingles in common is a near copy at 0.7, whatever the rounding of 0.7."""
    one, other = "a b c d e f g h i x y", "a b c d e f g h i z"
    assert found([record("m", one), record("n", other)])["within"] == ["m", "n"]


def test_folding() -> None:
    """Case, white space and punctuation do not count, also in texts shorter than a shingle."""
    records = [
        record("a", "The patient, aged 60, DIED."),
        record("b", "the patient\taged 60 died", "nonmember"),
        record("c", "Nausea!"),
        record("d", "nausea"),
        record("e", "nausea vomiting"),
    ]
    assert found(records) == {"across": ["a", "b"], "within": ["c", "d"]}


def test_classes() -> None:
    """A copy is across or within by the two classes, can be both, and never counts where a record is excluded."""
    text = "one two three four five"
    three = [record("a", text), record("b", text), record("c", text, "nonmember")]
    assert found(three) == {"across": ["a", "b", "c"], "within": ["a", "b"]}
    excluded = [dataclasses.replace(three[0], role="excluded"), *three[1:]]
    assert found(excluded) == {"across": ["b", "c"], "within": []}


def test_texts_without_words() -> None:
    """Texts without a word are copies when they are the same text; no records have no copies."""
    records = [record("a", "..."), record("b", "!?"), record("c", "!? "), record("d", ""), record("e", "")]
    assert found(records)["within"] == ["b", "c", "d", "e"]
    assert found([]) == {"across": [], "within": []}


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), max_size=7).map(" ".join),
            st.sampled_from(("member", "nonmember", "excluded")),
        ),
        max_size=12,
    ),
    threshold=st.sampled_from((0.5, 0.7, 1.0)),
)
def test_brute_force(texts: list[tuple[str, Role]], threshold: float) -> None:
    """The same answer as all pairs; seeds and sets this small leave no room for a missed candidate."""
    records = [record(f"r{i}", text, role) for i, (text, role) in enumerate(texts)]
    assert found(records, threshold) == brute(records, threshold)


def planted(n: int) -> list[Record]:
    """n members of 30 words, and each again as a non-member with 1 to 3 words changed."""
    rng, records = seeds.generator(0, "planted"), []
    for i in range(n):
        words = [f"w{k}" for k in rng.integers(0, 500, 30)]
        records.append(record(f"m{i}", " ".join(words)))
        for place in rng.integers(0, 30, 1 + i % 3):
            words[place] = "changed"
        records.append(record(f"n{i}", " ".join(words), "nonmember"))
    return records


def test_recall() -> None:
    """Of pairs on both sides of the threshold, nothing false is found and 99% of what brute force finds."""
    records = planted(150)
    ours, truth = found(records)["across"], brute(records, 0.7)["across"]
    assert 60 < len(truth) < 290
    assert set(ours) <= set(truth)
    assert len(ours) >= 0.99 * len(truth)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_bands(threshold: float) -> None:
    """The bands fit the signature and keep the promised recall at the threshold."""
    b, r = bands(threshold)
    assert b >= 2
    assert b * r <= 128
    assert 1 - (1 - threshold**r) ** b >= 0.999


def test_same_in_every_process() -> None:
    """The candidates do not depend on Python's hash seed."""
    code = (
        "from mnemoscope.data.duplicates import _candidates, _shingles\n"
        "texts = [' '.join(f'w{(i * j) % 17}' for j in range(9)) for i in range(40)]\n"
        "print(sorted(_candidates([_shingles(text) for text in texts], 0.5)))"
    )
    outs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outs[0] == outs[1] != "[]\n"


def test_order_does_not_matter() -> None:
    """Records in another order have the same copies."""
    records = planted(40)
    order = seeds.generator(1, "order").permutation(len(records))
    ours, theirs = data.near_duplicates(records), data.near_duplicates([records[i] for i in order])
    for key in ours:
        np.testing.assert_array_equal(theirs[key], ours[key][order])


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_refusals(threshold: float) -> None:
    """A threshold outside (0, 1] is refused."""
    with pytest.raises(ValueError, match="Jaccard"):
        data.near_duplicates([], threshold)
