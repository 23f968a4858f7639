"""Rows on their way from a file to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one file, or of one split of a set."""

    name: str
    """The file or split, as messages call it; without its folder."""
    stem: str
    """What ids begin with where the data has none: the name of the split or the file."""
    split: str | None
    """The split that the whole table is; None: only a column can say."""
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    places: Sequence[str]
    """Where each row stands, such as "line 3"; as long as `rows`."""
