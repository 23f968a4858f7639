"""The whole instrument on a tiny model: what a run folder holds, when stages run, and what the numbers say."""

from __future__ import annotations

import importlib
import json
import random
import shutil
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import mnemoscope
from mnemoscope import (
    Audit,
    Columns,
    Compute,
    DataError,
    Measurement,
    ModelError,
    Training,
    models,
    registry,
    stats,
    steps,
)
from mnemoscope.models import write_tiny
from mnemoscope.store import Run

FLOAT32 = Compute(dtype="float32", device="cpu")
QUICK = Measurement(resamples=200, generations="4")
NEWCOMER = '''
"""A newcomer."""

from mnemoscope.registry import attack


@attack(source="a note", needs=("target",), min_tokens=2)
def newcomer(target):
    """Sum of the log-probabilities, nats."""
    return target.sum("logprob")
'''
TOUCH = Training(matrices="vo", rank=4, batch_size=8, epochs=2, learning_rate=1e-2, heldout=0)
"""A few steps: enough to change every number."""


def files(run: Path) -> dict[str, bytes]:
    """What lies in a run folder."""
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def written(run: Path) -> dict[str, int]:
    """When each file was written."""
    return {path.relative_to(run).as_posix(): path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Files written since, by their name without the cell; the manifest, which is always written, left out."""
    names = {name for name in after if before.get(name) != after[name]} - {"manifest.json"}
    return {name.split("/", 2)[2] if name.startswith("cells/") else name for name in names}


def audit(model: Path, **arguments: Any) -> Audit:
    """An audit with few resamples, in float32."""
    given = {"measurement": QUICK, "compute": FLOAT32, **arguments}
    return mnemoscope.audit(str(model), **{k: str(v) if k in ("data", "reference") else v for k, v in given.items()})


def adapter_of(done: Audit) -> Path:
    """The PEFT folder of a run."""
    return done.run / "cells" / done.cell / "adapter"


# What a finished run holds


def test_the_run_folder_has_the_files_of_the_design(finished: Audit) -> None:
    """A finished run holds the files of the design and nothing else: no half file, no checkpoint."""
    cell = f"cells/{finished.cell}"
    tables = ("training", "traces", "scores", "extractions", "sampled", "generations", "spans")
    adapter = ("adapter_config.json", "adapter_model.safetensors", "mnemoscope.json")
    assert set(files(finished.run)) == {
        "manifest.json", "timings.json", "records.parquet", "reference/traces.parquet", "checks.parquet",
        "estimates.parquet", "summary.json", "report.html", "hashes.csv",
        *(f"{cell}/{name}.parquet" for name in tables),
        *(f"{cell}/adapter/{name}" for name in adapter),
    }  # fmt: skip


def leaf(node: Any) -> bool:
    """Whether a node of summary.json says all that an estimate must say."""
    counts = {"members", "nonmembers", "member_groups", "nonmember_groups", "unscored"}
    return {"value", "low", "high", "level", "method", "counts"} <= set(node) and set(node["counts"]) == counts


def test_the_summary_says_all(finished: Audit) -> None:
    """Every estimate of summary.json has value, interval, level, method and counts."""
    summary = finished.summary
    assert summary["schema_version"] == "1"
    assert set(summary["verdict"]) >= {"validity"}
    assert summary["counts"]["records"] == summary["counts"]["groups"] == {"member": 24, "nonmember": 24}
    assert tuple(summary["membership"]) == registry.trace_only()
    for found in summary["membership"].values():
        assert leaf(found["auc"])
        assert found["auc"]["low"] < found["auc"]["value"] or found["auc"]["value"] < found["auc"]["high"]
        assert set(found["tpr_at_fpr"]) >= {"0.1", "0.01"}
        assert all(leaf(one) for one in found["tpr_at_fpr"].values())
    assert leaf(summary["controls"]["reference_loss"]["auc"])
    assert all(leaf(one) for one in summary["extraction"]["0.5"]["verbatim"].values())
    json.dumps(summary, allow_nan=False)


def test_the_manifest_says_how(finished: Audit) -> None:
    """The manifest holds settings, seed, versions, the model with its dtype and why, and every stage."""
    manifest = json.loads((finished.run / "manifest.json").read_text())
    assert set(manifest["config"]) == {"training", "measurement", "compute"}
    assert manifest["seed"] == 13
    assert {"python", "mnemoscope", "torch", "transformers", "peft", "numpy"} <= set(manifest["versions"])
    assert manifest["model"]["dtype"] == "float32"
    assert manifest["model"]["dtype_reason"] == "asked for"
    assert len(manifest["model"]["weights_sha256"]) == 64
    assert manifest["adapter"]["verified"] is True
    assert set(manifest["stages"]) == {
        "records", f"train/{finished.cell}", "traces", "pass", "checks", "scores", "extractions", "sampled",
        "generations", "spans", "estimates", "report",
    }  # fmt: skip
    timings = json.loads((finished.run / "timings.json").read_text())
    assert set(timings["stages"]) == set(manifest["stages"]) - {"pass"}
    assert not {"machine", "cpu", "timings"} & set(manifest)


def test_only_the_owner_reads(finished: Audit) -> None:
    """Every file of a run is 0600, and so is every folder that holds one 0700."""
    for path in finished.run.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for name in ("", "reference", f"cells/{finished.cell}", f"cells/{finished.cell}/adapter"):
        assert stat.S_IMODE((finished.run / name).stat().st_mode) == 0o700, name


def test_no_place_of_this_machine(finished: Audit, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file of a run but its timings names a folder of this machine."""
    places = [str(tmp_path_factory.getbasetemp()), str(Path(__file__).parents[1]), str(Path.home()) + "/"]
    for name, content in files(finished.run).items():
        assert not [place for place in places if place.encode() in content and name != "timings.json"], name


def test_no_text_outside_the_private_tables(finished: Audit, notes: Path) -> None:
    """Manifest, summary and page hold no text of a record, and summary and page no id."""
    rows = [json.loads(line) for line in notes.read_text().splitlines()]
    for name in ("manifest.json", "summary.json", "report.html", "timings.json"):
        content = (finished.run / name).read_text()
        assert not [row["id"] for row in rows if row["text"][:10] in content], name
    for name in ("summary.json", "report.html"):
        content = (finished.run / name).read_text()
        assert not [row["id"] for row in rows if row["id"] in content], name


def test_results_become_frames(finished: Audit, tmp_path: Path) -> None:
    """The object that audit gives back shows its tables as frames and writes the page anywhere."""
    assert len(finished.scores) == 48
    assert set(registry.trace_only()) <= set(finished.scores.columns)
    assert {"name", "value", "low", "high", "level", "method"} <= set(finished.estimates.columns)
    assert set(finished.extractions.model) == {"target", "reference"}
    assert len(finished.generations) == 8
    assert finished.save_report(tmp_path / "page.html").read_text().startswith("<!doctype html")


def test_a_saved_page_is_the_page_of_the_run(finished: Audit, tmp_path: Path) -> None:
    """The page written from a finished run is byte for byte its report.html."""
    assert finished.save_report(tmp_path / "page.html").read_bytes() == (finished.run / "report.html").read_bytes()


def test_a_saved_page_is_private(finished: Audit, tmp_path: Path) -> None:
    """A page with text of the records is readable by its owner alone, wherever it is written."""
    page = finished.save_report(tmp_path / "page.html", show_text=True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_the_adapter_loads_anywhere(finished: Audit, tiny: Path) -> None:
    """The adapter is a plain PEFT folder."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), str(adapter_of(finished)))
    assert sum("lora_B" in name for name, _ in loaded.named_parameters()) == 14


# When stages run


def forbid(monkeypatch: pytest.MonkeyPatch, *places: tuple[Any, str]) -> None:
    """Calling any of these fails the test."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a finished stage ran again")

    for room, name in places:
        getattr(room, name)
        monkeypatch.setattr(room, name, fail)


def test_the_same_commands_do_nothing_again(
    copied: Audit, instrument: Callable[..., Audit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fine-tuning and auditing again with nothing changed writes no file, reads no text and trains nothing."""
    before, content = written(copied.run), files(copied.run)
    forbid(monkeypatch, (models, "finetune"), (models, "trace_pair"), (models, "trace"), (models, "generate"))
    forbid(monkeypatch, (stats.Estimator, "membership"), (registry.Attack, "score"))
    again = instrument(copied.run)
    assert changed(before, written(copied.run)) == set()
    assert files(copied.run) == content
    assert again.summary == copied.summary


def test_other_prefixes_extract_again_and_trace_nothing(
    copied: Audit, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed list of prefixes runs extraction and what follows from it, and no pass of the model."""
    before = written(copied.run)
    forbid(monkeypatch, (models, "trace_pair"))
    wider = Measurement(resamples=200, generations="4", prefixes=("0.5", "10t"))
    done = audit(tiny, adapter=copied.run, measurement=wider)
    assert set(done.summary["extraction"]) == {"0.5", "10t"}
    assert changed(before, written(copied.run)) == {
        "extractions.parquet", "sampled.parquet", "estimates.parquet", "summary.json", "report.html", "hashes.csv",
        "timings.json",
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
@pytest.mark.parametrize("name", ["reference/traces.parquet", "cells/CELL/traces.parquet"])
def test_lost_traces_are_made_again(copied: Audit, tiny: Path, harm: str, name: str) -> None:
    """Traces that are gone or damaged are made again, equal to the old ones, and nothing after them has to follow."""
    path = copied.run / name.replace("CELL", copied.cell)
    content, before = files(copied.run), written(copied.run)
    if harm == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    audit(tiny, adapter=copied.run)
    assert changed(before, written(copied.run)) == {"traces.parquet", "reference/traces.parquet", "timings.json"}
    assert {k: v for k, v in files(copied.run).items() if k != "timings.json"} == {
        k: v for k, v in content.items() if k != "timings.json"
    }


def test_a_lost_adapter_is_trained_again(copied: Audit, instrument: Callable[..., Audit]) -> None:
    """An adapter that is gone is trained again to the same bytes."""
    weights = adapter_of(copied) / "adapter_model.safetensors"
    before = weights.read_bytes()
    shutil.rmtree(adapter_of(copied))
    instrument(copied.run)
    assert weights.read_bytes() == before


def test_an_edited_attack_is_scored_again(copied: Audit, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores follow the source of their attacks, not their names."""
    before = written(copied.run)
    monkeypatch.setattr(registry.Attack, "fingerprint", lambda self: "edited " + self.name)
    forbid(monkeypatch, (models, "trace_pair"))
    audit(tiny, adapter=copied.run)
    assert "scores.parquet" in changed(before, written(copied.run))
    assert "traces.parquet" not in changed(before, written(copied.run))


# Equal seeds, equal files


def test_equal_seeds_give_equal_files(finished: Audit, instrument: Callable[..., Audit], tmp_path: Path) -> None:
    """The same commands in another folder give the same bytes in every file but timings.json."""
    twin = instrument(tmp_path / "another" / "place")
    first, second = files(finished.run), files(twin.run)
    assert set(first) == set(second)
    assert {name for name in first if first[name] != second[name]} == {"timings.json"}


def test_another_seed_gives_another_adapter(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """Two seeds give two adapters of the same shape."""
    weights = []
    for seed in (13, 14):
        done = mnemoscope.finetune(
            str(tiny), out=tmp_path / str(seed), data=str(notes), training=TOUCH, compute=FLOAT32, seed=seed
        )
        weights.append((done.path / "adapter_model.safetensors").read_bytes())
    assert len(weights[0]) == len(weights[1])
    assert weights[0] != weights[1]


def test_a_training_of_one_step_learns(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """One optimizer step changes the model, however small the data is."""
    one_step = Training(matrices="vo", rank=4, batch_size=64, epochs=1, heldout=0)
    done = mnemoscope.finetune(str(tiny), out=tmp_path / "a", data=str(notes), training=one_step, compute=FLOAT32)
    assert len(done.training) == 1
    assert done.training.learning_rate.iloc[0] > 0
    audit(tiny, adapter=done.run)


# Which adapter, which reference


def test_an_adapter_of_other_weights_is_refused(finished: Audit, other: Path, notes: Path, tmp_path: Path) -> None:
    """The weights an adapter was trained on are the only ones it is audited on."""
    with pytest.raises(ModelError, match="trained on other weights"):
        audit(other, adapter=adapter_of(finished), data=notes, out=tmp_path / "out")
    assert not list((tmp_path / "out").rglob("traces.parquet"))


def peft_adapter(tiny: Path, folder: Path, *, random_b: bool) -> Path:
    """An adapter as PEFT alone writes it: fresh (B = 0), or with a random B."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=not random_b)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config).save_pretrained(folder)
    return folder


def test_an_adapter_that_changes_nothing_is_refused(
    refused: Callable[..., str], tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """A fresh adapter, which is the base model, gives no audit and no traces."""
    fresh = peft_adapter(tiny, tmp_path / "fresh", random_b=False)
    line = refused("audit", tiny, "--adapter", fresh, "--data", notes, "--out", tmp_path / "o", "--dtype", "float32")
    assert "the adapter changes nothing" in line
    assert [path.name for path in (tmp_path / "o").rglob("*.parquet")] == ["records.parquet"]
    assert not Run(tmp_path / "o").holds("traces")


def test_an_adapter_from_elsewhere_is_audited_and_marked(
    finished: Audit, tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """Any PEFT adapter works; that its base could not be checked is a finding."""
    bare = shutil.copytree(adapter_of(finished), tmp_path / "bare")
    (bare / "mnemoscope.json").unlink()
    done = audit(tiny, adapter=bare, data=notes, out=tmp_path / "out")
    assert "could not be checked" in " ".join(done.summary["findings"])
    assert done.summary["settings"]["adapter"]["verified"] is False
    assert "could not be checked" not in " ".join(finished.summary["findings"])
    for name in registry.trace_only():
        np.testing.assert_array_equal(done.scores[name], finished.scores[name])


def merged(done: Audit, tiny: Path, folder: Path) -> Path:
    """The model with its adapter added to the weights."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    shutil.copytree(tiny, folder)
    base = AutoModelForCausalLM.from_pretrained(tiny)
    PeftModel.from_pretrained(base, str(adapter_of(done))).merge_and_unload().save_pretrained(folder)
    return folder


def test_a_merged_model_gives_the_scores_of_its_adapter(
    finished: Audit, tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """Merged or not, the same fine-tuning gives the same scores, to the rounding of float32."""
    done = audit(merged(finished, tiny, tmp_path / "merged"), reference=tiny, data=notes, out=tmp_path / "out")
    for name in registry.trace_only():
        np.testing.assert_allclose(done.scores[name], finished.scores[name], rtol=1e-3, atol=1e-3)
    assert done.summary["settings"]["reference"]["name"] == "tiny"
    verbatim = [one.summary["extraction"]["0.5"]["verbatim"]["members"]["value"] for one in (done, finished)]
    assert verbatim[0] == verbatim[1]


def test_a_reference_with_another_tokenizer_is_refused(
    refused: Callable[..., str], tiny: Path, other: Path, notes: Path, tmp_path: Path
) -> None:
    """Probabilities of different tokens are not compared."""
    swapped = shutil.copytree(other, tmp_path / "swapped")
    content = json.loads((swapped / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (swapped / "tokenizer.json").write_text(json.dumps(content))
    line = refused(
        "audit", tiny, "--reference", swapped, "--data", notes, "--out", tmp_path / "out", "--dtype", "float32"
    )
    assert "different tokenizers" in line


def test_no_library_warns_the_user(copied: Audit, tiny: Path) -> None:
    """An audit prints no warning of a library: the user can do nothing about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        audit(tiny, adapter=copied.run)
    assert [str(one.message) for one in caught if one.category is FutureWarning] == []


def test_a_model_is_not_its_own_reference(refused: Callable[..., str], tiny: Path, notes: Path, tmp_path: Path) -> None:
    """A model compared with itself gives no audit."""
    line = refused("audit", tiny, "--reference", tiny, "--data", notes, "--out", tmp_path / "o", "--dtype", "float32")
    assert "changes nothing" in line


# What the numbers say


def words(n: int, seed: int) -> list[dict[str, str]]:
    """Two records a group, the groups split at random into members and non-members."""
    draw = random.Random(seed)
    groups = [f"g{i}" for i in range(n // 2)]
    members = set(draw.sample(groups, len(groups) // 2))
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [
        {
            "id": f"r{i}", "group": groups[i // 2], "split": "member" if groups[i // 2] in members else "nonmember",
            "text": "".join(draw.choice(letters) for _ in range(draw.randrange(10, 40))),
        }
        for i in range(n)
    ]  # fmt: skip


def test_text_that_was_not_trained_on_gives_chance(tiny: Path, tmp_path: Path) -> None:
    """Two random halves of text that the model never saw: every attack's interval covers one half.

    At 99.9%, because of 14 attacks at 95% one or two are expected to miss it once.
    """
    path = tmp_path / "halves.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in words(240, seed=1)))
    done = audit(
        tiny, adapter=peft_adapter(tiny, tmp_path / "perturbed", random_b=True), data=path, out=tmp_path / "out",
        measurement=Measurement(resamples=2000, level=0.999, generations="0"),
    )  # fmt: skip
    assert set(done.summary["membership"]) == set(registry.trace_only())
    for name, found in done.summary["membership"].items():
        assert found["auc"]["low"] < 0.5 < found["auc"]["high"], name
        assert found["auc"]["counts"]["member_groups"] == 60
    assert done.summary["verdict"]["validity"] != "doubtful"
    assert done.summary["extraction"]["0.5"]["verbatim"]["members"]["value"] == 0


@pytest.mark.parametrize("name", registry.trace_only())
def test_text_learnt_by_heart_is_told_apart(finished: Audit, name: str) -> None:
    """A model that learnt random letters by heart gives every attack an AUC above .9."""
    assert finished.summary["membership"][name]["auc"]["value"] > 0.9


def test_the_loss_of_a_training_falls(finished: Audit) -> None:
    """training.parquet has a row a step: the loss falls, the rate falls to nothing, held-out perplexity is measured."""
    log = mnemoscope.Adapter(finished.run, finished.cell, 0).training
    assert log.step.tolist() == list(range(1, 61))
    assert log.loss.iloc[-1] < 0.5 * log.loss.iloc[0]
    assert log.learning_rate.max() == pytest.approx(1e-2, rel=0.1)
    assert log.heldout_perplexity.notna().sum() == 20


# Planted records


@pytest.fixture(scope="module")
def planted(instrument: Callable[..., Audit], tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """A run in which two records are planted four times."""
    training = Training(
        matrices="all", rank=8, alpha=32, dropout=0, learning_rate=1e-2, batch_size=8, epochs=6, heldout=0, copies=4,
        planted=2,
    )  # fmt: skip
    return instrument(tmp_path_factory.mktemp("runs") / "planted", training=training)


def roles(path: Path) -> dict[str, tuple[str, int]]:
    """Id to role and copies."""
    rows = pq.read_table(path / "records.parquet").to_pylist()
    return {row["id"]: (row["role"], row["copies"]) for row in rows}


def test_planted_records_are_trained_on_more_than_once(planted: Audit) -> None:
    """Two records stand four times each; the six they overwrite are in neither class of the audit."""
    known = roles(planted.run)
    assert sorted(copies for role, copies in known.values() if role == "member") == [1] * 16 + [4] * 2
    excluded = {name for name, (role, _) in known.items() if role == "excluded"}
    assert len(excluded) == 6
    assert sum(copies for _, copies in known.values()) == 24
    assert set(planted.scores.id) == set(known) - excluded
    assert not excluded & set(planted.extractions.id)
    assert planted.summary["counts"]["records"] == {"member": 18, "nonmember": 24}
    assert planted.summary["counts"]["planted"] == 2
    assert planted.summary["membership"]["loss"]["auc"]["counts"]["members"] == 18
    assert planted.cell.endswith("-x4-s13")
    assert planted.summary["settings"]["adapter"]["copies"] == 4


def test_planted_records_are_remembered_best(planted: Audit) -> None:
    """What stood four times in the training set is likelier than what stood once."""
    known = roles(planted.run)
    scores = planted.scores.set_index("id").lr_diff
    four = [scores[name] for name, (_, copies) in known.items() if copies == 4]
    once = [scores[name] for name, (role, copies) in known.items() if role == "member" and copies == 1]
    assert min(four) > np.median(once)


def test_planted_records_are_always_continued(planted: Audit) -> None:
    """A sample of records is really continued, the planted ones among them."""
    four = {name for name, (_, copies) in roles(planted.run).items() if copies == 4}
    assert four <= set(planted.generations.id)


def test_the_original_data_gets_the_roles_of_the_training(
    planted: Audit, tiny: Path, notes: Path, tmp_path: Path
) -> None:
    """Auditing with the file that was trained on applies what planting made of it."""
    done = audit(tiny, adapter=planted.run, data=notes, out=tmp_path / "out")
    assert roles(done.run) == roles(planted.run)
    for name in registry.trace_only():
        np.testing.assert_array_equal(done.scores[name], planted.scores[name])


def test_data_that_contradicts_the_training_is_refused(planted: Audit, tiny: Path, notes: Path, tmp_path: Path) -> None:
    """A record that was trained on cannot be given as a non-member."""
    rows = [json.loads(line) for line in notes.read_text().splitlines()]
    flip = {"train": "test", "dev": "train", "test": "train"}
    path = tmp_path / "flipped.jsonl"
    path.write_text("".join(json.dumps({**row, "split": flip[row["split"]]}) + "\n" for row in rows))
    with pytest.raises(DataError, match="is given as a"):
        audit(tiny, adapter=planted.run, data=path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Growing


def test_a_newcomer_adds_an_attack_by_adding_one_file(
    copied: Audit, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One new file in the room of attacks is in the list, in the scores and in the summary."""
    room = importlib.import_module("mnemoscope.attacks")
    registry.trace_only()
    monkeypatch.setattr(registry, "_attacks", dict(registry._attacks))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "newcomer.py").write_text(NEWCOMER)
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path / "more")])
    importlib.invalidate_caches()
    try:
        from mnemoscope.cli import main

        main(["attacks"])
        assert "newcomer" in capsys.readouterr().out
        before = written(copied.run)
        done = audit(tiny, adapter=copied.run)
        assert leaf(done.summary["membership"]["newcomer"]["auc"])
        assert "newcomer" in (done.run / "report.html").read_text()
        assert "traces.parquet" not in changed(before, written(copied.run))
    finally:
        sys.modules.pop("mnemoscope.attacks.newcomer", None)
        vars(room).pop("newcomer", None)


def test_demo_is_the_same_two_verbs(monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path) -> None:
    """demo fine-tunes and audits invented notes, and says where the page is."""
    from mnemoscope import pipeline

    small = pipeline.DEMO.model_copy(update={"epochs": 2, "copies": 2, "rank": 2, "planted": 1, "heldout": 0})
    monkeypatch.setattr(pipeline, "DEFAULT", str(tiny))
    monkeypatch.setattr(pipeline, "DEMO", small)
    given = []
    read = steps.read
    monkeypatch.setattr(steps, "read", lambda data, *rest: given.append(data) or read("synthetic:8", *rest))
    done = pipeline.demo(out=tmp_path / "demo")
    assert given == ["synthetic:120"]
    assert (done.run / "report.html").is_file()


def test_several_adapters_in_a_run_need_a_name(refused: Callable[..., str], copied: Audit, tiny: Path) -> None:
    """A run with two cells is not guessed about."""
    shutil.copytree(copied.run / "cells" / copied.cell, copied.run / "cells" / "vo-r8-x1-s13")
    assert "several adapters" in refused("audit", tiny, "--adapter", copied.run)


def test_two_tiny_models_differ(tiny: Path, other: Path, tmp_path: Path) -> None:
    """The tiny model of a seed is the same each time, and another one for another seed."""
    again = write_tiny(tmp_path / "again")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tiny, other, again)]
    assert weights[0] == weights[2] != weights[1]


def test_a_share_of_the_data_is_half_of_each_class(notes: Path) -> None:
    """--share 0.5 keeps half of the groups of members and of both kinds of non-members, and the seed says which."""
    kept = steps.read(str(notes), None, None, Columns(share=0.5), 13)
    assert [sum(one.part == part for one in kept) for part in ("train", "calibration", "evaluation")] == [12, 6, 6]
    assert kept == steps.read(str(notes), None, None, Columns(share=0.5), 13)
    assert kept != steps.read(str(notes), None, None, Columns(share=0.5), 14)
    assert len(steps.read(str(notes), None, None, Columns(), 13)) == 48
