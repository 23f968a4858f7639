"""Every bad input is one line that says where, and repeats no text of a record."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from mnemoscope import data
from mnemoscope.errors import ConfigError, DataError

GOOD = '{"id": "a", "text": "SECRET one", "split": "train"}\n'
OTHER = '{"id": "b", "text": "SECRET two", "split": "test"}\n'


def refusal(source: Path | str, columns: data.Columns | None = None) -> str:
    """The message with which `source` is refused."""
    with pytest.raises(DataError) as caught:
        data.read(str(source), columns=columns or data.Columns())
    message = str(caught.value)
    assert "\n" not in message
    assert "SECRET" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


BAD_LINES = {
    "not JSON": ('{"id": "x", "text": "SECRET"', "line 3, column", "not JSON"),
    "not an object": ('["SECRET"]', "line 3", "a JSON list"),
    "too deep": ("[" * 100_000, "line 3", "nested too deeply"),
    "number too long": ('{"id": ' + "1" * 5000 + "}", "line 3", "number too long"),
    "text missing": ('{"id": "x", "split": "test"}', "line 3", "missing, not a string"),
    "text a number": ('{"id": "x", "text": 5, "split": "test"}', "line 3", "a int, not a string"),
    "text empty": ('{"id": "x", "text": "", "split": "test"}', "line 3", "is empty"),
    "text blank": ('{"id": "x", "text": " \\n\\u3000", "split": "test"}', "line 3", "is empty"),
    "half a character": ('{"id": "x", "text": "SECRET \\ud800", "split": "test"}', "line 3", "lone surrogate"),
    "id missing": ('{"text": "SECRET", "split": "test"}', "line 3", "'id' is missing"),
    "id a list": ('{"id": [1], "text": "SECRET", "split": "test"}', "line 3", "'id' is a list"),
    "id true": ('{"id": true, "text": "SECRET", "split": "test"}', "line 3", "'id' is a bool"),
    "id empty": ('{"id": " ", "text": "SECRET", "split": "test"}', "line 3", "'id' is missing or empty"),
    "split missing": ('{"id": "x", "text": "SECRET"}', "line 3", "'split' is missing"),
    "split unknown": (
        '{"id": "x", "text": "SECRET", "split": "fold1"}',
        "present: train, test, fold1",
        "Allowed: train",
    ),
    "spans no list": ('{"id": "x", "text": "SECRET", "split": "test", "spans": {"start": 0}}', "line 3", "not a list"),
    "span no object": ('{"id": "x", "text": "SECRET", "split": "test", "spans": [3]}', "line 3", "an object"),
    "span outside": (
        '{"id": "x", "text": "SECRET", "split": "test", "spans": [{"start": 0, "end": 7, "type": "name"}]}',
        "line 3",
        "end <= 6",
    ),
    "span empty": (
        '{"id": "x", "text": "SECRET", "split": "test", "spans": [{"start": 2, "end": 2, "type": "name"}]}',
        "line 3",
        "start < end",
    ),
    "span without type": (
        '{"id": "x", "text": "SECRET", "split": "test", "spans": [{"start": 2, "end": 3}]}',
        "line 3",
        "type must be a string",
    ),
    "id twice": ('{"id": "b", "text": "SECRET", "split": "test"}', "1 stand more than once", "'b'"),
    "id in both": ('{"id": "a", "text": "SECRET", "split": "test"}', "1 stand in both classes", "'a'"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line(tmp_path: Path, case: str) -> None:
    """A bad line of JSON is refused with its number or its id."""
    line, *expected = BAD_LINES[case]
    path = tmp_path / "notes.jsonl"
    path.write_text(GOOD + OTHER + line + "\n", encoding="utf-8")
    message = refusal(path)
    for part in expected:
        assert part in message


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is refused with its name, the byte and the line."""
    path = tmp_path / "notes.jsonl"
    path.write_bytes(GOOD.encode() + '{"text": "SECRET é"}'.encode("latin-1"))
    message = refusal(path)
    assert f"notes.jsonl is not UTF-8: byte {len(GOOD) + 17} on line 2" in message


BAD_FILES = {
    "empty": ("notes.jsonl", b"", "notes.jsonl has no records"),
    "only blank lines": ("notes.jsonl", b"\n \n", "has no records"),
    "empty CSV": ("notes.csv", b"", "has no records"),
    "CSV header only": ("notes.csv", b"text,split\n", "has no records"),
    "CSV without text": ("notes.csv", b"note,split\nSECRET,train\n", "present: note, split"),
    "CSV without split": ("notes.csv", b"id,text\n1,SECRET\n", "as two files"),
    "CSV without header": (
        "notes.csv",
        b'"SECRET: a man, 54",train\nSECRET,test\n',
        "present: (not a plain name), train",
    ),
    "CSV one cell more": ("notes.csv", b"text,split\nSECRET, one,train\n", "line 2: 3 cells where the header has 2"),
    "CSV one cell less": ("notes.csv", b"text,split\nSECRET\n", "line 2: 1 cells"),
    "CSV same header twice": ("notes.csv", b"text,text\na,b\n", "two columns of the same name"),
    "CSV open quote": ("notes.csv", b'text,split\n"SECRET,train\n', "line 2: not CSV"),
    "CSV huge cell": ("notes.csv", b"text,split\n" + b"x" * 140_000 + b",train\n", "field larger than field limit"),
    "CSV empty text": ("notes.csv", b'text,split\n"\nSECRET",train\n"",test\n', "line 4: the text"),
    "no Parquet": ("notes.parquet", b"SECRET", "cannot be read as Parquet (ArrowInvalid)"),
    "other kind": ("notes.xlsx", b"SECRET", "allowed: .jsonl, .json, .csv, .parquet"),
    "members only": ("notes.jsonl", GOOD.encode(), "no non-members: all 1 records are members"),
    "non-members only": ("notes.jsonl", OTHER.encode(), "no members: all 1 records are nonmembers"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(tmp_path: Path, case: str) -> None:
    """A file that cannot be used is refused with the reason."""
    name, content, expected = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    assert expected in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["missing.jsonl", "no/missing.jsonl", "missing", "/no/such/folder/notes.csv"])
def test_missing_file(name: str) -> None:
    """A path that does not exist is refused, and never looked for on the hub."""
    assert "no file or folder" in refusal(name)


def test_column_that_is_not_there(tmp_path: Path) -> None:
    """A column that was asked for is not replaced by a usual one."""
    path = tmp_path / "notes.jsonl"
    path.write_text(GOOD + OTHER)
    assert "no column 'body'; present: id, text, split" in refusal(path, data.Columns(text="body"))
    assert "no column 'fold'" in refusal(path, data.Columns(split="fold"))


def test_text_taken_for_split(tmp_path: Path) -> None:
    """Naming the text column as the split does not print the texts."""
    path = tmp_path / "notes.jsonl"
    path.write_text(GOOD.replace("SECRET one", "SECRET: one"))
    assert "present: (not a plain name)" in refusal(path, data.Columns(split="text"))


def test_folder_without_data(tmp_path: Path) -> None:
    """A folder without split files is refused, and so is one with two files for a split."""
    assert "has no train/dev/test file" in refusal(tmp_path)
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / "train.csv").write_text("text\nx\n")
    assert "more than one file for 'train'" in refusal(tmp_path)


def test_broken_saved_dataset(tmp_path: Path) -> None:
    """A damaged folder of datasets is refused in one line."""
    (tmp_path / "state.json").write_text("{")
    assert "cannot be read as a set saved by datasets" in refusal(tmp_path)


def test_several_splits_as_members(tmp_path: Path) -> None:
    """Members are one table."""
    parts = {name: datasets.Dataset.from_dict({"text": ["x"]}) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match="several splits"):
        data.read(members=str(tmp_path / "saved"), nonmembers=str(tmp_path / "saved"))


def test_split_column_beside_members(tmp_path: Path) -> None:
    """A split column cannot be asked for where the files are the split."""
    path = tmp_path / "notes.jsonl"
    path.write_text(GOOD)
    with pytest.raises(ConfigError, match="split column means nothing"):
        data.read(members=str(path), nonmembers=str(path), columns=data.Columns(split="split"))
