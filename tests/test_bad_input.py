"""Every mistake of a user, through the real command: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mnemoscope
from mnemoscope import Audit

Refused = Callable[..., str]

TRAIN = '{"id": "a", "text": "SECRET one", "split": "train"}\n'
TEST = '{"id": "b", "text": "SECRET two", "split": "test"}\n'

BAD_DATA: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "not UTF-8": (TRAIN.encode() + '{"text": "SECRET é"}'.encode("latin-1"), ("notes.jsonl is not UTF-8", "line 2")),
    "malformed line": ((TRAIN + TEST + '{"id": "c", "text": "SECRET"').encode(), ("notes.jsonl, line 3", "not JSON")),
    "missing column": (b'{"id": "a", "body": "SECRET", "split": "train"}\n', ("present: id, body, split",)),
    "missing split": (b'{"id": "a", "text": "SECRET"}\n', ("present: id, text", "as two files")),
    "empty text": ((TRAIN + '{"id": "b", "text": "  ", "split": "test"}').encode(), ("line 2", "is empty")),
    "no records": (b"", ("notes.jsonl has no records",)),
    "members only": (TRAIN.encode(), ("no non-members", "Give both classes")),
    "non-members only": (TEST.encode(), ("no members", "Give both classes")),
    "same id in both": ((TRAIN + TEST.replace('"b"', '"a"')).encode(), ("1 stand in both classes", "'a'")),
    "id twice": ((TRAIN + TRAIN + TEST).encode(), ("1 stand more than once", "'a'")),
    "id that looks like markup": (
        (TRAIN + TRAIN + TEST).replace('"a"', '"[/b] :smile: [red]"').encode(),
        ("'[/b] :smile: [red]'",),
    ),
}


def untouched(out: Path) -> bool:
    """No folder, or only files that a manifest knows as whole."""
    if not out.exists():
        return True
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    known: set[str] = set()
    if left:
        stages: dict[str, Any] = json.loads((out / "manifest.json").read_text())["stages"]
        known = {file for stage in stages.values() for file in stage["files"]}
    return left <= known | {"manifest.json", "timings.json"} and set(known) <= {"records.parquet"}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(refused: Refused, tmp_path: Path, case: str) -> None:
    """Data that cannot be used is refused by finetune and audit alike, with the place and without the text."""
    content, expected = BAD_DATA[case]
    (tmp_path / "notes.jsonl").write_bytes(content)
    out = tmp_path / "out"
    for line in (
        refused("finetune", "tiny", "--data", tmp_path / "notes.jsonl", "--out", out),
        refused("audit", "tiny", "--reference", "base", "--data", tmp_path / "notes.jsonl", "--out", out),
    ):
        for part in expected:
            assert part in line
    assert not out.exists()


BAD_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "missing file": (("finetune", "tiny", "--data", "gone.jsonl"), ("no file or folder 'gone.jsonl'",)),
    "no data": (("finetune", "tiny"), ("give either --data or both",)),
    "members alone": (("finetune", "tiny", "--members", "a.jsonl"), ("got: members",)),
    "bad matrices": (("finetune", "tiny", "--data", "synthetic:4", "--matrices", "qx"), ("'x' is no matrix",)),
    "rank no number": (("finetune", "tiny", "--data", "synthetic:4", "--rank", "x"), ("--rank x:", "integer")),
    "rank zero": (("finetune", "tiny", "--data", "synthetic:4", "--rank", "0"), ("--rank 0:",)),
    "all faults": (
        ("finetune", "tiny", "--data", "synthetic:4", "--rank", "0", "--epochs", "-1"),
        ("--rank 0:", "--epochs -1:"),
    ),
    "micro-batches": (
        ("finetune", "tiny", "--data", "synthetic:4", "--micro-batches", "3"),
        ("--micro-batches 3 must divide --batch-size 64",),
    ),
    "seed no number": (("finetune", "tiny", "--data", "synthetic:4", "--seed", "x"), ("--seed", '"x"')),
    "synthetic:none": (("finetune", "tiny", "--data", "synthetic:0"), ("synthetic:N",)),
    "unknown option": (("finetune", "tiny", "--rnk", "3"), ("--rnk", "Did you mean --rank?")),
    "no model": (("finetune",), ("requires an argument",)),
    "unknown command": (("finetun", "tiny"), ("finetun", "finetune")),
    "unknown attack": (
        ("audit", "tiny", "--adapter", "a", "--attacks", "loss,los"),
        ("unknown attack 'los'", "Did you mean 'loss'?", "Known: "),
    ),
    "bad prefix": (("audit", "tiny", "--adapter", "a", "--prefixes", "2.5"), ("prefix '2.5'", "25t")),
    "no prefix": (("audit", "tiny", "--adapter", "a", "--prefixes", ","), ("--prefixes: is empty",)),
    "bad generations": (("audit", "tiny", "--adapter", "a", "--generations", "-5"), ("--generations -5:", "or all")),
    "bad level": (("audit", "tiny", "--adapter", "a", "--level", "2"), ("--level 2:",)),
    "too few resamples": (("audit", "tiny", "--adapter", "a", "--resamples", "10"), ("--resamples 10:",)),
    "neither adapter nor reference": (("audit", "tiny"), ("either --adapter", "--reference")),
    "adapter and reference": (("audit", "tiny", "--adapter", "a", "--reference", "b"), ("either --adapter",)),
    "adapter that is not there": (("audit", "tiny", "--adapter", "gone"), ("gone has no adapter_config.json",)),
}


@pytest.mark.parametrize("case", BAD_WORDS)
def test_bad_words(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """A word that is not allowed is refused before any time is spent, with what was given and what is allowed."""
    words, expected = BAD_WORDS[case]
    monkeypatch.chdir(tmp_path)
    line = refused(*words, *(() if words == ("finetune",) else ("--out", "out")))
    for part in expected:
        assert part in line
    assert list(tmp_path.iterdir()) == []


def test_model_that_is_none(refused: Refused, tmp_path: Path) -> None:
    """A model that is nowhere, a file, a folder without weights or an adapter is refused with what to give instead."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_text("{}")
    out = tmp_path / "out"
    for model, expected in {
        "smollm2": "could not be had from the hub",
        "smollm2 135m": "unknown model 'smollm2 135m'",
        str(tmp_path / "gone.gguf"): "no such file",
        str(tmp_path / "file"): "is a file, not a model",
        str(tmp_path / "empty"): "has no config.json",
        str(tmp_path / "pickled"): "pickled ones are never loaded",
    }.items():
        assert expected in refused("finetune", model, "--data", "synthetic:4", "--out", out)
        assert untouched(out)


def test_model_that_is_none_leaves_nothing(refused: Refused, tmp_path: Path) -> None:
    """A misspelt model leaves no copy of the private text behind."""
    refused("finetune", "smollm2", "--data", "synthetic:4", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_many_copies_leave_nothing(refused: Refused, tmp_path: Path) -> None:
    """More copies than members are refused before a folder is made."""
    line = refused("finetune", "tiny", "--data", "synthetic:4", "--copies", "9", "--out", tmp_path / "out")
    assert "--copies 9 x --planted 1 needs 9 members, got 4" in line
    assert not (tmp_path / "out").exists()


def test_compute_that_is_none(refused: Refused, tiny: Path, tmp_path: Path) -> None:
    """A dtype, device or start token that does not exist is refused."""
    for option, value, expected in (
        ("--dtype", "float8", "float32"),
        ("--device", "banana", "use auto, cpu or cuda"),
        ("--start-token", "zz", "not in the tokenizer's vocabulary"),
    ):
        line = refused("finetune", tiny, "--data", "synthetic:4", "--out", tmp_path / "out", option, value)
        assert expected in line
        assert untouched(tmp_path / "out")


def test_no_matrices(refused: Refused, tiny: Path, tmp_path: Path) -> None:
    """No matrix at all is refused like a wrong one."""
    assert "--matrices" in refused("finetune", tiny, "--data", "synthetic:4", "--out", tmp_path / "o", "--matrices", "")


def test_adapter_folder_that_is_none(
    refused: Refused, finished: Audit, tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """A model, an empty folder and one with a pickled adapter are no adapters, and an adapter is no model."""
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "adapter_config.json").write_text("{}")
    (pickled / "adapter_model.bin").write_bytes(b"\x80")
    words = ("--data", notes, "--out", tmp_path / "out")
    assert "has no adapter_config.json" in refused("audit", tiny, "--adapter", tiny, *words)
    assert "pickled ones are never loaded" in refused("audit", tiny, "--adapter", pickled, *words)
    assert not (tmp_path / "out").exists()
    adapter = finished.run / "cells" / finished.cell / "adapter"
    assert "is an adapter, not a model" in refused("audit", adapter, "--adapter", adapter, *words)


@pytest.mark.parametrize("harm", ["{", "[]"])
def test_torn_adapter(refused: Refused, copied: Audit, tiny: Path, harm: str) -> None:
    """An adapter whose settings are torn is refused in one line."""
    (copied.run / "cells" / copied.cell / "adapter" / "adapter_config.json").write_text(harm)
    refused("audit", tiny, "--adapter", copied.run, "--dtype", "float32")


def test_damaged_adapter_weights(refused: Refused, copied: Audit, tiny: Path) -> None:
    """An adapter whose weights are cut off is refused in one line."""
    path = copied.run / "cells" / copied.cell / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    refused("audit", tiny, "--adapter", copied.run, "--dtype", "float32")


def test_run_folder_that_is_none(refused: Refused, tmp_path: Path, tiny: Path) -> None:
    """A folder that holds other things, and a file, are no run folders, and are left as they were."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    words = ("finetune", tiny, "--data", "synthetic:4", "--out")
    assert "not empty and holds no run" in refused(*words, tmp_path / "thesis")
    assert "is a file" in refused(*words, tmp_path / "file")
    assert "not empty and holds no run" in refused("report", tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["text.txt"]


def test_report_of_nothing(refused: Refused, tmp_path: Path) -> None:
    """A report of a run that is not there is refused, and makes no folder."""
    assert "holds no finished audit" in refused("report", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_report_of_an_unfinished_run(refused: Refused, copied: Audit) -> None:
    """A report of a run without estimates is refused with the command that makes them."""
    (copied.run / "estimates.parquet").unlink()
    assert "run mnemoscope audit first" in refused("report", copied.run)


def test_no_folder_for_the_audit(refused: Refused, finished: Audit, tiny: Path, notes: Path, tmp_path: Path) -> None:
    """An adapter from elsewhere needs a run folder of its own."""
    import shutil

    adapter = shutil.copytree(finished.run / "cells" / finished.cell / "adapter", tmp_path / "adapter")
    assert "give --out DIR" in refused("audit", tiny, "--adapter", adapter, "--data", notes)


def test_other_settings_in_the_same_cell(refused: Refused, copied: Audit, tiny: Path, notes: Path) -> None:
    """A cell that is trained is not trained over with other settings, other records or another seed's records."""
    before = {path: path.read_bytes() for path in copied.run.rglob("*") if path.is_file()}
    words = ("finetune", tiny, "--out", copied.run, "--matrices", "all", "--rank", "16", "--dtype", "float32")
    assert "trained with other settings: give a new --out" in refused(*words, "--data", notes)
    assert "trained on other records: give a new --out" in refused(*words, "--data", "synthetic:4")
    assert {path: path.read_bytes() for path in copied.run.rglob("*") if path.is_file()} == before


def test_the_same_text_under_two_ids_is_a_finding(tiny: Path, tmp_path: Path) -> None:
    """A text that stands in both classes under two ids is no error: the summary says so."""
    letters = "abcdefghijklmnop"
    texts = [letters[i:] + letters[:i] for i in range(8)]
    rows = [{"id": f"m{i}", "text": text, "split": "train"} for i, text in enumerate(texts)]
    rows += [{"id": f"n{i}", "text": text, "split": "test"} for i, text in enumerate([*texts[:2], "zz top", "zz end"])]
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    training = mnemoscope.Training(epochs=1, batch_size=4, heldout=0)
    measurement = mnemoscope.Measurement(resamples=100, generations="0")
    adapter = mnemoscope.finetune(str(tiny), data=str(path), out=tmp_path / "out", training=training)
    audit = mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=measurement)
    assert "2 non-members have exactly the text of a member" in " ".join(audit.summary["findings"])
    assert audit.summary["data"]["duplicates_across"] == 2


def program(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """python -m mnemoscope, as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "mnemoscope", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("case", ["malformed line", "id that looks like markup"])
def test_bad_data_in_a_process_of_its_own(tmp_path: Path, case: str) -> None:
    """The real program says one line, exits with 2, and writes nothing."""
    (tmp_path / "notes.jsonl").write_bytes(BAD_DATA[case][0])
    done = program("finetune", "tiny", "--data", "notes.jsonl", "--out", "out", folder=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert BAD_DATA[case][1][0] in done.stderr
    assert "SECRET" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.jsonl"]


def test_bad_word_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The real program suggests the attack that was meant."""
    done = program("audit", "tiny", "--adapter", "a", "--attacks", "zlb", "--out", "out", folder=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "Did you mean 'zlib'?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_wrong_base_in_a_process_of_its_own(finished: Audit, other: Path, tmp_path: Path) -> None:
    """The real program refuses an adapter of other weights in one line, without a library's warnings around it."""
    done = program("audit", other, "--adapter", finished.run, "--out", "out", "--dtype", "float32", folder=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert "trained on other weights" in done.stderr
