"""The user's data file with canaries planted into it, in its own format, every row of it as it was."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mnemoscope import seeds
from mnemoscope.data.canary_texts import Canary
from mnemoscope.data.columns import USUAL, Columns, find, missing
from mnemoscope.data.files import read_file
from mnemoscope.data.rows import parse
from mnemoscope.data.splits import KINDS
from mnemoscope.data.tables import Table
from mnemoscope.errors import DataError
from mnemoscope.records import Record


def training_texts(source: Path, columns: Columns = USUAL) -> list[str]:
    """The texts that are trained on: those of the training split, or of every row where there is no split column.

    Raises:
        DataError: the file cannot be used as it is, or has no training text.
    """
    table = dataclasses.replace(read_file(source), split="member")
    rows = parse(table, columns, by_column=True)
    found = [row.text for row in rows if KINDS.get(row.split.strip().lower()) == "member"]
    if not found:
        raise DataError(f"{table.name} has no text to train on. Give a file with rows of the training split.")
    return found


def with_canaries(source: Path, canaries: Sequence[Canary], *, columns: Columns = USUAL, seed: int) -> bytes:
    """The content of `source` with a row for every copy of every included canary after its last row, in random order.

    A canary's row has the text, an id such as canary-0007-2 for the second copy, the canary's id as its group, and
    the split of the training rows: each where the file has such a column. Its other columns are empty.

    Raises:
        DataError: the file cannot be used as it is, holds canaries already, or its columns take no text.
    """
    table = read_file(source)
    if find(table, "text", columns.text) is None:
        raise missing(table, "text")
    rows = list(_rows(table, canaries, columns))
    _refuse_again(table, rows, columns)
    shuffled = [rows[i] for i in seeds.generator(seed, "canary rows").permutation(len(rows))]
    write = {".parquet": _parquet, ".csv": _csv}.get(source.suffix.lower(), _json_lines)
    return write(source, table, shuffled)


def set_apart(records: Sequence[Record], canaries: Sequence[Canary]) -> tuple[Record, ...]:
    """The records without the planted canaries, in their order; all of them where none holds a canary.

    Raises:
        DataError: some canary stands among the members more or less often than it was planted.
    """
    held = Counter(record.text for record in records if record.role == "member")
    wanted = {one.text: one.copies if one.included else 0 for one in canaries}
    if not any(record.text in wanted for record in records):
        return tuple(records)
    wrong = [one.id for one in canaries if held[one.text] != wanted[one.text]]
    if wrong:
        raise DataError(
            f"{len(wrong)} canaries, the first is {wrong[0]!r}, stand more or less often in the training records than "
            "their manifest says. Give the manifest of this planted file, and the file as it was written."
        )
    return tuple(record for record in records if record.text not in wanted)


Row = Mapping[str, str]


def _rows(table: Table, canaries: Sequence[Canary], columns: Columns) -> Iterator[Row]:
    """A row for every copy, in the order of the canaries."""
    asked = {"text": columns.text, "id": columns.id, "group": columns.group, "split": columns.split}
    places = {kind: find(table, kind, name) for kind, name in asked.items()}
    split = _training_label(table, places["split"]) if places["split"] else ""
    for one in (one for one in canaries if one.included):
        for copy in range(1, one.copies + 1):
            values = {"text": one.text, "id": f"{one.id}-{copy}", "group": one.id, "split": split}
            yield {column: values[kind] for kind, column in places.items() if column is not None}


def _training_label(table: Table, column: str) -> str:
    """How the file spells the training split."""
    for row in table.rows:
        if KINDS.get(str(row.get(column)).strip().lower()) == "member":
            return str(row[column])
    raise DataError(f"{table.name} has no row to train on: column {column!r} never says train. Give the training file.")


def _refuse_again(table: Table, rows: Sequence[Row], columns: Columns) -> None:
    """Ids and texts of canaries must be new to the file."""
    for kind, asked in (("id", columns.id), ("text", columns.text)):
        column = find(table, kind, asked)
        if column and {str(row.get(column)) for row in table.rows} & {row[column] for row in rows}:
            raise DataError(f"{table.name} holds a canary's {kind} already. Plant into a file without canaries.")


def _json_lines(source: Path, _: Table, rows: Sequence[Row]) -> bytes:
    return _ended(source.read_bytes(), b"\n") + "".join(json.dumps(row) + "\n" for row in rows).encode()


def _csv(source: Path, table: Table, rows: Sequence[Row]) -> bytes:
    content = source.read_bytes()
    end = "\r\n" if b"\r\n" in content else "\n"
    added = io.StringIO(newline="")
    csv.DictWriter(added, table.columns, restval="", lineterminator=end).writerows(rows)
    return _ended(content, end.encode()) + added.getvalue().encode()


def _ended(content: bytes, end: bytes) -> bytes:
    return content if content.endswith((b"\n", b"\r")) else content + end


def _parquet(source: Path, _: Table, rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file:
        before = file.read()
    added = io.BytesIO()
    try:
        after = pa.Table.from_pylist([dict(row) for row in rows], schema=before.schema)
        pq.write_table(pa.concat_tables([before, after]), added)
    except pa.ArrowException:
        raise DataError(
            f"{source.name} has an id, group or split column that takes no text, or one that may not be empty. "
            "Convert the file to .jsonl."
        ) from None
    return added.getvalue()
