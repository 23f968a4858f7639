"""Sources, columns, splits and parts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mnemoscope import data
from mnemoscope.errors import ConfigError, DataError
from mnemoscope.records import Record, Span

ROWS = [
    {"id": "a", "text": "one", "split": "train", "group": "g1"},
    {"id": "b", "text": "two", "split": "Dev", "group": "g2"},
    {"id": "c", "text": "three", "split": "TEST", "group": "g3"},
]
RECORDS = (
    Record("a", "one", "g1", "member", "train", copies=1),
    Record("b", "two", "g2", "nonmember", "calibration", copies=0),
    Record("c", "three", "g3", "nonmember", "evaluation", copies=0),
)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_file_with_split_column(tmp_path: Path, suffix: str) -> None:
    """Every kind of file with the same rows gives the same records."""
    assert data.read(write(tmp_path / f"notes.{suffix}", ROWS)) == RECORDS


def test_folder_of_splits(tmp_path: Path) -> None:
    """A folder with a file a split gives the records of the file with a split column; other files are left alone."""
    for row, stem in zip(ROWS, ("train", "dev", "test"), strict=True):
        write(tmp_path / f"{stem}.jsonl", [{key: value for key, value in row.items() if key != "split"}])
    (tmp_path / "README.md").write_text("not data")
    assert set(data.read(str(tmp_path))) == set(RECORDS)


def test_saved_dataset(tmp_path: Path) -> None:
    """A Dataset saved with a split column gives the same records as the file."""
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    assert data.read(str(tmp_path / "saved")) == RECORDS


def test_saved_dataset_dict(tmp_path: Path) -> None:
    """A DatasetDict names the splits itself, and its rows may be without ids."""
    splits = {"train": ["one", "two"], "validation": ["three"], "test": ["four"]}
    parts = {name: datasets.Dataset.from_dict({"text": texts}) for name, texts in splits.items()}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    records = data.read(str(tmp_path / "saved"))
    assert [r.id for r in records] == ["train-0", "train-1", "validation-0", "test-0"]
    assert [r.part for r in records] == ["train", "train", "calibration", "evaluation"]
    assert [r.group for r in records] == [r.id for r in records]


def test_hub_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one slash that is no path is loaded from the hub."""
    asked = []

    def load(name: str) -> datasets.Dataset:
        asked.append(name)
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert data.read("owner/notes") == RECORDS
    assert asked == ["owner/notes"]


@pytest.mark.parametrize("name", ["phee", "owner/notes"])
def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A hub that does not answer is one line that says how to go on without it."""

    def load(name: str) -> datasets.Dataset:
        raise ConnectionError(f"Couldn't reach {name}\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match=r"^hub set .* \(ConnectionError\).* local folder with train\.jsonl.*$"):
        data.read(name)


def test_members_and_nonmembers_apart(tmp_path: Path) -> None:
    """Two files without ids: ids are stem and row, and half of the non-members' groups calibrate."""
    inside = write(tmp_path / "inside.csv", [{"text": f"in {i}"} for i in range(3)])
    outside = write(tmp_path / "outside.parquet", [{"text": f"out {i}", "patient": f"p{i // 2}"} for i in range(8)])
    records = data.read(members=inside, nonmembers=outside, seed=3)
    assert [r.id for r in records][:4] == ["inside-0", "inside-1", "inside-2", "outside-0"]
    parts = {part: {r.group for r in records if r.part == part} for part in ("calibration", "evaluation")}
    assert len(parts["calibration"]) == len(parts["evaluation"]) == 2
    assert not parts["calibration"] & parts["evaluation"]


def test_equal_stems(tmp_path: Path) -> None:
    """Two files of the same name in two folders do not make equal ids."""
    paths = [tmp_path / name / "notes.jsonl" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        write(path, [{"text": "x"}])
    records = data.read(members=str(paths[0]), nonmembers=str(paths[1]))
    assert [r.id for r in records] == ["member-0", "nonmember-0"]


def test_random_half(tmp_path: Path) -> None:
    """Equal seeds give equal parts and other seeds other ones; members stay as they are."""
    rows = [{"text": f"t{i}", "split": "train" if i < 5 else "test"} for i in range(45)]
    path = write(tmp_path / "notes.jsonl", rows)
    first, again, other = data.read(path, seed=1), data.read(path, seed=1), data.read(path, seed=2)
    assert first == again != other
    assert sum(r.part == "calibration" for r in first) == 20
    assert [r.part for r in first[:5]] == ["train"] * 5


def test_named_columns(tmp_path: Path) -> None:
    """Columns that are named go before the usual names; whole numbers are good ids."""
    rows = [
        {"text": "no", "body": "one", "key": 7, "clinic": "x", "part": "member"},
        {"text": "no", "body": "two", "key": 8, "clinic": "x", "part": "non-member"},
    ]
    columns = data.Columns(text="body", id="key", group="clinic", split="part")
    records = data.read(write(tmp_path / "notes.jsonl", rows), columns=columns)
    assert [(r.id, r.text, r.group, r.role) for r in records] == [
        ("7", "one", "x", "member"),
        ("8", "two", "x", "nonmember"),
    ]


def test_spans(tmp_path: Path) -> None:
    """Spans of plain rows are kept, in the order of the text."""
    spans = [{"start": 4, "end": 6, "type": "age"}, {"start": 0, "end": 3, "type": "name"}]
    rows = [{"text": "Ann 41", "split": "train", "spans": spans}, {"text": "Bob", "split": "dev", "spans": None}]
    records = data.read(write(tmp_path / "notes.jsonl", rows))
    assert [r.spans for r in records] == [(Span(0, 3, "name"), Span(4, 6, "age")), ()]


@pytest.mark.parametrize(("source", "count"), [("synthetic", 200), ("synthetic:3", 3)])
def test_synthetic(source: str, count: int) -> None:
    """The synthetic source has the size that was asked for, in each class."""
    roles = [r.role for r in data.read(source)]
    assert roles.count("member") == roles.count("nonmember") == count


@pytest.mark.parametrize("source", ["synthetic:0", "synthetic:-1", "synthetic:many", "synthetic:"])
def test_synthetic_count(source: str) -> None:
    """A count that is no whole number above 0 is refused."""
    with pytest.raises(ConfigError, match="synthetic:N"):
        data.read(source)


@pytest.mark.parametrize(
    "given", [{}, {"members": "a"}, {"nonmembers": "a"}, {"data": "a", "members": "b", "nonmembers": "c"}]
)
def test_one_way_to_name_the_data(given: dict[str, str]) -> None:
    """Either data or both members and nonmembers."""
    with pytest.raises(ConfigError, match=r"either --data or both --members and --nonmembers"):
        data.read(**given)


def test_room_is_cheap() -> None:
    """Importing the room loads neither pyarrow nor datasets nor torch; reading synthetic notes does not either."""
    code = (
        "import sys; from mnemoscope import data; data.read('synthetic:2');"
        "sys.exit(sorted({'pyarrow', 'datasets', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    """The stub lists the public names, sorted, and each exists."""
    assert list(data.__all__) == sorted(data.__all__)
    assert all(hasattr(data, name) for name in data.__all__)
