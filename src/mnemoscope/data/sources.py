"""What the user named, to tables: a file, a folder, a set saved by `datasets`, or a set on the hub."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from mnemoscope.data.files import SUFFIXES, read_file
from mnemoscope.data.splits import KINDS
from mnemoscope.data.tables import Table
from mnemoscope.errors import DataError

PHEE = "sarus-tech/phee"


def tables(source: str) -> list[Table]:
    """The tables of `source`, one for each file or split.

    Raises:
        DataError: there is no such source, or it cannot be read.
    """
    if source == "phee":
        return _hub(PHEE)
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.exists():
        return [read_file(path)]
    if re.fullmatch(r"[\w.\-]+/[\w.\-]+", source) and path.suffix.lower() not in SUFFIXES and source[0] not in ".~":
        return _hub(source)
    raise DataError(
        f"no file or folder {source!r}. Give a path that exists, a hub set as owner/name, phee or synthetic."
    )


def single(source: str) -> Table:
    """The one table of `source`.

    Raises:
        DataError: there is no such source, it cannot be read, or it has several splits.
    """
    found = tables(source)
    if len(found) > 1:
        names = ", ".join(table.name for table in found)
        raise DataError(f"{Path(source).name} has several splits ({names}). Give one file, or the whole as data.")
    return found[0]


def _folder(folder: Path) -> list[Table]:
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        return _saved(folder)
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.stem.lower() in KINDS)
    if not files:
        raise DataError(
            f"folder {folder.name!r} has no train/dev/test file ({', '.join(SUFFIXES)}) and was not saved by datasets. "
            "Give the file itself or a folder with train.jsonl, dev.jsonl and test.jsonl."
        )
    stems = [file.stem.lower() for file in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise DataError(f"folder {folder.name!r} has more than one file for {twice!r}. Keep one of them.")
    return [dataclasses.replace(read_file(file), split=file.stem) for file in files]


def _saved(folder: Path) -> list[Table]:
    import datasets

    try:
        return _loaded(datasets.load_from_disk(str(folder)), folder.name)
    except Exception as error:  # a third-party format: whatever is broken, the way out is the same
        raise DataError(
            f"folder {folder.name!r} cannot be read as a set saved by datasets ({type(error).__name__}). "
            "Save it again with save_to_disk."
        ) from None


def _hub(name: str) -> list[Table]:
    import datasets

    try:
        return _loaded(datasets.load_dataset(name), name)
    except Exception as error:  # no network, no such set, no rights: whatever it is, the way out is the same
        raise DataError(
            f"hub set {name!r} cannot be loaded ({type(error).__name__}). Check the name and the connection, "
            "or give a local folder with train.jsonl, dev.jsonl and test.jsonl."
        ) from None


def _loaded(loaded: Any, name: str) -> list[Table]:
    if isinstance(loaded, dict):  # DatasetDict
        return [_split(part, f"split {split!r}", split, split) for split, part in loaded.items()]
    return [_split(loaded, name, name, None)]


def _split(part: Any, name: str, stem: str, split: str | None) -> Table:
    rows = part.to_list()
    return Table(name, stem, split, tuple(part.column_names), rows, [f"row {i}" for i in range(len(rows))])
