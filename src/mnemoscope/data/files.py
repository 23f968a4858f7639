"""One file to one table: JSON lines, CSV, Parquet.

Errors are raised `from None` where the cause carries the bytes or the line it failed on: a traceback ends up in logs,
and the text is private.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from mnemoscope.data.tables import Table
from mnemoscope.errors import DataError

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def read_file(path: Path) -> Table:
    """The table in `path`.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or is not what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path.name} is no known kind of file; allowed: {', '.join(SUFFIXES)}. Convert it to one.")
    if suffix == ".parquet":
        return _parquet(path)
    return _csv(path) if suffix == ".csv" else _json_lines(path)


def _decode(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}. Check its name and its rights.") from None
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path.name} is not UTF-8: byte {error.start} on line {line} cannot be decoded. Save the file as UTF-8."
        ) from None


def _json_lines(path: Path) -> Table:
    rows: list[dict[str, object]] = []
    places: list[str] = []
    # not splitlines(): U+2028 and its like are plain characters inside a JSON string
    for number, line in enumerate(_decode(path).split("\n"), start=1):
        if line.strip():
            rows.append(_json_object(line, f"{path.name}, line {number}"))
            places.append(f"line {number}")
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(path.name, path.stem, None, columns, rows, places)


def _json_object(line: str, where: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}, column {error.colno}: not JSON ({error.msg}). Write one JSON object a line."
        ) from None
    except (ValueError, RecursionError):
        raise DataError(f"{where}: JSON with a number too long or nested too deeply. Mend the line.") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON {type(row).__name__}, not an object. Write one JSON object a line.")
    return row


def _csv(path: Path) -> Table:
    rows: list[dict[str, object]] = []
    places: list[str] = []
    reader = csv.reader(io.StringIO(_decode(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_columns(path, header)
        for cells in filter(None, reader):
            if len(cells) != len(header):
                raise DataError(
                    f"{path.name}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}. "
                    "Quote the cells that hold a comma or a newline."
                )
            rows.append(dict(zip(header, cells, strict=True)))
            places.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line {reader.line_num}: not CSV ({error}). Mend the line or convert the file to JSON lines."
        ) from None
    return Table(path.name, path.stem, None, tuple(header), rows, places)


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile, not read_table: the latter makes columns out of folder names such as "split=train"
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            _check_columns(path, columns)
            rows = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path.name} cannot be read as Parquet ({type(error).__name__}). Write the file again."
        ) from None
    return Table(path.name, path.stem, None, tuple(columns), rows, [f"row {i}" for i in range(len(rows))])


def _check_columns(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise DataError(f"{path.name} has two columns of the same name. Rename one.")
