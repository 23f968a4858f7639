"""Models in 8 and 4 bits through the public verbs: what a run says of them, and that none stands in for another."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mnemoscope
from mnemoscope import Adapter, Canaries, Compute, ConfigError, Measurement, ModelError, RunError, Training, models
from mnemoscope.steps import elsewhere, opening
from mnemoscope.study_file import Study

pytest.importorskip("bitsandbytes", reason="bitsandbytes is missing: pip install 'mnemoscope[bits]'")

FLOAT32 = Compute(dtype="float32", device="cpu")
QUICK = Measurement(resamples=100, generations="2", span_sample=0, attacks=("loss", "lr_sum"))
TOUCH = Training(matrices="vo", rank=4, batch_size=8, epochs=2, learning_rate=1e-2, heldout=0)


def loaded(bits: str | None) -> Compute:
    """Options with the models loaded so."""
    return FLOAT32.model_copy(update={"load_in": bits})


def audit(model: Path, bits: str | None = None, *more: str, **arguments: Any) -> mnemoscope.Audit:
    """An audit with few resamples and attacks, and those that are named."""
    measurement = QUICK.model_copy(update={"attacks": (*QUICK.attacks, *more)})
    return mnemoscope.audit(str(model), measurement=measurement, compute=loaded(bits), **arguments)


def manifest(run: Path) -> dict[str, Any]:
    """The manifest of a run folder."""
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


@pytest.fixture(scope="module", name="trained")
def trained_in_8_bit(tmp_path_factory: pytest.TempPathFactory, tiny: Path, notes: Path) -> Adapter:
    """An adapter of 8-bit weights; look, do not touch."""
    out = tmp_path_factory.mktemp("runs") / "eight"
    return mnemoscope.finetune(str(tiny), out=out, data=str(notes), training=TOUCH, compute=loaded("8bit"))


@pytest.fixture(name="run")
def run_of_its_own(trained: Adapter, tmp_path: Path) -> Path:
    """A copy of the run with the adapter of 8-bit weights."""
    return Path(shutil.copytree(trained.run, tmp_path / "run"))


def scores(done: mnemoscope.Audit) -> pd.DataFrame:
    """The scores of an audit."""
    return pd.read_parquet(done.run / "cells" / done.cell / "scores.parquet")


def test_an_audit_loads_as_the_adapter_was_trained(tiny: Path, run: Path) -> None:
    """Without a word the audit of an 8-bit adapter is in 8 bits, says so everywhere, and is kept when it is named."""
    done = audit(tiny, None, "gradient_norm", adapter=run)
    said = manifest(run)
    assert said["model"]["load_in"] == said["adapter"]["load_in"] == "8bit"
    assert "bitsandbytes" in said["versions"]
    assert any("llm_int8_threshold=6.0" in finding for finding in said["findings"])
    assert not any("--load-in" in finding for finding in said["findings"])
    assert "Weights loaded in" in (run / "report.html").read_text()
    path = run / "cells" / done.cell / "traces.parquet"
    before = path.stat().st_mtime_ns
    audit(tiny, "8bit", "gradient_norm", adapter=run)
    assert path.stat().st_mtime_ns == before


def test_other_bits_are_measured_where_asked_for_and_told(
    tiny: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An explicit other choice is measured anew, with other numbers, and the terminal and the findings name it."""
    own = scores(audit(tiny, adapter=run))
    capsys.readouterr()
    full = scores(audit(tiny, "full", adapter=run))
    line = "The adapter was trained with --load-in 8bit and is measured with --load-in full"
    assert f"note: {line}" in " ".join(capsys.readouterr().err.split())
    said = manifest(run)
    assert any(finding.startswith(line) for finding in said["findings"])
    assert said["config"]["compute"]["load_in"] == "full"
    assert "load_in" not in said["model"]
    assert "bitsandbytes" not in said["versions"]
    assert not full["loss"].equals(own["loss"])
    assert full["loss"].to_numpy() == pytest.approx(own["loss"].to_numpy(), rel=0.05)


def test_a_cell_is_not_trained_again_in_other_bits(tiny: Path, notes: Path, run: Path) -> None:
    """A run that holds an adapter of 8-bit weights refuses to hold the same cell of others, and keeps the same."""
    again = {"out": run, "data": str(notes), "training": TOUCH}
    for other in (None, "4bit"):
        with pytest.raises(RunError, match="trained with other settings"):
            mnemoscope.finetune(str(tiny), compute=loaded(other), **again)
    assert mnemoscope.finetune(str(tiny), compute=loaded("8bit"), **again).run == run


def test_a_reference_is_loaded_as_its_target(tiny: Path, other: Path, notes: Path, tmp_path: Path) -> None:
    """A merged target and its reference are quantised alike; saved in different bits they are refused."""
    done = audit(other, "4bit", reference=str(tiny), data=str(notes), out=tmp_path / "merged")
    said = manifest(done.run)
    assert said["model"]["load_in"] == said["reference"]["load_in"] == "4bit"
    lm = models.open_model(str(tiny), dtype="float32", device="cpu", load_in="8bit")
    lm.model.save_pretrained(tmp_path / "small")
    lm.tokenizer.save_pretrained(tmp_path / "small")
    wanted = {"reference": str(tmp_path / "small"), "data": str(notes)}
    with pytest.raises(ModelError, match="weights of other are full and those of its reference small are 8bit"):
        audit(other, out=tmp_path / "mixed", **wanted)
    both = audit(other, "8bit", out=tmp_path / "both", **wanted)
    assert "load_in" in manifest(both.run)["model"]


def test_identities(tiny: Path) -> None:
    """Each loading is another identity; that of full weights is what it was before there was a choice."""
    found = [
        opening.identity(models.open_model(str(tiny), dtype="float32", device="cpu", load_in=bits), loaded(bits))
        for bits in (None, "full", "8bit", "4bit")
    ]
    assert set(found[0]) == {"weights", "dtype", "device", "start_token", "max_tokens", "versions"}
    assert "bitsandbytes" not in found[0]["versions"]
    assert found[0] == found[1]
    assert [one["load_in"] for one in found[2:]] == ["8bit", "4bit"]
    assert all(set(one["versions"]) - set(found[0]["versions"]) == {"bitsandbytes"} for one in found[2:])


def test_what_was_begun_before_there_was_a_choice_goes_on() -> None:
    """Options that do not name it are written as they always were, on the command line and in a study."""
    assert set(Compute().model_dump(mode="json")) == {"dtype", "device", "start_token", "max_tokens"}
    study = {"name": "s", "model": "m", "grid": [{"matrices": "v"}], "compute": {"dtype": "float32"}}
    where = Study.model_validate(study).model_dump(mode="json")["compute"]
    assert set(where) == {"dtype", "device", "start_token", "max_tokens"}
    study["compute"] = {"load_in": "4bit"}
    again = Study.model_validate(Study.model_validate(study).model_dump(mode="json"))
    assert again.compute_options().load_in == "4bit"


@pytest.fixture(name="file")
def study_file(tiny: Path, notes: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a study of one cell."""

    def write(bits: str | None) -> Path:
        compute = {"dtype": "float32", "device": "cpu", **({"load_in": bits} if bits else {})}
        path = tmp_path / "study.yaml"
        path.write_text(
            json.dumps({
                "name": "s", "model": str(tiny), "data": {"source": str(notes)}, "compute": compute,
                "training": {"rank": 4, "epochs": 2, "learning_rate": 0.01, "batch_size": 8, "heldout": 0},
                "rules": {"resamples": 100}, "grid": [{"matrices": "v"}],
            })
        )  # fmt: skip
        return path

    return write


def test_a_study_in_4_bit(file: Callable[..., Path], tmp_path: Path) -> None:
    """A study's cells are loaded as it says, and it is not gone on with otherwise."""
    done = mnemoscope.study(file("4bit"), out=tmp_path / "study")
    assert isinstance(done, mnemoscope.StudyResult)
    assert not done.failed
    fixed = manifest(tmp_path / "study")["fixed"]
    assert fixed["compute"]["load_in"] == "4bit"
    assert "bitsandbytes" in fixed["versions"]
    cell = next((tmp_path / "study" / "cells").iterdir())
    said = manifest(cell)
    assert said["model"]["load_in"] == said["adapter"]["load_in"] == "4bit"
    with pytest.raises(RunError, match="begun with another compute"):
        mnemoscope.study(file(None), out=tmp_path / "study")


def test_machines_need_the_same_bitsandbytes() -> None:
    """A cell elsewhere is refused where the package that quantises is another one."""
    wanted = mnemoscope.provenance.versions_for("8bit")
    elsewhere._refuse_other_versions(wanted)
    with pytest.raises(ConfigError, match=r"bitsandbytes is .* on this machine and 0\.0\.1 where"):
        elsewhere._refuse_other_versions({**wanted, "bitsandbytes": "0.0.1"})


def test_a_study_without_bitsandbytes(
    file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is written."""
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ConfigError, match=r"pip install 'mnemoscope\[bits\]'"):
        mnemoscope.study(file("8bit"), out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_canaries_and_a_second_model(tiny: Path, other: Path, run: Path, tmp_path: Path) -> None:
    """Canaries are drawn from the model as it will be loaded, and a second model is loaded as it is asked for."""
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps({"text": f"a note of {i} words and more"}) + "\n" for i in range(60)))
    wanted = Canaries(digits=0, perplexing=2, notes=0, copies=(1,), tokens=8, budget=0.9)
    drawn = {}
    for bits in ("full", "4bit"):
        made = mnemoscope.canaries(str(tiny), data=data, out=tmp_path / bits, wanted=wanted, compute=loaded(bits))
        drawn[bits] = [one["text"] for one in json.loads(made.read_text())["canaries"]]
    assert drawn["full"] != drawn["4bit"]
    asked = QUICK.model_copy(update={"attacks": ("smaller_model",), "second": str(other)})
    found = [
        scores(mnemoscope.audit(str(tiny), adapter=run, measurement=asked, compute=loaded(bits)))["smaller_model"]
        for bits in (None, "8bit")
    ]
    assert not found[0].equals(found[1])  # without a word the second model, which has no adapter, is full


def test_on_the_command_line(refused: Callable[..., str], tiny: Path, notes: Path, tmp_path: Path) -> None:
    """The words are those of the help, and a wrong one is told in one line."""
    line = refused("finetune", str(tiny), "--data", str(notes), "--out", str(tmp_path / "x"), "--load-in", "int8")
    assert "8bit" in line
    assert not (tmp_path / "x").exists()
