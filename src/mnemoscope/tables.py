"""Rows and columns <-> parquet, for the run folder."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mnemoscope.records import Record, RocCurve, Scores
from mnemoscope.traces import Traces

Row = TypeVar("Row")
SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def write_rows(path: Path, kind: type[Row], rows: Sequence[Row]) -> None:
    """Write dataclass rows, one column a field."""
    schema = _schema(kind)
    columns = [pa.array([_plain(getattr(row, name)) for row in rows], schema.field(name).type) for name in schema.names]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what write_rows wrote."""
    several = {name: _inner(hint) for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple}
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        for name, inner in several.items():
            row[name] = tuple(inner(**value) if inner else value for value in row[name])
    return [kind(**row) for row in rows]


def _schema(kind: type) -> pa.Schema:
    hints = get_type_hints(kind)
    return pa.schema([pa.field(field.name, _type(hints[field.name])) for field in fields(kind)])


def _type(hint: Any) -> pa.DataType:
    if hint in SCALARS:
        return SCALARS[hint]
    if get_origin(hint) is Literal:
        return pa.string()
    if get_origin(hint) in (Union, types.UnionType):
        return _type(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) is not tuple:
        raise TypeError(f"no parquet type for {hint}")
    inner = _inner(hint)
    return pa.list_(pa.struct(list(_schema(inner))) if inner else _type(get_args(hint)[0]))


def _inner(hint: Any) -> type | None:
    """The row type inside tuple[Row, ...]; None where it holds scalars."""
    inner = get_args(hint)[0]
    return inner if isinstance(inner, type) and is_dataclass(inner) else None


def _plain(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return [asdict(item) if is_dataclass(item) and not isinstance(item, type) else item for item in value]


def write_traces(path: Path, traces: Traces) -> None:
    """Write traces: one row a record, one list column a trace column."""
    offsets = pa.array(traces.offsets.astype(np.int64))
    columns: dict[str, pa.Array] = {
        "id": pa.array(traces.ids, pa.string()),
        "text_bytes": pa.array(traces.text_bytes),
        "zlib_bytes": pa.array(traces.zlib_bytes),
    }
    for name, values in traces.columns.items():
        columns[name] = pa.LargeListArray.from_arrays(offsets, pa.array(values))
    pq.write_table(pa.table(columns), path)


def read_traces(path: Path) -> Traces:
    """Read what write_traces wrote."""
    table = pq.read_table(path).combine_chunks()
    plain = ("id", "text_bytes", "zlib_bytes")
    lists = {name: table[name].combine_chunks() for name in table.column_names if name not in plain}
    first = next(iter(lists.values()))
    return Traces(
        ids=tuple(table["id"].to_pylist()),
        offsets=first.offsets.to_numpy().astype(np.int64),
        columns={name: values.values.to_numpy() for name, values in lists.items()},
        text_bytes=table["text_bytes"].to_numpy(),
        zlib_bytes=table["zlib_bytes"].to_numpy(),
    )


def write_scores(
    path: Path, records: Sequence[Record], scores: Mapping[str, Scores], reasons: Mapping[str, Sequence[str | None]]
) -> None:
    """Write one row a record: who it is, then each attack's score (null where unscored) and the reason why not.

    `reasons` has one entry a record for each attack, None where the record was scored.
    """
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(record, name) for record in records], pa.string())
        for name in ("id", "group", "role", "part")
    }
    for attack, values in scores.items():
        mask = np.ma.getmaskarray(values)
        columns[attack] = pa.array(values.filled(0.0), mask=mask)
        columns[f"{attack}.unscored"] = pa.array(reasons[attack], pa.string())
    pq.write_table(pa.table(columns), path)


def read_scores(path: Path) -> dict[str, Scores]:
    """Attack name to scores, in the order of the records."""
    table = pq.read_table(path)
    names = [name for name in table.column_names if f"{name}.unscored" in table.column_names]
    return {name: _masked(table[name].combine_chunks()) for name in names}


def write_curves(path: Path, curves: Mapping[str, RocCurve]) -> None:
    """Write ROC curves without their bands: one row a cell, a list for each axis."""
    axes = {axis: [getattr(curve, axis) for curve in curves.values()] for axis in ("fpr", "tpr")}
    lists = {axis: pa.array(values, pa.list_(pa.float64())) for axis, values in axes.items()}
    pq.write_table(pa.table({"cell": pa.array(curves, pa.string()), **lists}), path)


def read_curves(path: Path) -> dict[str, RocCurve]:
    """Read what write_curves wrote."""
    rows = pq.read_table(path).to_pylist()
    return {row["cell"]: RocCurve(np.array(row["fpr"]), np.array(row["tpr"])) for row in rows}


def read_ids(path: Path) -> list[str]:
    """The ids of the records in a file of scores, in their order."""
    found: list[str] = pq.read_table(path, columns=["id"])["id"].to_pylist()
    return found


def _masked(column: pa.Array) -> Scores:
    return np.ma.masked_array(column.fill_null(0.0).to_numpy(), mask=column.is_null().to_numpy(zero_copy_only=False))
