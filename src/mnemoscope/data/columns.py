"""Which column means what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mnemoscope.data.tables import Table
from mnemoscope.errors import DataError


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read; None: the first usual name that is there."""

    text: str | None = None
    """Usual: text, context, content, sentence."""
    id: str | None = None
    """Usual: id. Where there is none, the split or the file's stem and the row number from 0, as in "train-17"."""
    group: str | None = None
    """Usual: group, group_id, patient, document. Where there is none, the id."""
    split: str | None = None
    """Usual: split. A set that comes as one table a split needs none."""


USUAL = Columns()
"""Every column is found by its usual names."""

_NAMES = {
    "text": ("text", "context", "content", "sentence"),
    "id": ("id",),
    "group": ("group", "group_id", "patient", "document"),
    "split": ("split",),
}


def find(table: Table, kind: str, asked: str | None) -> str | None:
    """The column of `table` that holds its `kind`; None where none was asked for and no usual name is there.

    Raises:
        DataError: the column that was asked for is not there.
    """
    if asked is not None and asked not in table.columns:
        raise missing(table, kind, asked)
    return asked if asked is not None else next((name for name in _NAMES[kind] if name in table.columns), None)


def missing(table: Table, kind: str, asked: str | None = None) -> DataError:
    """What to say when the column for `kind` is not there."""
    wanted = repr(asked) if asked is not None else f"for the {kind} (looked for: {', '.join(_NAMES[kind])})"
    step = " or give members and non-members as two files" if kind == "split" else ""
    return DataError(
        f"{table.name} has no column {wanted}; present: {present(table.columns)}. Name the {kind} column{step}."
    )


def present(names: Iterable[str], most: int = 20) -> str:
    """The names in one line.

    A file without a header, or the wrong column taken for the split, puts text where names should be: what does not
    look like a name is not repeated.
    """
    found = list(names)
    shown = [name if re.fullmatch(r"[\w .\-]{1,40}", name) else "(not a plain name)" for name in found[:most]]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(shown) + more if found else "none"
