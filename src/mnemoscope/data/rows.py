"""Rows of a table, checked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mnemoscope.data import phee
from mnemoscope.data.columns import Columns, find, missing
from mnemoscope.data.tables import Table
from mnemoscope.errors import DataError
from mnemoscope.records import Span


@dataclass(frozen=True, slots=True)
class Row:
    """A record that does not know its role yet."""

    id: str
    text: str
    group: str
    split: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of one table, found."""

    text: str
    id: str | None
    group: str | None
    split: str | None
    phee: bool


def parse(table: Table, columns: Columns, *, by_column: bool) -> Iterator[Row]:
    """The rows of `table`; `by_column`: a split column, where there is one, goes before the split of the table.

    Raises:
        DataError: a column is missing, or a row has no usable text, id, group, split or spans.
    """
    if not table.rows:  # an empty file has no columns to look for; whether anything is lacking shows in the whole
        return
    layout = _layout(table, columns, by_column)
    for number, (row, place) in enumerate(zip(table.rows, table.places, strict=True)):
        where = f"{table.name}, {place}"
        split = _label(row, layout.split, where) if layout.split is not None else table.split
        assert split is not None  # _layout saw to it
        text = _text(row, layout.text, where)
        stem = table.stem if table.split is not None or layout.split is None else split
        name = _label(row, layout.id, where) if layout.id is not None else f"{stem}-{number}"
        yield Row(name, text, _group(row, layout, name, where), split, _spans(row, layout, text, where))


def _layout(table: Table, columns: Columns, by_column: bool) -> _Layout:
    text = find(table, "text", columns.text)
    if text is None:
        raise missing(table, "text")
    split = find(table, "split", columns.split) if by_column or columns.split is not None else None
    if split is None and table.split is None:
        raise missing(table, "split")
    is_phee = text == "context" and "annotations" in table.columns
    return _Layout(text, find(table, "id", columns.id), find(table, "group", columns.group), split, is_phee)


def _text(row: Mapping[str, object], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        got = "missing" if value is None else f"a {type(value).__name__}"
        raise DataError(f"{where}: the text in column {column!r} is {got}, not a string. Mend or remove the row.")
    if not value.strip():
        raise DataError(f"{where}: the text in column {column!r} is empty. Mend or remove the row.")
    return _unicode(value, column, where)


def _label(row: Mapping[str, object], column: str, where: str) -> str:
    value = row.get(column)
    if type(value) is int:  # not bool
        return str(value)
    if not isinstance(value, str) or not value.strip():
        got = "missing or empty" if value is None or isinstance(value, str) else f"a {type(value).__name__}"
        raise DataError(f"{where}: column {column!r} is {got}; allowed: a string or a whole number. Mend the row.")
    return _unicode(value, column, where)


def _unicode(value: str, column: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # "\ud800" in JSON: half a character, which no tokenizer and no file takes
        raise DataError(f"{where}: column {column!r} holds a lone surrogate. Save the file as UTF-8 again.") from None
    return value


def _group(row: Mapping[str, object], layout: _Layout, name: str, where: str) -> str:
    if layout.group is not None:
        return _label(row, layout.group, where)
    return phee.group(name) if layout.phee else name


def _spans(row: Mapping[str, object], layout: _Layout, text: str, where: str) -> tuple[Span, ...]:
    try:
        if layout.phee:
            return phee.spans(row.get("annotations"), text)
        given = row.get("spans") or []
        if not isinstance(given, list):
            raise ValueError("not a list")
        return tuple(sorted((_span(item, text) for item in given), key=lambda span: (span.start, span.end, span.type)))
    except ValueError as error:
        raise DataError(f"{where}: malformed spans: {error}. Mend or remove the spans.") from None


def _span(item: object, text: str) -> Span:
    if not isinstance(item, Mapping):
        raise ValueError("a span is an object with start, end and type")
    start, end, kind = item.get("start"), item.get("end"), item.get("type")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise ValueError(f"start and end must be whole numbers with 0 <= start < end <= {len(text)}")
    if not isinstance(kind, str) or not kind:
        raise ValueError("type must be a string that is not empty")
    return Span(start, end, kind)
