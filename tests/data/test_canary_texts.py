"""Canaries as they are drawn: secrets in their place, fair coins, balanced copies."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import data, seeds
from mnemoscope.data import Canary, canary_texts
from mnemoscope.errors import ConfigError

ASKED: dict[str, Any] = {"digits": 6, "perplexing": [f"word {i} and another" for i in range(6)], "notes": 6}


def make(seed: int = 0, **asked: Any) -> tuple[Canary, ...]:
    """Canaries of all kinds; the secret of a text is its second half."""
    given = {**ASKED, "copies": (1, 4, 16), "cut": lambda text: len(text) // 2, **asked}
    return data.make_canaries(**given, seed=seed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.integers(0, 4), st.integers(1, 4), st.integers(1, 18), st.integers(0, 10**6))
def test_laws(digits: int, perplexing: int, notes: int, length: int, seed: int) -> None:
    """As many of each kind as asked, each with a secret inside its text and ids that tell nothing of the coin."""
    texts = [f"improbable words number {i}" for i in range(perplexing)]
    found = make(seed, digits=digits, perplexing=texts, notes=notes, length=length)
    assert Counter(one.kind for one in found) == Counter(digits=digits, perplexing=perplexing, note=notes)
    assert [one.id for one in found] == [f"canary-{i:04d}" for i in range(len(found))]
    assert len({one.text for one in found}) == len(found)
    assert all(0 < one.start < one.end <= len(one.text) for one in found)
    for one in found:
        if one.kind == "digits":
            assert len(one.secret) == one.digits == length
            assert one.secret.isdigit()
            assert one.with_secret("7" * length)[one.start : one.end] == "7" * length
        else:
            assert (one.digits, one.secret) == (0, one.text[len(one.text) // 2 :])
        assert one.with_secret(one.secret) == one.text


def test_no_two_numbers_share_their_sentence() -> None:
    """What stands before a secret number stands before no other, and every template is used."""
    found = make(digits=400, perplexing=[], notes=0)
    assert len({one.text[: one.start] for one in found}) == 400
    assert all("{" not in one.text for one in found)
    for sign in ("trial", "filed", "telephone", "Report", "insurance", "sample"):
        assert 30 < sum(sign in one.text for one in found) < 110


def test_digits_are_uniform() -> None:
    """Every digit comes equally often in every place, a leading 0 too."""
    secrets = np.array([[int(c) for c in one.secret] for one in make(digits=2000, perplexing=[], notes=0, length=4)])
    for place in secrets.T:
        assert np.bincount(place, minlength=10) == pytest.approx(np.full(10, 200), abs=60)


def test_sentences_are_drawn_until_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sentences are few and chance repeats them, each still stands before one number only."""
    monkeypatch.setattr(canary_texts, "TEMPLATES", ("After {disorder}: {digits}.",))
    found = make(digits=15, perplexing=[], notes=0)
    assert len(found) == len({one.text[: one.start] for one in found}) == 15


def test_notes_are_of_different_people() -> None:
    """No two notes are of one person, so that none tells another's secret."""
    people = {record.text: record.group for record in data.notes(180, 0, seeds.derive(0, "canary notes"))}
    found = make(notes=60, digits=0, perplexing=[])
    assert len({people[one.text] for one in found}) == 60


def test_copies_are_in_balance() -> None:
    """Inside each kind the numbers of copies differ by at most one canary in how often they are drawn."""
    found = make(digits=50, notes=31, copies=(1, 4, 16))
    for kind in ("digits", "note"):
        count = Counter(one.copies for one in found if one.kind == kind)
        assert set(count) == {1, 4, 16}
        assert max(count.values()) - min(count.values()) <= 1
    drawn = [one.copies for one in found if one.kind == "digits"]
    assert any(a == b for a, b in pairwise(drawn))  # in random order, not in turn


def test_coins_are_fair_and_blind() -> None:
    """A canary is in for half of the seeds, whatever its kind and number of copies."""
    rows = [one for seed in range(60) for one in make(seed)]
    for kind in ("digits", "perplexing", "note"):
        assert np.mean([one.included for one in rows if one.kind == kind]) == pytest.approx(0.5, abs=0.1)
    for copies in (1, 4, 16):
        assert np.mean([one.included for one in rows if one.copies == copies]) == pytest.approx(0.5, abs=0.1)
    assert [one.included for one in make(1, copies=(2,))] == [one.included for one in make(1, copies=(1, 64))]


def test_seeds() -> None:
    """Equal seeds give equal canaries, other seeds others."""
    assert make(3) == make(3)
    assert not {one.text for one in make(3) if one.kind != "perplexing"} & {one.text for one in make(4)}


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"digits": 0, "perplexing": [], "notes": 0}, "--digits, --perplexing or --notes"),
        ({"digits": -1}, "--digits"),
        ({"copies": ()}, "--copies.*got none"),
        ({"copies": (1, 0)}, "--copies.*got 1,0"),
        ({"length": 0}, "1 to 18 digits"),
        ({"length": 19}, "1 to 18 digits"),
    ],
)
def test_refusals(asked: dict[str, Any], match: str) -> None:
    """What cannot be drawn is refused by the name of its option."""
    with pytest.raises(ConfigError, match=match):
        make(**asked)
