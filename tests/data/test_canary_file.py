"""Manifest and planted file: what was written comes back, and whatever is broken is told in one line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mnemoscope import data
from mnemoscope.data import Canary, CanaryManifest, Columns
from mnemoscope.errors import DataError
from mnemoscope.records import Record

CANARIES = data.make_canaries(
    digits=8, perplexing=["stray \u2028 comma, quote \" and 'é'"], notes=3, copies=(1, 3), cut=lambda t: len(t) // 2,
    seed=2,
)  # fmt: skip
COPIES = {one.text: one.copies for one in CANARIES if one.included}


def manifest(canaries: tuple[Canary, ...] = CANARIES) -> CanaryManifest:
    """A manifest of these canaries."""
    sha = hashlib.sha256(b"").hexdigest()
    return CanaryManifest(
        seed=2, source_sha256=sha, planted_sha256=sha, model="tiny", weights_sha256=sha, temperature=1.7,
        training_tokens=100, planted_tokens=5, canaries=canaries,
    )  # fmt: skip


# The manifest


def test_manifest_comes_back(tmp_path: Path) -> None:
    """What is read is what was written, the file is the owner's alone, and nothing else is left beside it."""
    data.write_canaries(tmp_path / "canaries.json", manifest())
    assert data.read_canaries(tmp_path / "canaries.json") == manifest()
    assert stat.S_IMODE((tmp_path / "canaries.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["canaries.json"]


def test_a_manifest_that_does_not_say_how_the_model_was_opened(tmp_path: Path) -> None:
    """Those from before the field was there were drawn from whole weights."""
    path = tmp_path / "canaries.json"
    data.write_canaries(path, manifest().model_copy(update={"load_in": "8bit"}))
    assert data.read_canaries(path).load_in == "8bit"
    found = json.loads(path.read_text())
    del found["load_in"]
    path.write_text(json.dumps(found))
    assert data.read_canaries(path).load_in == "full"


def change(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Change fields of the manifest."""
    return lambda found: found.update(fields)


def change_canary(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Change fields of the first canary, which is of digits."""
    return lambda found: found["canaries"][0].update(fields)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (change(surprise=1), "surprise: extra inputs are not permitted"),
        (change(schema_version="2"), "schema_version"),
        (change(seed="2"), "seed: input should be a valid integer"),
        (change(source_sha256="abc"), "source_sha256"),
        (change(load_in="2bit"), "load_in: "),
        (change(canaries=[]), "canaries: "),
        (lambda found: found.pop("canaries"), "canaries: field required"),
        (change_canary(surprise=1), "canaries[0].surprise: "),
        (change_canary(kind="song"), "canaries[0].kind: "),
        (change_canary(copies=0), "'canary-0000': copies must be 1 or more"),
        (change_canary(copies=1.5), "canaries[0].copies: "),
        (change_canary(included="yes"), "canaries[0].included: "),
        (change_canary(start=0), "'canary-0000': the secret must lie inside"),
        (change_canary(end=10**6), "'canary-0000': the secret must lie inside"),
        (change_canary(digits=8), "'canary-0000': the secret must be as many digits"),
        (change_canary(start=1), "'canary-0000': the secret must be as many digits"),
        (change_canary(kind="note"), "'canary-0000': digits must be 0"),
        (change_canary(id="canary-0001"), "two canaries are called 'canary-0001'"),
    ],
)
def test_spoilt_manifests(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], match: str) -> None:
    """A manifest that is not as it was written is refused in one line that names the place and holds no text."""
    found = json.loads(manifest().model_dump_json())
    spoil(found)
    path = tmp_path / "canaries.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"canaries\.json is no manifest of canaries: ") as refused:
        data.read_canaries(path)
    message = str(refused.value)
    assert match in message
    assert "\n" not in message
    assert not [one.id for one in CANARIES if one.secret in message or one.text[:12] in message]
    assert refused.value.__cause__ is None


def test_no_manifest(tmp_path: Path) -> None:
    """A file that is missing or no JSON is refused in one line."""
    with pytest.raises(DataError, match=r"none\.json cannot be read: No such file"):
        data.read_canaries(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{SECRET")
    with pytest.raises(DataError, match=r"bad\.json is no manifest of canaries: invalid JSON") as refused:
        data.read_canaries(tmp_path / "bad.json")
    assert "SECRET" not in str(refused.value)


def test_private_file_replaces(tmp_path: Path) -> None:
    """A file that others could read is replaced by one that they cannot, also after a broken write."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    (tmp_path / ".a.txt.half").write_text("left over")
    data.write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 1


# The planted file

ROWS: list[dict[str, Any]] = [
    {"id": f"n{i}", "text": f'note {i}, "quoted" é\u2028', "group": f"p{i // 2}", "split": ("train", "test")[i % 2],
     "age": str(40 + i)}
    for i in range(12)
]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """The rows in the format of the suffix; the last line of text files has no end."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(out.getvalue().removesuffix("\r\n").encode())
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def planted(source: Path, columns: Columns = Columns(), seed: int = 0) -> Path:
    """The planted file, in a folder of its own."""
    folder = source.parent / "out"
    folder.mkdir(exist_ok=True)
    path = folder / source.name
    path.write_bytes(data.with_canaries(source, CANARIES, columns=columns, seed=seed))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    """The planted file reads as the old records, unchanged and in their order, and then every copy as a member."""
    source = write(tmp_path / f"notes{suffix}")
    before, after = data.read(str(source)), data.read(str(planted(source)))
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert Counter(record.text for record in new) == COPIES
    assert {record.role for record in new} == {"member"}
    known = {one.text: one.id for one in CANARIES}
    for record in new:
        assert record.group == known[record.text]
        assert record.id.rpartition("-")[0] == record.group
        assert 1 <= int(record.id.rpartition("-")[2]) <= COPIES[record.text]
    assert not {one.text for one in CANARIES if not one.included} & {record.text for record in after}


def test_bytes_before_are_kept(tmp_path: Path) -> None:
    """Text files begin with the very bytes of the old file; another seed gives another order of the same rows."""
    for suffix in (".jsonl", ".csv"):
        source = write(tmp_path / f"notes{suffix}")
        first, second = (data.with_canaries(source, CANARIES, seed=seed) for seed in (0, 1))
        assert first.startswith(source.read_bytes())
        assert first != second
        assert sorted(first.splitlines()) == sorted(second.splitlines())
        assert first == data.with_canaries(source, CANARIES, seed=0)


def test_other_columns(tmp_path: Path) -> None:
    """Columns that mean nothing here are kept for the old rows and empty in the new ones."""
    for suffix, empty in ((".csv", ""), (".parquet", None)):
        path = planted(write(tmp_path / f"notes{suffix}"))
        if suffix == ".csv":
            found = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
        else:
            found = pq.read_table(path).to_pylist()
        assert [row["age"] for row in found[: len(ROWS)]] == [row["age"] for row in ROWS]
        assert {row["age"] for row in found[len(ROWS) :]} == {empty}


def test_text_alone_is_enough(tmp_path: Path) -> None:
    """A file of members with one column, whatever it is called, can be planted into; ids come from the row numbers."""
    source = write(tmp_path / "a.jsonl", [{"body": f"note {i}"} for i in range(5)])
    outside = write(tmp_path / "b.jsonl", [{"body": f"other {i}"} for i in range(5)])
    path = planted(source, Columns(text="body"))
    found = data.read(members=str(path), nonmembers=str(outside), columns=Columns(text="body"))
    members = [record for record in found if record.role == "member"]
    assert [record.text for record in members[:5]] == [f"note {i}" for i in range(5)]
    assert Counter(record.text for record in members[5:]) == COPIES
    assert len({record.id for record in found}) == len(found)


def test_a_phee_file(tmp_path: Path) -> None:
    """PHEE's layout, with annotations and no group column, takes canaries too."""
    rows = [{"id": f"{i}_1", "context": f"case {i}", "annotations": []} for i in range(4)]
    path = planted(write(tmp_path / "train.jsonl", rows))
    found = data.read(members=str(path), nonmembers=str(write(tmp_path / "test.jsonl", [dict(rows[0], id="9_9")])))
    assert Counter(record.text for record in found if record.text in COPIES) == COPIES


def test_training_texts(tmp_path: Path) -> None:
    """Texts of the training split, or all where there is no split column."""
    assert data.training_texts(write(tmp_path / "a.jsonl")) == [row["text"] for row in ROWS[::2]]
    bare = write(tmp_path / "b.jsonl", [{"text": "x"}, {"text": "y"}])
    assert data.training_texts(bare) == ["x", "y"]
    held_out = write(tmp_path / "c.jsonl", [{"text": "x", "split": "test"}])
    with pytest.raises(DataError, match="no text to train on"):
        data.training_texts(held_out)


def test_spelling_of_the_split(tmp_path: Path) -> None:
    """New rows spell the training split as the file does."""
    rows = [{"text": f"t{i}", "split": "Member" if i else "nonmember"} for i in range(4)]
    path = planted(write(tmp_path / "a.jsonl", rows))
    assert {json.loads(line)["split"] for line in path.read_text().splitlines()[4:]} == {"Member"}


def test_refused_files(tmp_path: Path) -> None:
    """A file without a text column, with nothing to train on, with canaries, or with numbers for ids is refused."""
    for rows, match in (
        ([{"words": "x"}], "no column for the text"),
        ([{"text": "x", "split": "test"}], "no row to train on"),
        ([{"text": next(iter(COPIES))}], "holds a canary's text already"),
        ([{"text": "x", "id": next(f"{one.id}-1" for one in CANARIES if one.included)}], "holds a canary's id already"),
    ):
        with pytest.raises(DataError, match=match):
            data.with_canaries(write(tmp_path / "a.jsonl", rows), CANARIES, seed=0)
    with pytest.raises(DataError, match="takes no text"):
        data.with_canaries(write(tmp_path / "a.parquet", [{"text": "x", "id": 3}]), CANARIES, seed=0)


# The records of an audit


def records() -> list[Record]:
    """Three records and all copies of the included canaries, as members."""
    new = [
        Record(f"{one.id}-{k}", one.text, one.id, "member", "train")
        for one in CANARIES if one.included for k in range(one.copies)
    ]  # fmt: skip
    return [*(Record(f"r{i}", f"text {i}", f"r{i}", "nonmember", "evaluation", copies=0) for i in range(3)), *new]


def test_set_apart() -> None:
    """Canaries are taken out of the records, and records without canaries stay as they are."""
    assert data.set_apart(records(), CANARIES) == tuple(records()[:3])
    assert data.set_apart(records()[:3], CANARIES) == tuple(records()[:3])


def test_another_manifest_is_told() -> None:
    """A copy too few, or a held-out canary among the members, shows that manifest and data do not belong together."""
    with pytest.raises(DataError, match="1 canaries, the first is 'canary-"):
        data.set_apart(records()[:-1], CANARIES)
    held = next(one for one in CANARIES if not one.included)
    with pytest.raises(DataError, match=f"the first is '{held.id}'"):
        data.set_apart([*records(), Record("x", held.text, "x", "member", "train")], CANARIES)
