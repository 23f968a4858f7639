"""Neighbours: one word dropped or two swapped, everything else as it was."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mnemoscope import data
from mnemoscope.records import Record, Span


def record(text: str, name: str = "r", copies: int = 1) -> Record:
    return Record(name, text, f"g-{name}", "member", "train", spans=(Span(0, 1, "age"),), copies=copies)


def texts(text: str, n: int, seed: int = 0) -> list[str]:
    return [one[0].text for one in data.neighbours([record(text)], n, seed)]


def test_worked() -> None:
    """Three different words can change in five ways, and five neighbours are those five."""
    assert sorted(texts("a b c", 5)) == sorted(["b c", "a c", "a b", "b a c", "a c b"])


def test_spacing() -> None:
    """White space stays, but for the one piece beside a dropped word."""
    expected = {"\tb  c \n", "\ta\nc \n", "\ta\nb \n", "\tb\na  c \n", "\ta\nc  b \n"}
    assert set(texts("\ta\nb  c \n", 5)) == expected


def test_equal_words_are_not_swapped() -> None:
    """Swapping equal words changes nothing, so they can only be dropped."""
    assert set(texts("a a a", 20)) == {"a a"}


WORDS = st.lists(st.text("ab€", min_size=1, max_size=3), min_size=2, max_size=8)


@given(words=WORDS, space=st.sampled_from((" ", "\n", "\u2003")), n=st.integers(1, 6), seed=st.integers(0, 9))
def test_laws(words: list[str], space: str, n: int, seed: int) -> None:
    """Every neighbour differs from the text, by one word missing or by two neighbours in the other order."""
    for text in texts(space.join(words), n, seed):
        found = text.split(space)
        if len(found) < len(words):
            assert found in [words[:i] + words[i + 1 :] for i in range(len(words))]
        else:
            swaps = [[*words[:i], words[i + 1], words[i], *words[i + 2 :]] for i in range(len(words) - 1)]
            assert found in swaps
            assert found != words


def test_the_record_stays() -> None:
    """Id, group, role, part and copies come along; spans do not, because their places have moved."""
    one = record("a b c d", copies=4)
    (changed,) = data.neighbours([one], 1, 0)[0]
    same = ("id", "group", "role", "part", "copies")
    assert [getattr(changed, name) for name in same] == [getattr(one, name) for name in same]
    assert changed.spans == ()


def test_draws_follow_the_id() -> None:
    """A record's neighbours do not depend on its place, nor the first ones on how many are asked for."""
    records = [record("one two three four five six", f"r{i}") for i in range(20)]
    ours = data.neighbours(records, 4, 7)
    assert [len(one) for one in ours] == [20] * 4
    assert tuple(one[::-1] for one in ours) == data.neighbours(records[::-1], 4, 7)
    assert ours[:2] == data.neighbours(records, 2, 7)
    assert ours != data.neighbours(records, 4, 8)
    assert len({one.text for one in ours[0]}) > 5


def test_each_change_is_equally_likely() -> None:
    """The five ways to change three words come 1 in 5: 400 draws, 4 standard errors allowed."""
    records = [record("a b c", f"r{i}") for i in range(400)]
    drawn = Counter(one.text for one in data.neighbours(records, 1, 0)[0])
    assert len(drawn) == 5
    assert all(abs(n - 80) <= 4 * (400 * 0.2 * 0.8) ** 0.5 for n in drawn.values())


def test_too_short() -> None:
    """A text of fewer than two words is its own neighbour, and is said to be by its row."""
    records = [record("a b"), record("", "x"), record(" word\n", "y"), record("日本語", "z")]
    assert data.unchangeable(records) == dict.fromkeys((1, 2, 3), "has fewer than 2 words")
    for one in data.neighbours(records, 3, 0):
        assert [r.text for r in one[1:]] == ["", " word\n", "日本語"]
        assert one[0].text in {"a", "b", "b a"}


def test_nothing() -> None:
    """No neighbours, or none of no records."""
    assert data.neighbours([record("a b")], 0, 0) == ()
    assert data.neighbours([], 2, 0) == ((), ())
