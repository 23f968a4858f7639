"""A cell in another process, here or on another machine: what travels there, is done there, and travels back."""

from __future__ import annotations

import getpass
import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope import provenance
from mnemoscope.errors import ConfigError, ModelError
from mnemoscope.grid import cells
from mnemoscope.progress import listening
from mnemoscope.records import Record
from mnemoscope.steps.bench import REFERENCE, Bench
from mnemoscope.steps.cells import run_cell
from mnemoscope.store import key_of
from mnemoscope.study_file import Study

if TYPE_CHECKING:
    from mnemoscope.store import Run

Note = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Parcel:
    """Everything a machine needs to run any cell of a study, but the model: that it finds under its own name."""

    study: dict[str, Any]
    """As it was read, with the defaults."""
    pool: tuple[Record, ...]
    keys: dict[str, str]
    weights: str
    """Hash that the model's weights must have."""
    versions: dict[str, str]
    """Of the packages that numbers depend on, as on the driver's machine."""
    dtype: str
    """What the study was begun with; auto where no cell is finished yet."""


_open: dict[str, Bench] = {}
"""The bench of this process: the model is opened once for all cells that it runs."""


def run_elsewhere(given: Parcel, cell: str, note: Note) -> bytes:
    """Run a cell in this process and give its run folder as a tar archive.

    What a lost process left of the same cell on this machine is gone on with. Nothing stays on its disk afterwards,
    of a cell that failed neither: the folder holds private text.

    Raises:
        ModelError: this machine's model has other weights.
        ConfigError: a package has another version here.
    """
    folder = _scratch(given) / "cells" / cell
    try:
        _run(given, cell, folder, None, note)
        return pack(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_beside(given: tuple[Parcel, Path], cell: str, note: Note) -> bytes:
    """Run a cell in this process, in its place in the study's folder, which comes with the parcel; gives nothing back.

    Raises:
        ModelError, ConfigError: as in `run_elsewhere`, where something changed since the study was begun.
    """
    parcel, study = given
    _run(parcel, cell, study / "cells" / cell, study / REFERENCE, note)
    return b""


def _run(given: Parcel, cell: str, folder: Path, kept: Path | None, note: Note) -> None:
    with listening(note):
        bench = _bench(given, kept)
        known = {one.id: one for one in cells(bench.study)}
        run_cell(bench, known[cell], folder, given.keys[cell])


def _bench(given: Parcel, kept: Path | None) -> Bench:
    key = key_of(given.keys)
    if key not in _open:
        _open.clear()  # one model at a time
        _refuse_other_versions(given.versions)
        study = Study.model_validate(given.study)
        compute = study.compute_options()
        asked = compute.model_copy(update={"dtype": given.dtype}) if compute.dtype == "auto" else compute
        bench = Bench(study, given.pool, kept, asked)
        if bench.lm.weights_sha256 != given.weights:
            raise ModelError(
                f"{study.model} has other weights here than where the study was begun: give all machines the same model"
            )
        _open[key] = bench
    return _open[key]


def _refuse_other_versions(wanted: Mapping[str, str]) -> None:
    here = provenance.versions(wanted)  # of more packages where weights are quantised
    for name, version in wanted.items():
        if here.get(name) != version:
            raise ConfigError(
                f"{name} is {here.get(name, 'missing')} on this machine and {version} where the study was begun: "
                "install the same everywhere"
            )


def _scratch(given: Parcel) -> Path:
    """A folder of this study on this machine, for its owner alone."""
    folder = Path(tempfile.gettempdir()) / f"mnemoscope-{getpass.getuser()}" / key_of(given.keys)[:16]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.parent.chmod(0o700)
    return folder


def pack(folder: Path) -> bytes:
    """A folder as an uncompressed tar archive; parquet and safetensors hardly shrink."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname=".")
    return packed.getvalue()


def unpack(packed: bytes, run: Run, name: str) -> None:
    """Put an archive's files where the folder `name` of the run is, all at once."""
    with run.writing(name) as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        folder.mkdir()
        archive.extractall(folder, filter="data")  # no links out of the folder, no absolute paths
