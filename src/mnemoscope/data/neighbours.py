"""Slightly changed copies of a text, made without a second model."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from functools import partial

from mnemoscope import seeds
from mnemoscope.records import Record

FEWEST_WORDS = 2
"""With fewer words there is nothing to drop or to swap."""


def neighbours(records: Sequence[Record], n: int, seed: int) -> tuple[tuple[Record, ...], ...]:
    """n changed copies of every record: n tuples that follow `records`, with the records' ids and without spans.

    A copy lacks one word, or has two different neighbouring words swapped; each such change is equally likely, and
    none comes back before all were used. Words are what white space parts; the rest of the spacing stays. A text of
    fewer than two words is its own neighbour: see `unchangeable`. After Mattern et al. 2023 (arXiv:2305.18462), whose
    neighbours replace words by those of a masked language model. A record's neighbours depend on its id, its text and
    the seed alone, and the first ones stay when n grows.
    """
    texts = [_changed(record, n, seed) for record in records]
    return tuple(
        tuple(
            dataclasses.replace(record, text=found[k], spans=()) for record, found in zip(records, texts, strict=True)
        )
        for k in range(n)
    )


def unchangeable(records: Sequence[Record]) -> dict[int, str]:
    """Rows of the records that have no neighbour but themselves, and why."""
    reason = f"has fewer than {FEWEST_WORDS} words"
    return {i: reason for i, record in enumerate(records) if len(record.text.split()) < FEWEST_WORDS}


def _changed(record: Record, n: int, seed: int) -> list[str]:
    pieces = re.split(r"(\s+)", record.text)
    places = [i for i in range(0, len(pieces), 2) if pieces[i]]  # white space stands at the odd places
    if len(places) < FEWEST_WORDS:
        return [record.text] * n
    ways = [partial(_drop, pieces, i) for i in places]
    ways += [partial(_swap, pieces, i, j) for i, j in itertools.pairwise(places) if pieces[i] != pieces[j]]
    order = seeds.generator(seed, "neighbours", record.id).permutation(len(ways))
    return [ways[order[k % len(order)]]() for k in range(n)]


def _drop(pieces: Sequence[str], i: int) -> str:
    """The text without word i and the white space after it, or before it where it is the last word."""
    last = not any(pieces[i + 1 :][1::2])
    start, stop = (i - 1, i + 1) if last else (i, i + 2)
    return "".join([*pieces[:start], *pieces[stop:]])


def _swap(pieces: Sequence[str], i: int, j: int) -> str:
    changed = list(pieces)
    changed[i], changed[j] = pieces[j], pieces[i]
    return "".join(changed)
