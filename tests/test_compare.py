"""`mnemoscope compare` through the command line, on finished runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import mnemoscope
from mnemoscope import Audit
from mnemoscope.cli import main
from mnemoscope.records import Record
from mnemoscope.tables import read_rows


def test_an_audit_and_its_copy(finished: Audit, copied: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    """No difference anywhere, nothing resolved; files are their owner's alone and hold no text."""
    main(["compare", str(finished.run), str(copied.run)])
    said = capsys.readouterr().out
    folder = copied.run / f"compared-with-{finished.run.name}"
    assert str(folder / "report.html") in said.replace("\n", "")
    assert "0 fell, 0 rose" in " ".join(said.split())
    found = mnemoscope.compare(finished.run, copied.run)
    assert found.run == folder
    assert set(found.changes.value.dropna()) == {0.0}
    assert found.changes.paired.all()
    assert found.summary["shared"]["members"] == found.summary["before"]["records"]["member"]
    written = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".json", ".html"))
    for record in read_rows(finished.run / "records.parquet", Record):
        assert record.text not in written
        assert f"{record.id}<" not in written
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_second_call_recomputes_nothing(finished: Audit, copied: Audit, tmp_path: Path) -> None:
    """The stage of the numbers is kept, the page is written again, and both are equal to before."""
    out = tmp_path / "out"
    mnemoscope.compare(finished.run, copied.run, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    stamp = json.loads((out / "timings.json").read_text())["stages"]["changes"]
    mnemoscope.compare(finished.run, copied.run, out=out)
    assert json.loads((out / "timings.json").read_text())["stages"]["changes"] == stamp
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != "timings.json"} == {
        name: content for name, content in before.items() if name != "timings.json"
    }


def test_runs_of_one_name_are_told_apart(finished: Audit, tmp_path: Path) -> None:
    """Cells of two studies have equal names; the folder above is then shown too."""
    cells = [Path(shutil.copytree(finished.run, tmp_path / study / "cells" / "vo-r8")) for study in ("one", "two")]
    found = mnemoscope.compare(*cells, out=tmp_path / "out").summary
    assert (found["before"]["name"], found["after"]["name"]) == ("one/vo-r8", "two/vo-r8")


def test_mistakes_are_one_line(finished: Audit, copied: Audit, tmp_path: Path, refused: Callable[..., str]) -> None:
    """Itself, nothing, no run, a study, an unfinished run, and a folder that holds something else."""
    assert "compared with itself" in refused("compare", finished.run, finished.run)
    assert "there is no folder nowhere" in refused("compare", finished.run, tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no run" in refused("compare", empty, finished.run)
    study = Path(shutil.copytree(copied.run, tmp_path / "study"))
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps(manifest | {"study": {}}))
    shutil.copytree(copied.run, study / "cells" / "a-cell")
    assert "give one of its cells, such as study/cells/a-cell" in refused("compare", study, finished.run)
    (copied.run / "estimates.parquet").unlink()
    assert "holds no finished audit: run mnemoscope audit first" in refused("compare", finished.run, copied.run)
    again = Path(shutil.copytree(finished.run, tmp_path / "again"))
    assert "no comparison" in refused("compare", finished.run, again, "--out", copied.run)
