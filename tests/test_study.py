"""A whole study on a tiny model: its files, its answers, what it refuses, and how it goes on."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small_study import write_pairs

import mnemoscope
from mnemoscope.cli import main
from mnemoscope.errors import ConfigError, RunError
from mnemoscope.steps import foreseeing, studying
from mnemoscope.store import Run

STUDY = {
    "name": "tiny",
    "seeds": [13, 7],
    "compute": {"dtype": "float32", "device": "cpu"},
    "training": {"rank": 4, "epochs": 3, "learning_rate": 0.01, "batch_size": 8, "dropout": 0, "heldout": 0},
    "rules": {"resamples": 100, "seeds": 2},
    "grid": [
        {"matrices": ["q", "v"], "every_epoch": True},
        {"matrices": "v", "copies": 4, "planted": 6, "generations": "6", "seeds": 13},
    ],
}
CELLS = ("q-r4-x1-s13", "v-r4-x1-s13", "q-r4-x1-s7", "v-r4-x1-s7", "v-r4-x4-s13-p6")
MAY_DIFFER = ("timings.json", "status.json")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 records of random letters, two a group, half of the groups for training."""
    return write_pairs(tmp_path_factory.mktemp("texts") / "notes.jsonl", 96)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny: Path, texts: Path) -> Path:
    """The study file."""
    path = tmp_path_factory.mktemp("studies") / "tiny.yaml"
    path.write_text(json.dumps({**STUDY, "model": str(tiny), "data": {"source": str(texts)}}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(file: Path, tmp_path_factory: pytest.TempPathFactory) -> mnemoscope.StudyResult:
    """The study, run; look, do not touch."""
    return mnemoscope.study(file, out=tmp_path_factory.mktemp("runs") / "study")


def changed(file: Path, tmp_path: Path, **parts: object) -> Path:
    """The study file with other parts."""
    path = tmp_path / "changed.yaml"
    path.write_text(json.dumps({**json.loads(file.read_text()), **parts}), encoding="utf-8")
    return path


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal in equal studies."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in MAY_DIFFER
    }


def test_every_cell_is_an_audit_of_its_own(done):
    """Each cell is a finished run folder with its page, and the study knows their numbers."""
    assert not done.failed
    for cell in CELLS:
        audit = done.audit(cell)
        assert audit.summary["membership"]["lr_ratio"]["auc"]["value"] is not None
        assert (audit.run / "report.html").is_file()
        known = done.points[(done.points.cell == cell) & (done.points.statistic == "auc") & (done.points.epoch == 3)]
        assert known.value.tolist() == [audit.summary["membership"]["lr_ratio"]["auc"]["value"]]


def test_cells_of_a_seed_share_records_and_those_of_another_seed_do_not(done):
    """Members are paired inside a seed and drawn anew for the next one; overwritten ones are left out of the copies."""
    members = {cell: {row.id for row in done.audit(cell).scores.itertuples() if row.role == "member"} for cell in CELLS}
    assert members["q-r4-x1-s13"] == members["v-r4-x1-s13"]
    assert members["q-r4-x1-s7"] == members["v-r4-x1-s7"]
    assert members["q-r4-x1-s13"] != members["q-r4-x1-s7"]
    assert members["v-r4-x4-s13-p6"] < members["v-r4-x1-s13"]
    assert len(members["v-r4-x1-s13"]) - len(members["v-r4-x4-s13-p6"]) == 6 * 3


def test_cells_of_a_seed_go_through_the_same_batches(done):
    """A fresh adapter changes nothing, so the loss of the first step says which records were in it."""
    first = {}
    for cell in CELLS[:4]:
        log = done.audit(cell).run / "cells" / cell / "training.parquet"
        first[cell] = pd.read_parquet(log).loss[0]
    assert first["q-r4-x1-s13"] == first["v-r4-x1-s13"]
    assert first["q-r4-x1-s7"] == first["v-r4-x1-s7"]
    assert first["q-r4-x1-s13"] != first["q-r4-x1-s7"]


def test_the_reference_is_read_once_for_all_cells(done):
    """All records are audited in both seeds, so that one pass of the base serves every cell."""
    assert len(list((done.run / "reference").glob("*/traces.parquet"))) == 1


def test_a_cell_is_what_finetune_and_audit_give(done, tiny, texts, tmp_path):
    """The same adapter as mnemoscope finetune trains on the same members, and the same scores as an audit of it."""
    cell = "v-r4-x1-s13"
    rows = {row.id: row for row in done.audit(cell).scores.itertuples()}
    split = {"member": "train", "nonmember": "test"}
    given = [json.loads(line) for line in texts.read_text().splitlines()]
    for row in given:
        row["split"] = "dev" if rows[row["id"]].part == "calibration" else split[rows[row["id"]].role]
    data = tmp_path / "split.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    training = mnemoscope.Training(matrices="v", **STUDY["training"])
    compute = mnemoscope.Compute(**STUDY["compute"])
    adapter = mnemoscope.finetune(str(tiny), out=tmp_path / "run", data=str(data), training=training, compute=compute)
    ours = done.run / "cells" / cell / "cells" / cell / "adapter" / "adapter_model.safetensors"
    assert (adapter.path / "adapter_model.safetensors").read_bytes() == ours.read_bytes()
    audit = mnemoscope.audit(
        str(tiny), adapter=adapter.run, compute=compute,
        measurement=mnemoscope.Measurement(attacks="lr_ratio,loss", resamples=100, generations="0"),
    )  # fmt: skip
    theirs = audit.scores.set_index("id").lr_ratio
    assert theirs.loc[list(rows)].tolist() == pytest.approx([row.lr_ratio for row in rows.values()], abs=1e-6)


def test_points_after_every_epoch(done):
    """A cell that is measured after every epoch has points from the base to the end; the others have the end alone."""
    points = done.points[done.points.statistic == "perplexity_heldout"]
    assert sorted(points[points.cell == "v-r4-x1-s13"].epoch) == [0, 1, 2, 3]
    assert 3 in set(points[points.cell == "v-r4-x4-s13-p6"].epoch)
    assert not {1, 2} & set(points[points.cell == "v-r4-x4-s13-p6"].epoch)


def test_the_page_and_the_exports(done):
    """The page shows the decisions, and the exports hold the numbers of the files."""
    page = (done.run / "report.html").read_text()
    assert set(done.answers.decision) <= {"replicates", "does not replicate", "not resolved"}
    assert all(decision in page for decision in set(done.answers.decision))
    exports = {path.name for path in (done.run / "export").iterdir()}
    assert {"points.csv", "answers.csv", "table_3_1.csv", "table_3_1.tex"} <= exports
    assert any(name.endswith(".svg") for name in exports)


def test_a_second_call_does_nothing_again(done, file, tmp_path):
    """All files are as they were, and those of the cells were not even touched."""
    again = Path(shutil.copytree(done.run, tmp_path / "again"))
    before = {path: path.stat().st_mtime_ns for path in (again / "cells").rglob("*") if path.is_file()}
    mnemoscope.study(file, out=again)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert files(again) == files(done.run)


def test_more_cells_are_added_to_a_study(done, file, tmp_path):
    """A longer grid runs what is new and answers from all of it."""
    more = Path(shutil.copytree(done.run, tmp_path / "more"))
    grid = [*STUDY["grid"], {"matrices": "v", "rank": 2, "seeds": 13}]
    result = mnemoscope.study(changed(file, tmp_path, grid=grid), out=more)
    assert set(result.points.cell) == {*CELLS, "v-r2-x1-s13"}


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("training", {"rank": 2}, "training"),
        ("attacks", ["loss"], "attacks"),
        ("data", {"split": "given"}, "data"),
        ("rules", {"attack": "wbc"}, "attacks"),
    ],
)
def test_a_study_goes_on_only_as_it_was_begun(done, file, texts, tmp_path, part, value, says):
    """Other settings would mix cells that cannot be compared."""
    value = {**value, "source": str(texts)} if part == "data" else value
    with pytest.raises(RunError, match=f"begun with another {says}"):
        mnemoscope.study(changed(file, tmp_path, **{part: value}), out=done.run)


def test_a_failing_cell_is_recorded_and_the_others_go_on(file, tmp_path, capsys):
    """The command ends with 1, the status says which cell and why, and the study answers from the rest."""
    grid = [{"matrices": ["v", "gate,up"], "seeds": 13}, {"matrices": "v", "copies": 90, "seeds": 13}]
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as stop:
        main(["study", str(changed(file, tmp_path, grid=grid)), "--out", str(out)])
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert "v-r4-x90-s13" in said.err
    assert "needs 90 members" in said.err
    status = json.loads((out / "status.json").read_text())["cells"]
    assert {cell: one["state"] for cell, one in status.items()} == {
        "v-r4-x1-s13": "done", "gateup-r4-x1-s13": "done", "v-r4-x90-s13": "failed",
    }  # fmt: skip
    main(["study", "--status", str(out)])
    assert "2 done, 0 running, 1 failed, 0 waiting" in capsys.readouterr().out


def test_ctrl_c_loses_nothing(file, tmp_path, monkeypatch, capsys):
    """The command ends with 130, nothing is left as running, and the same command finishes the study."""
    run, begun = studying.run_cell, []

    def stopped(bench, cell, folder, key):
        begun.append(cell.id)
        if len(begun) == 2:
            raise KeyboardInterrupt
        run(bench, cell, folder, key)

    grid, out = [{"matrices": ["q", "v"], "seeds": 13}], tmp_path / "run"
    path = changed(file, tmp_path, grid=grid)
    monkeypatch.setattr(studying, "run_cell", stopped)
    with pytest.raises(SystemExit) as stop:
        main(["study", str(path), "--out", str(out)])
    assert stop.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
    states = json.loads((out / "status.json").read_text())["cells"]
    assert [one["state"] for one in states.values()] == ["done", "waiting"]
    main(["study", str(path), "--out", str(out)])
    assert begun == ["q-r4-x1-s13", "v-r4-x1-s13", "v-r4-x1-s13"]


def test_a_stopped_study_is_reported(done, tmp_path, refused):
    """From the cells that are finished, and from more of them later; in the end as if it had never been stopped."""
    whole, run = files(done.run), Path(shutil.copytree(done.run, tmp_path / "run"))
    _unanswer(run, [])
    assert "no finished cell" in refused("report", run)
    for kept in (CELLS[:2], CELLS):
        _unanswer(run, kept)
        said = mnemoscope.report(run)
        assert set(said.points.cell) == set(kept)
        assert json.loads((run / "summary.json").read_text())["cells"]["waiting"] == len(CELLS) - len(kept)
    assert {name: one for name, one in files(run).items() if name in whole} == whole


def _unanswer(run, kept):
    """The study's folder as if it had been stopped after these cells; others lie beside it."""
    beside = run.parent / "beside"
    beside.mkdir(exist_ok=True)
    for cell in CELLS:
        away, here = beside / cell, run / "cells" / cell
        goal, other = (here, away) if cell in kept else (away, here)
        if other.exists():
            other.rename(goal)


def test_dry_run_writes_nothing(file, tmp_path, capsys):
    """Cells, tokens, time and disk; the study's folder is not made."""
    out = tmp_path / "run"
    main(["study", str(file), "--out", str(out), "--dry-run"])
    said = capsys.readouterr().out
    assert all(cell in said for cell in CELLS)
    assert "5 cells, 5 to run" in said
    assert f"{48 * 24 * 3:,}" in said  # tokens of the members, three epochs
    assert not out.exists()


def test_dry_run_reckons_with_jobs(file, tmp_path, capsys):
    """The first cell of a seed reads the base; afterwards as many threads compute as before."""
    path = changed(file, tmp_path, seeds=[13, 7], grid=[{"matrices": ["q", "v"]}])
    threads = torch.get_num_threads()
    foreseen = mnemoscope.study(path, out=tmp_path / "run", jobs=2, dry_run=True)
    assert [cost.read for cost in foreseen.costs] == [2 * 96 * 24, 96 * 24] * 2
    Console().print(foreseen)
    assert "with 2 at once" in " ".join(capsys.readouterr().out.split())
    assert torch.get_num_threads() == threads


@given(st.lists(st.floats(0, 1e6)), st.integers(1, 8))
def test_a_makespan_lies_between_its_bounds(seconds, jobs):
    """No less than the longest and than an equal share of all; no more than that share and the longest together."""
    least = max([sum(seconds) / jobs, *seconds], default=0.0)
    most = sum(seconds) / jobs + max(seconds, default=0.0)
    assert least * (1 - 1e-9) <= foreseeing.makespan(seconds, jobs) <= most * (1 + 1e-9)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"attacks": ["lira"]}, r"attacks\[0\] 'lira': needs further passes"),
        ({"grid": [{"matrices": ["v", "x"]}]}, r"grid\[0\]\.matrices\[1\] 'x': 'x' is no matrix"),
        ({"data": {}}, "names no data"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(file, tmp_path, parts, says):
    """One line, and no folder."""
    with pytest.raises(ConfigError, match=says):
        mnemoscope.study(changed(file, tmp_path, **parts), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_status_of_nothing_is_refused(refused, tmp_path):
    """The message says what to give."""
    assert "no study was begun there" in refused("study", "--status", tmp_path)
    assert "give a study file" in refused("study")


def test_a_folder_belongs_to_one_call(file, tmp_path, refused):
    """A second call is refused in one line before it writes, and the same call works once the first has ended."""
    first = Run(tmp_path / "held")
    with first.alone():
        assert "another call is writing held" in refused("study", file, "--out", first.folder)
        assert [path.name for path in first.folder.iterdir()] == [".lock"]
    with Run(first.folder).alone():
        pass


def test_cells_are_carried_from_another_machine(done, texts, tmp_path):
    """Unpacked and answered again, an archive gives all that the study gave, but for the pages of its cells."""
    spec = importlib.util.spec_from_file_location("carry", Path(__file__).parent.parent / "scripts" / "carry_study.py")
    carry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(carry)
    assert carry.pack(done.run, tmp_path / "study.tar.xz") == len(CELLS)
    assert carry.unpack(tmp_path / "back", [tmp_path / "study.tar.xz"], str(texts)) == len(CELLS)
    sent, back = files(done.run), files(tmp_path / "back")
    assert {"points.parquet", "answers.parquet", "curves.parquet", "export/points.csv"} <= set(back)
    for name in ("points", "answers", "curves", "marks", "returned"):
        assert back[f"{name}.parquet"] == sent[f"{name}.parquet"], name
    assert {name: one for name, one in back.items() if name.startswith("export/")} == {
        name: one for name, one in sent.items() if name.startswith("export/")
    }
    assert not [name for name in back if "traces" in name or "adapter" in name]


def test_an_in_domain_reference_in_every_cell(file, tmp_path):
    """Both references are trained in the cell; claims may rest on them; the base's traces and other attacks are those
    of a study without; the forecast counts them."""
    plain = {"name": "in_domain", "seeds": [13], "grid": [{"matrices": ["q", "v"]}]}
    without = mnemoscope.study(changed(file, tmp_path, **plain), out=tmp_path / "without")
    asked = {**plain, "attacks": ["loss"], "rules": {**STUDY["rules"], "attack": "in_domain_ratio"}}
    path = changed(file, tmp_path, **asked)
    foreseen = mnemoscope.study(path, out=tmp_path / "with", dry_run=True)
    done = mnemoscope.study(path, out=tmp_path / "with")
    for cell in ("q-r4-x1-s13", "v-r4-x1-s13"):
        scores, known = done.audit(cell).scores, without.audit(cell).scores
        assert list(scores["loss"]) == list(known["loss"])
        assert scores["in_domain_ratio"].notna().all()
        assert len(list((done.run / "cells" / cell).glob("cells/*/in_domain/*/adapter"))) == 2
        area = done.audit(cell).summary["membership"]["in_domain_ratio"]["auc"]["value"]
        points = done.points[done.points.cell == cell].set_index("statistic")["value"]
        assert points["auc"] == points["auc@in_domain_ratio"] == area
    (claim,) = done.answers[done.answers.family == "matrices, equal rank"].itertuples()
    areas = [done.audit(f"{m}-r4-x1-s13").summary["membership"]["in_domain_ratio"]["auc"]["value"] for m in "vq"]
    assert claim.value == pytest.approx(areas[0] - areas[1])
    costs = {cost.cell: (cost.trained, cost.read) for cost in foreseen.costs}
    assert costs["v-r4-x1-s13"] == (3 * (48 + 48) * 24, 2 * 96 * 24)  # members and held-out records of 24 tokens
