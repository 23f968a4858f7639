"""Carry the finished cells of a study from another machine: only what answers are made of, about 0.4 MB a cell of PHEE.

    python scripts/carry_study.py pack RUN ARCHIVE.tar.xz        there; adapters and traces stay
    python scripts/carry_study.py unpack RUN ARCHIVE.tar.xz … --data PHEE    here: unpacks them, computes the answers

An archive holds the texts of the records and is as private as they are. A folder made of archives can be reported
and answered again.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from mnemoscope import steps
from mnemoscope.steps.studying import Plan, columns, reopened
from mnemoscope.store import Run

STUDY = ("manifest.json", "timings.json", "status.json")
FOLDER = ("manifest.json", "timings.json", "records.parquet", "estimates.parquet")
"""Of a cell's run folder."""
CELL = ("outcome.parquet", "generations.parquet", "training.parquet")
"""Of its own folder inside."""
WHO = ("id", "group", "role", "part", "summed_loss", "summed_loss.unscored")
"""Columns of a file of scores that are kept beside those of the study's attack."""


def pack(run: Path, archive: Path) -> int:
    """Write the archive; gives the number of cells in it."""
    plan = reopened(Run(run))
    waiting = set(plan.waiting())
    done = [cell.id for cell in plan.cells if cell.id not in waiting]
    with tarfile.open(archive, "w:xz", preset=6) as packed:
        for name in STUDY:
            if (run / name).is_file():  # a study that has not answered yet may have no timings of its own
                packed.add(run / name, name)
        for cell in done:
            for path, name in _files(plan, cell):
                packed.add(path, name)
            for path in _scored(plan, cell):
                _add_columns(packed, path, path.relative_to(run).as_posix(), plan.study.rules.attack)
    return len(done)


def _files(plan: Plan, cell: str) -> Iterator[tuple[Path, str]]:
    folder = plan.folder(cell)
    for name in (*FOLDER, *(f"cells/{cell}/{one}" for one in CELL)):
        if (folder / name).is_file():
            yield folder / name, f"cells/{cell}/{name}"


def _scored(plan: Plan, cell: str) -> Iterator[Path]:
    folder = plan.folder(cell) / "cells" / cell
    yield folder / "scores.parquet"
    yield from sorted(folder.glob("epochs-scores/*.parquet"))


def _add_columns(packed: tarfile.TarFile, path: Path, name: str, attack: str) -> None:
    wanted = (*WHO, attack, f"{attack}.unscored")
    columns = [column for column in pq.read_schema(path).names if column in wanted]
    with tempfile.TemporaryDirectory() as scratch:
        small = Path(scratch) / "scores.parquet"
        pq.write_table(pq.read_table(path, columns=columns), small)
        packed.add(small, name)


def unpack(run: Path, archives: Sequence[Path], data: str) -> int:
    """Unpack all archives into a study folder and answer from it; gives the number of finished cells.

    `data` are the records that the study was run on, whose numbers the page tells.
    """
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    for archive in archives:
        with tarfile.open(archive) as packed:
            packed.extractall(run, filter="data")  # no links out of the folder, no absolute paths
    plan = reopened(Run(run))
    plan = replace(plan, pool=steps.read(data, None, None, columns(plan.study), seed=0))
    steps.answer(plan, {})
    return len(plan.cells) - len(plan.waiting())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("run", type=Path)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--data", help="what mnemoscope study was given; needed to unpack")
    given = parser.parse_args()
    if given.what == "pack":
        print(f"{pack(given.run, given.archives[0])} finished cells are in {given.archives[0]}")
    else:
        print(f"{unpack(given.run, given.archives, given.data)} finished cells are in {given.run}")


if __name__ == "__main__":
    main()
