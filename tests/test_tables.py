"""What is written to parquet comes back as it was."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemoscope.records import Estimate, Extraction, Generation, Record, RocCurve, TrainingStep
from mnemoscope.tables import (
    read_curves,
    read_rows,
    read_scores,
    read_traces,
    write_curves,
    write_rows,
    write_scores,
    write_traces,
)
from mnemoscope.traces import COLUMNS, Traces

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=30),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
}
KINDS = (Record, Extraction, Generation, Estimate, TrainingStep)
LIGHT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if hint in SCALARS:
        return SCALARS[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of(*(st.none() if part is type(None) else values(part) for part in get_args(hint)))
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    assert is_dataclass(hint), hint
    return instances(hint)


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Any row of a type, all fields drawn."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_back(tmp_path: Path, kind: Any) -> None:
    """Every row type survives the file: any Unicode, any number, spans, and None as None."""

    @LIGHT
    @given(st.lists(instances(kind), max_size=5))
    def comes_back(rows: list[Any]) -> None:
        write_rows(tmp_path / "rows.parquet", kind, rows)
        assert read_rows(tmp_path / "rows.parquet", kind) == rows

    comes_back()


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_come_back_with_their_columns(tmp_path: Path, kind: Any) -> None:
    """A table without rows keeps its columns and their types."""
    write_rows(tmp_path / "none.parquet", kind, [])
    assert read_rows(tmp_path / "none.parquet", kind) == []
    schema = pq.read_schema(tmp_path / "none.parquet")
    assert schema.names == [field.name for field in fields(kind)]
    assert "null" not in {str(one) for one in schema.types}


@st.composite
def traces(draw: st.DrawFn) -> Traces:
    """Traces of up to six records, some of them without a token."""
    lengths = draw(st.lists(st.integers(0, 4), max_size=6))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    total = int(offsets[-1])
    columns = {
        name: noise.normal(0, 1e6, total).astype(dtype)
        if issubclass(dtype, np.floating)
        else noise.integers(-(2**31), 2**31, total).astype(dtype)
        for name, dtype in COLUMNS.items()
    }
    sizes = noise.integers(0, 2**40, len(lengths))
    return Traces(tuple(draw(SCALARS[str]) for _ in lengths), offsets, columns, sizes, sizes + 8)


@LIGHT
@given(found=traces())
def test_traces_come_back(tmp_path: Path, found: Traces) -> None:
    """Traces come back bit for bit, with their types, also records without a token and no record at all."""
    path = tmp_path / "traces.parquet"
    write_traces(path, found)
    back = read_traces(path)
    assert back.ids == found.ids
    np.testing.assert_array_equal(back.offsets, found.offsets)
    np.testing.assert_array_equal(back.text_bytes, found.text_bytes)
    np.testing.assert_array_equal(back.zlib_bytes, found.zlib_bytes)
    assert list(back.columns) == list(found.columns)
    for name, column in found.columns.items():
        assert back.columns[name].dtype == column.dtype
        np.testing.assert_array_equal(back.columns[name], column)


def test_traces_are_one_row_a_record(tmp_path: Path) -> None:
    """Any reader of parquet sees one row a record with lists of its tokens' numbers."""
    columns = {"logprob": np.array([-1.0, -2.0, -4.0], dtype=np.float32)}
    sizes = np.array([1, 2, 3])
    write_traces(tmp_path / "t.parquet", Traces(("a", "b", "c"), np.array([0, 2, 2, 3]), columns, sizes, sizes))
    table = pq.read_table(tmp_path / "t.parquet")
    assert table["id"].to_pylist() == ["a", "b", "c"]
    assert table["logprob"].to_pylist() == [[-1.0, -2.0], [], [-4.0]]


def people(n: int) -> list[Record]:
    """Members and non-members in turn."""
    return [Record(f"r{i}", "x", f"g{i}", "member" if i % 2 else "nonmember", "train") for i in range(n)]


@LIGHT
@given(st.lists(st.tuples(st.floats(allow_nan=False), st.booleans()), max_size=8))
def test_scores_come_back(tmp_path: Path, drawn: list[tuple[float, bool]]) -> None:
    """Scores come back as they were; a masked one comes back masked, null on disk and with its reason."""
    numbers, masks = [score for score, _ in drawn], [masked for _, masked in drawn]
    scores = {"loss": np.ma.masked_array(np.array(numbers, dtype=np.float64), mask=np.array(masks, dtype=bool))}
    path = tmp_path / "scores.parquet"
    reasons = ["too short" if masked else None for masked in masks]
    write_scores(path, people(len(drawn)), scores, {"loss": reasons})
    back = read_scores(path)
    assert list(back) == ["loss"]
    assert back["loss"].dtype == np.float64
    assert back["loss"].tolist() == scores["loss"].tolist()
    assert np.ma.getmaskarray(back["loss"]).tolist() == masks
    table = pq.read_table(path)
    assert table["loss"].to_pylist() == [None if masked else score for score, masked in drawn]
    assert table["loss.unscored"].to_pylist() == reasons


def test_scores_say_whose_they_are(tmp_path: Path) -> None:
    """The table holds id, group, role and part of every record, in order, and several attacks side by side."""
    scores = {name: np.ma.masked_array([1.0, 2.0, 3.0]) for name in ("zlib", "loss")}
    write_scores(tmp_path / "s.parquet", people(3), scores, dict.fromkeys(scores, [None] * 3))
    table = pq.read_table(tmp_path / "s.parquet")
    assert table["id"].to_pylist() == ["r0", "r1", "r2"]
    assert table["role"].to_pylist() == ["nonmember", "member", "nonmember"]
    assert list(read_scores(tmp_path / "s.parquet")) == ["zlib", "loss"]


POINTS = st.lists(st.tuples(SCALARS[float], SCALARS[float]), max_size=6)


@LIGHT
@given(st.dictionaries(SCALARS[str], POINTS, max_size=4))
def test_curves_come_back(tmp_path: Path, drawn: dict[str, list[tuple[float, float]]]) -> None:
    """Every cell's curve comes back bit for bit, in order, of any length; also no curve at all."""
    curves = {
        cell: RocCurve(*(np.array([point[axis] for point in points], dtype=np.float64) for axis in (0, 1)))
        for cell, points in drawn.items()
    }
    write_curves(tmp_path / "curves.parquet", curves)
    back = read_curves(tmp_path / "curves.parquet")
    assert list(back) == list(curves)
    for cell, curve in curves.items():
        assert back[cell].band is None
        for axis in ("fpr", "tpr"):
            assert getattr(back[cell], axis).dtype == np.float64
            assert getattr(back[cell], axis).tobytes() == getattr(curve, axis).tobytes()


def test_a_field_without_a_parquet_type_is_refused(tmp_path: Path) -> None:
    """A row type that cannot be written as it stands is a fault, not a column of text."""
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Odd:
        where: complex

    Odd.__annotations__["where"] = complex
    with pytest.raises(TypeError, match="no parquet type"):
        write_rows(tmp_path / "odd.parquet", Odd, [Odd(1j)])
