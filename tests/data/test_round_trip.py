"""What is written is what is read, whatever characters it has."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mnemoscope import data

TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip())), min_size=2
)
NASTY = ["\u2028a\u2029b\x85c", 'quote " comma , newline \n and \r\n', "\ufeffmark", "\x00nul", "\x1c\x1ex", "😀é"]


def rows(texts: list[str]) -> list[dict[str, str]]:
    return [{"text": text, "split": "train" if i else "test"} for i, text in enumerate(texts)]


def write_json(path: Path, texts: list[str], *, ascii_only: bool) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows(texts)]
    path.write_bytes("\r\n\n".join(lines).encode())


def write_csv(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["text", "split"])
        writer.writeheader()
        writer.writerows(rows(texts))


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS)
@example(texts=NASTY)
@pytest.mark.parametrize("kind", ["raw.jsonl", "escaped.jsonl", "notes.csv", "notes.parquet"])
def test_round_trip(kind: str, texts: list[str]) -> None:
    """Texts come back character by character from every kind of file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / kind
        if path.suffix == ".jsonl":
            write_json(path, texts, ascii_only=kind == "escaped.jsonl")
        elif path.suffix == ".csv":
            write_csv(path, texts)
        else:
            pq.write_table(pa.Table.from_pylist(rows(texts)), path)
        assert [r.text for r in data.read(str(path))] == texts


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark before the first line of JSON is no fault."""
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b"\xef\xbb\xbf")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(["one", "two"]))
    assert [r.text for r in data.read(str(path))] == ["one", "two"]
