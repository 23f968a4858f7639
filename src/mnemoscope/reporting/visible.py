"""Text of a record as a page may show it: no hidden marks, no endless lines."""

from __future__ import annotations

import unicodedata

CHARACTERS = 2000
"""Longer texts are cut, and say so."""


def visible(text: str) -> str:
    """Control and direction marks as their names: hidden ones could reorder or hide the text around them."""
    return "".join(_named(character) for character in text)


def _named(character: str) -> str:
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs"}
    if not hidden or character in "\n\t\u200c\u200d":  # the last two join emoji and letters of many scripts
        return character
    return f"⟨U+{ord(character):04X}⟩"


def head(text: str, most: int = CHARACTERS) -> str:
    """The first `most` characters, made visible, with how many are left out."""
    left = len(text) - most
    return visible(text[:most]) + (f" … ({left:,} characters more)" if left > 0 else "")


def common_run(one: str, other: str) -> tuple[int, int, int]:
    """The longest run of characters that both have: where it begins in each, and its length; the first of equals."""
    # a common run of n + 1 characters holds one of n, so the longest is found by halving
    low, high, found = 0, min(len(one), len(other)), (0, 0, 0)
    while low < high:
        n = (low + high + 1) // 2
        place = _shared(one, other, n)
        low, high, found = (low, n - 1, found) if place is None else (n, high, (*place, n))
    return found


def _shared(one: str, other: str, n: int) -> tuple[int, int] | None:
    """Where a run of n characters of `one` stands first in `other`."""
    places = {other[i : i + n]: i for i in range(len(other) - n, -1, -1)}
    hits = ((i, places[one[i : i + n]]) for i in range(len(one) - n + 1) if one[i : i + n] in places)
    return next(hits, None)
