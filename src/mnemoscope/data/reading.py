"""From what the user named to records. Read first."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from mnemoscope.data.columns import USUAL, Columns, present
from mnemoscope.data.rows import Row, parse
from mnemoscope.data.sources import single, tables
from mnemoscope.data.splits import kinds, parts
from mnemoscope.data.synthetic import notes
from mnemoscope.data.tables import Table
from mnemoscope.errors import ConfigError, DataError
from mnemoscope.records import Record

SYNTHETIC = 200
"""Members, and non-members, of the source "synthetic"."""


def read(
    data: str | None = None,
    *,
    members: str | None = None,
    nonmembers: str | None = None,
    columns: Columns = USUAL,
    seed: int = 0,
) -> tuple[Record, ...]:
    """The records of a data set, members with copies=1 and non-members with copies=0, in the order they were read.

    Args:
        data: "phee", "synthetic" or "synthetic:N", a folder with train/dev/test files, a folder saved by `datasets`,
            a file with a split column (.jsonl, .json, .csv, .parquet), or a hub set "owner/name". Train is member;
            dev (calibration) and test (evaluation) are non-members.
        members: a file or a saved set whose rows are all members.
        nonmembers: the same for non-members. Where the data does not tell calibration from evaluation, a random half
            of the groups calibrates.
        columns: which column means what.
        seed: of that random half, and of synthetic notes.

    Raises:
        ConfigError: neither `data` nor both `members` and `nonmembers` were given, or more than that.
        DataError: the text cannot be used as it is; the message says where, and holds no text of a record.
    """
    _check_sources(data, members, nonmembers, columns)
    if data is not None and data.partition(":")[0] == "synthetic":
        count = _synthetic_count(data)
        return notes(count, count, seed)
    found = _pair(str(members), str(nonmembers)) if data is None else tables(data)
    # several tables are one a split, so a column called "split" in them may mean anything
    by_column = data is not None and len(found) == 1
    rows = list(chain.from_iterable(parse(table, columns, by_column=by_column) for table in found))
    records = _records(rows, _shown(data) if data is not None else "the given data", seed)
    _check(records)
    return records


def _check_sources(data: str | None, members: str | None, nonmembers: str | None, columns: Columns) -> None:
    pair = members is not None and nonmembers is not None
    if (data is not None) == pair or (data is not None and (members is not None or nonmembers is not None)):
        given = [
            name
            for name, value in zip(("data", "members", "nonmembers"), (data, members, nonmembers), strict=True)
            if value is not None
        ]
        raise ConfigError(f"give either --data or both --members and --nonmembers; got: {', '.join(given) or 'none'}.")
    if pair and columns.split is not None:
        raise ConfigError("a split column means nothing with --members and --nonmembers. Leave it out or give --data.")


def _synthetic_count(data: str) -> int:
    _, colon, number = data.partition(":")
    if not colon:
        return SYNTHETIC
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ConfigError(f"got {data!r}; allowed: synthetic or synthetic:N, N members and N non-members, N >= 1.")
    return int(number)


def _pair(members: str, nonmembers: str) -> list[Table]:
    inside = dataclasses.replace(single(members), split="member")
    outside = dataclasses.replace(single(nonmembers), split="nonmember")
    if inside.stem == outside.stem:  # a/notes.jsonl and b/notes.jsonl: the rows' numbers would be ids twice
        inside = dataclasses.replace(inside, stem="member")
        outside = dataclasses.replace(outside, stem="nonmember")
    return [inside, outside]


def _records(rows: Sequence[Row], name: str, seed: int) -> tuple[Record, ...]:
    if not rows:
        raise DataError(f"{name} has no records. Give a source with at least one member and one non-member.")
    found = kinds([row.split for row in rows], present(dict.fromkeys(row.split for row in rows)), name)
    placed = parts(found, [row.group for row in rows], seed)
    return tuple(
        Record(
            id=row.id,
            text=row.text,
            group=row.group,
            role="member" if kind == "member" else "nonmember",
            part=part,
            spans=row.spans,
            copies=int(kind == "member"),
        )
        for row, kind, part in zip(rows, found, placed, strict=True)
    )


def _check(records: Sequence[Record]) -> None:
    roles = {record.role for record in records}
    if len(roles) == 1:
        lacking = "non-members" if roles == {"member"} else "members"
        raise DataError(f"the data has no {lacking}: all {len(records)} records are {roles.pop()}s. Give both classes.")
    members = Counter(record.id for record in records if record.role == "member")
    nonmembers = Counter(record.id for record in records if record.role == "nonmember")
    _refuse([name for name in members if name in nonmembers], "stand in both classes")
    _refuse([name for ids in (members, nonmembers) for name, n in ids.items() if n > 1], "stand more than once")


def _refuse(ids: Sequence[str], what: str) -> None:
    if ids:
        raise DataError(f"ids must be unique: {len(ids)} {what}, the first is {ids[0]!r}. Rename or remove records.")


def _shown(source: str) -> str:
    return Path(source).name or source
