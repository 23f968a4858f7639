"""Words of a text, and how many of its n-grams stand in somebody else's training text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from mnemoscope.records import Record, Scores

GRAM = 7
"""Words in an n-gram; Duan et al. 2024 (arXiv:2402.07841, section 4) use 7 and 13."""

Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    """Runs of letters and digits, NFKC-normalised and case-folded, so that layout and punctuation do not count.

    >>> words("Ⅳ-Line, in 2003!")
    ['iv', 'line', 'in', '2003']
    """
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def grams(of: Sequence[str], n: int) -> list[Gram]:
    """All runs of n neighbouring words, in order and with repeats; empty where there are fewer than n words."""
    return [tuple(of[i : i + n]) for i in range(len(of) - n + 1)]


def overlap(records: Sequence[Record], n: int = GRAM) -> Scores:
    """Share of each record's word n-grams, repeats counted, that also stand in a member of another group; 0..1.

    Shape (n_records,); masked where a record has fewer than n words. A text of its own group does not count, so
    that members with siblings are measured like non-members (after Duan et al. 2024, arXiv:2402.07841, section 4).

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"an n-gram has 1 or more words, got {n}")
    own = [grams(words(record.text), n) for record in records]
    owners = _owners(records, own)
    shares: Scores = np.ma.masked_array(np.zeros(len(records)), mask=True)
    for i, (record, found) in enumerate(zip(records, own, strict=True)):
        if found:
            shares[i] = sum(owners.get(gram, record.group) != record.group for gram in found) / len(found)
    return shares


def _owners(records: Sequence[Record], own: Sequence[list[Gram]]) -> dict[Gram, str | None]:
    """The group whose members have the n-gram, None where several groups do: one name is all that is ever asked."""
    owners: dict[Gram, str | None] = {}
    for record, found in zip(records, own, strict=True):
        if record.role == "member":
            for gram in found:
                if owners.setdefault(gram, record.group) != record.group:
                    owners[gram] = None
    return owners
