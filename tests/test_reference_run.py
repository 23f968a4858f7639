"""An audit that takes its base's traces over from an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mnemoscope
from mnemoscope import Audit, Compute, Measurement, RunError, Training, models, provenance

FLOAT32 = Compute(dtype="float32", device="cpu")
QUICK = Measurement(resamples=200, generations="4")
TOUCH = Training(matrices="v", rank=2, learning_rate=1e-2, batch_size=8, epochs=1, heldout=0)


def bytes_of(run: Path) -> dict[str, bytes]:
    """Every file of a run folder but what differs between equal runs."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


@pytest.fixture
def second(tiny: Path, notes: Path, tmp_path: Path) -> Path:
    """Another adapter for the records of the finished run, not audited yet."""
    done = mnemoscope.finetune(str(tiny), out=tmp_path / "second", data=str(notes), training=TOUCH, compute=FLOAT32)
    return done.run


def audit(tiny: Path, adapter: Path, earlier: Path | None, **options: object) -> Audit:
    """Audit `adapter` with the base's traces of `earlier`."""
    given = {"measurement": QUICK, "compute": FLOAT32, **options}
    return mnemoscope.audit(str(tiny), adapter=adapter, reference_run=earlier, **given)


def test_the_base_is_not_read_and_nothing_else_changes(
    tiny: Path, finished: Audit, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is that of an audit which reads the base itself, byte for byte, after one pass instead of two."""
    taken = audit(tiny, second, finished.run)
    files, times = bytes_of(second), json.loads((second / "timings.json").read_text())["stages"]["traces"]
    assert files["reference/traces.parquet"] == bytes_of(finished.run)["reference/traces.parquet"]
    whole = json.loads((finished.run / "timings.json").read_text())["stages"]["traces"]
    assert 2 * times["units"] == whole["units"]

    monkeypatch.setattr(models, "trace_pair", lambda *_: pytest.fail("finished traces were read again"))
    audit(tiny, second, None)  # without the option nothing has changed, so nothing runs
    monkeypatch.undo()
    for name in ("reference/traces.parquet", f"cells/{taken.cell}/traces.parquet"):
        (second / name).unlink()
    audit(tiny, second, None)
    assert bytes_of(second) == files


@pytest.mark.parametrize(
    ("fact", "options"),
    [
        ("decodings", {"measurement": QUICK.model_copy(update={"decodings": ("t1",)})}),
        ("max_tokens", {"compute": FLOAT32.model_copy(update={"max_tokens": 8})}),
        ("dtype", {"compute": FLOAT32.model_copy(update={"dtype": "bfloat16"})}),
    ],
)
def test_another_reading_is_refused(
    tiny: Path, finished: Audit, second: Path, fact: str, options: dict[str, object]
) -> None:
    """What would change the base's traces is named."""
    with pytest.raises(RunError, match=f"--reference-run finished read its base with other {fact}: "):
        audit(tiny, second, finished.run, **options)


def test_other_records_are_refused(tiny: Path, finished: Audit, notes: Path, tmp_path: Path) -> None:
    """Traces of other texts are of no use, were it for one record."""
    *first, last = notes.read_text().splitlines()
    data = tmp_path / "other.jsonl"
    data.write_text("\n".join([*first, json.dumps({**json.loads(last), "text": "a text of its own"})]))
    done = mnemoscope.finetune(str(tiny), out=tmp_path / "run", data=str(data), training=TOUCH, compute=FLOAT32)
    with pytest.raises(RunError, match="with other texts: leave it out"):
        audit(tiny, done.run, finished.run)


def test_another_base_is_refused(tiny: Path, other: Path, finished: Audit, notes: Path, tmp_path: Path) -> None:
    """A merged model's reference has to have the weights that were read."""
    with pytest.raises(RunError, match="with other weights: leave it out"):
        mnemoscope.audit(
            str(tiny), reference=str(other), reference_run=finished.run, data=str(notes), out=tmp_path / "merged",
            measurement=QUICK, compute=FLOAT32,
        )  # fmt: skip


def test_a_merged_model_takes_it_over(tiny: Path, other: Path, finished: Audit, notes: Path, tmp_path: Path) -> None:
    """The base without its adapter and the same weights as a reference are one reading."""
    done = mnemoscope.audit(
        str(other), reference=str(tiny), reference_run=finished.run, data=str(notes), out=tmp_path / "merged",
        measurement=QUICK, compute=FLOAT32,
    )  # fmt: skip
    assert bytes_of(done.run)["reference/traces.parquet"] == bytes_of(finished.run)["reference/traces.parquet"]


def test_another_machine_is_refused(tiny: Path, finished: Audit, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rounding would stand in the difference of target and reference."""
    here = provenance.machine()
    monkeypatch.setattr(provenance, "machine", lambda: {**here, "cpu": "another"})
    with pytest.raises(RunError, match="with other cpu: leave it out"):
        audit(tiny, second, finished.run)


def test_a_damaged_reading_is_refused(tiny: Path, copied: Audit, second: Path) -> None:
    """Traces that are not as they were written are not taken over."""
    path = copied.run / "reference/traces.parquet"
    path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    with pytest.raises(RunError, match="holds no whole reading of a base"):
        audit(tiny, second, copied.run)


def test_the_refusal_is_one_line(tiny: Path, second: Path, tmp_path: Path, refused) -> None:  # type: ignore[no-untyped-def]
    """A folder that is no run, and one that was never audited."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "missing", second):
        said = refused("audit", tiny, "--adapter", second, "--reference-run", folder, "--out", tmp_path / "out")
        assert said.startswith(f"mnemoscope: --reference-run {folder.name} holds no whole reading of a base")
    assert not (tmp_path / "out").exists()


def test_measurement_of_other_attacks_takes_it_over(tiny: Path, finished: Audit, second: Path) -> None:
    """What is made of the traces may differ: attacks, prefixes, resamples."""
    done = audit(tiny, second, finished.run, measurement=Measurement(attacks=("loss",), resamples=200, generations="0"))
    assert "loss" in done.scores
    assert "zlib" not in done.scores
