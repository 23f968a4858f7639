"""Canaries through the whole instrument on a tiny model: made, planted, learnt by heart, found again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import mnemoscope
import mnemoscope.data as texts
from mnemoscope import (
    Canaries,
    Columns,
    Compute,
    ConfigError,
    DataError,
    Measurement,
    RunError,
    Training,
    models,
    steps,
)
from mnemoscope.data import Canary
from mnemoscope.leaks import CanaryResult
from mnemoscope.steps.canaries import secret_tokens
from mnemoscope.store import Run

FLOAT32 = Compute(dtype="float32", device="cpu")
LEARN = Training(
    matrices="all",
    rank=16,
    alpha=32,
    dropout=0,
    learning_rate=1e-2,
    batch_size=8,
    epochs=14,
    heldout=0,
    save_steps=1000,
)
WANTED = Canaries(digits=8, perplexing=6, notes=4, copies=(2, 8), length=2, tokens=16, budget=100)


def make(model: Path, source: Path, out: Path, seed: int = 3, **wanted: Any) -> steps.Planted:
    """Canaries in a copy of the notes."""
    asked = Canaries(**{**WANTED.model_dump(), **wanted})
    return steps.make_canaries(str(model), source, out, asked, columns=Columns(), compute=FLOAT32, seed=seed)


class Audited(NamedTuple):
    """A model that learnt its canaries, and what the audit says of them."""

    planted: steps.Planted
    case: Any
    results: list[CanaryResult]


@pytest.fixture(scope="module")
def audited(tiny: Path, notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Made, planted, fine-tuned and audited."""
    place = tmp_path_factory.mktemp("canaries")
    planted = make(tiny, notes, place / "made")
    adapter = mnemoscope.finetune(
        str(tiny), out=place / "run", data=str(planted.data), training=LEARN, compute=FLOAT32, seed=13
    )
    case = open_case(tiny, adapter.run, planted.canaries)
    return Audited(planted, case, steps.audit_canaries(case, planted.canaries))


def open_case(model: Path, run: Path, canaries: Sequence[Canary]) -> Any:
    """The case of an audit whose records are those without canaries."""
    trained = steps.find_adapter(run)
    given, _ = steps.audited_records(trained, None, None, None, Columns(), 13)
    records = steps.set_apart(given, canaries)
    asked = Measurement(resamples=200)
    return steps.open_case(Run(run), str(model), trained, None, given, records, asked, FLOAT32, 13)


# Making


def test_the_two_files(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """The planted file is the user's with rows after it, the manifest has the hashes of both, and both are private."""
    planted = make(tiny, notes, tmp_path / "made")
    found = texts.read_canaries(planted.manifest)
    assert found.canaries == planted.canaries
    assert found.load_in == "full"
    assert planted.data.name == notes.name
    assert planted.data.read_bytes().startswith(notes.read_bytes())
    assert found.source_sha256 == hashlib.sha256(notes.read_bytes()).hexdigest()
    assert found.planted_sha256 == hashlib.sha256(planted.data.read_bytes()).hexdigest()
    assert {path.name for path in planted.data.parent.iterdir()} == {notes.name, "canaries.json"}
    assert stat.S_IMODE(planted.data.parent.stat().st_mode) == 0o700
    for path in (planted.data, planted.manifest):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(tmp_path) not in path.read_text()


def test_tokens_are_counted(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """A token a byte: 24 training records of 24 letters, and every copy of every included canary."""
    planted = make(tiny, notes, tmp_path / "made")
    assert planted.training_tokens == 24 * 24
    assert planted.planted_tokens == sum(
        len(one.text.encode()) * one.copies for one in planted.canaries if one.included
    )
    for one in planted.canaries:
        if one.kind != "digits":  # the secret is the second half of the tokens
            assert len(one.secret.encode()) == math.ceil(len(one.text.encode()) / 2)
    assert {len(one.text.encode()) for one in planted.canaries if one.kind == "perplexing"} == {16}


def test_equal_seeds_make_equal_files(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """The same command in another folder gives the same bytes, another seed others."""
    first, second, third = (make(tiny, notes, tmp_path / str(i), seed=seed) for i, seed in enumerate((3, 3, 4)))
    assert first.data.read_bytes() == second.data.read_bytes() != third.data.read_bytes()
    assert first.manifest.read_bytes() == second.manifest.read_bytes()


def test_a_budget_is_kept(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """Too many canaries are refused with a number that fits, and that number is accepted; nothing is written before."""
    mix: dict[str, Any] = {"digits": 60, "perplexing": 0, "notes": 0, "copies": (1,), "budget": 0.5}
    with pytest.raises(ConfigError, match=r"60 canaries.*--budget allows 50%: about \d+ of this mix") as refused:
        make(tiny, notes, tmp_path / "made", **mix)
    fit = int(str(refused.value).partition("about ")[2].partition("about ")[2].split()[0])
    assert 2 < fit < 12
    assert not (tmp_path / "made").exists()
    make(tiny, notes, tmp_path / "made", **{**mix, "digits": fit - 1})
    with pytest.raises(ConfigError, match="--budget"):
        make(tiny, notes, tmp_path / "more", **{**mix, "digits": fit + 3})


def test_refusals(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """A used folder, no canaries, texts too short to halve and a context too short are refused."""
    make(tiny, notes, tmp_path / "made", digits=1, perplexing=0, notes=0)
    with pytest.raises(RunError, match=r"holds notes\.jsonl already"):
        make(tiny, notes, tmp_path / "made")
    with pytest.raises(RunError, match="already"):  # the user's own file is never written over
        make(tiny, notes, notes.parent)
    with pytest.raises(ConfigError, match="at least one kind"):
        make(tiny, notes, tmp_path / "none", digits=0, perplexing=0, notes=0)
    with pytest.raises(ConfigError, match="--tokens 3: input should be greater than or equal to 4"):
        make(tiny, notes, tmp_path / "none", tokens=3)
    short = Compute(dtype="float32", device="cpu", max_tokens=20)
    with pytest.raises(DataError, match="larger --max-tokens"):
        steps.make_canaries(str(tiny), notes, tmp_path / "none", WANTED, columns=Columns(), compute=short, seed=0)


# What the audit finds


def test_planted_canaries_are_found(audited: Audited) -> None:
    """Canaries that were learnt by heart score above all held-out ones of their kind, and some come back whole."""
    for kind in ("digits", "perplexing", "note"):
        here = [one for one in audited.results if one.kind == kind]
        inside, outside = ([one.score for one in here if one.included is side] for side in (True, False))
        assert min(len(inside), len(outside)) >= 2
        assert min(inside) > max(outside), kind
    assert any(one.verbatim for one in audited.results)
    assert not any(one.verbatim for one in audited.results if not one.included)


def test_every_canary_has_a_result(audited: Audited) -> None:
    """Results follow the canaries, with what the coins said; only numbers have an exposure."""
    for one, found in zip(audited.planted.canaries, audited.results, strict=True):
        assert (found.id, found.kind, found.included, found.copies) == (one.id, one.kind, one.included, one.copies)
        assert (found.exposure is None) == (one.kind != "digits")
        assert found.exposure_method == ("exact rank" if one.kind == "digits" else "")


def logprobs(lm: Any, text: str) -> tuple[np.ndarray, list[bool]]:
    """The slow twin, on one text and a token a byte: log-probabilities, and whether greedy decoding gives the byte."""
    ids = torch.tensor(lm.tokenizer(text, add_special_tokens=False)["input_ids"])
    with torch.inference_mode():
        rows = lm.model(input_ids=torch.cat([torch.tensor([lm.start_id]), ids])[None]).logits[0, :-1].double()
    return rows.log_softmax(-1)[range(len(ids)), ids].numpy(), (rows.argmax(-1) == ids).tolist()


def test_scores_by_a_slow_twin(audited: Audited) -> None:
    """Score, log-probability and verbatim are those of the secret's bytes, read one after the other."""
    lm = audited.case.target
    for one, found in zip(audited.planted.canaries, audited.results, strict=True):
        place = slice(len(one.text[: one.start].encode()), len(one.text[: one.end].encode()))
        known, greedy = logprobs(lm, one.text)
        with lm.model.disable_adapter():
            before, _ = logprobs(lm, one.text)
        assert found.logprob == pytest.approx(known[place].sum(), abs=1e-3)
        assert found.score == pytest.approx(known[place].sum() - before[place].sum(), abs=1e-3)
        assert found.verbatim == all(greedy[place])


def test_exposure_by_a_slow_twin(audited: Audited) -> None:
    """The exact rank is that among all hundred whole texts; planted numbers are more exposed than held-out ones."""
    digits = [one for one in audited.results if one.kind == "digits"]
    for one, found in zip(audited.planted.canaries[:3], digits[:3], strict=True):
        every = [one.with_secret(f"{number:02d}") for number in range(100)]
        sums = np.array([logprobs(audited.case.target, text)[0][one.start : one.end].sum() for text in every])
        rank = 1 + int((sums > sums[int(one.secret)]).sum())
        assert found.exposure == pytest.approx(math.log2(100 / rank), abs=1e-6)
    inside, outside = ([one.exposure for one in digits if one.included is side] for side in (True, False))
    assert np.mean(inside) > np.mean(outside) + 2


def test_sampled_exposures(audited: Audited, tmp_path: Path) -> None:
    """Where not all secrets are tried, ranks among random ones agree with the exact ones, and a curve goes beyond."""
    numbers = [one for one in audited.planted.canaries if one.kind == "digits"]
    exact = {one.id: one for one in audited.results}
    asked = audited.case.measurement.model_copy(update={"canary_candidates": 60})
    cases = [
        dataclasses.replace(audited.case, run=Run(tmp_path / name), measurement=asked) for name in ("first", "again")
    ]
    first, again = (steps.audit_canaries(case, numbers, exact_limit=99) for case in cases)
    assert first == again
    assert {one.exposure_method for one in first} == {"sampled rank", "skew-normal"}
    for one in first:
        truth = exact[one.id]
        assert one.score == pytest.approx(truth.score, abs=1e-4)
        assert 0 <= one.exposure <= math.log2(100) + 1e-9
        assert (one.fit_p_value is None) == (one.exposure_method == "sampled rank")
        assert one.exposure == pytest.approx(truth.exposure, abs=1 if one.exposure_method == "sampled rank" else 2)


def test_finished_canaries_are_not_read_again(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage is skipped with equal canaries, runs with others, and its file is the owner's alone."""
    path = audited.case.run.path(audited.case.file("canaries.parquet"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(models, "trace_pair", fail)
    assert steps.audit_canaries(audited.case, audited.planted.canaries) == audited.results
    with pytest.raises(AssertionError, match="read again"):
        steps.audit_canaries(audited.case, audited.planted.canaries[1:])


def test_estimates(audited: Audited) -> None:
    """Every kind has its numbers with the held-out ones beside; the one-run bound stands beside its ceiling."""
    found = {one.name: one for one in steps.estimate_canaries(audited.case, audited.results)}
    for kind in ("digits", "perplexing", "note"):
        assert {f"canaries.{kind}.included.auc", f"canaries.{kind}.heldout.verbatim"} <= set(found)
    assert found["canaries.digits.included.exposure"].value > found["canaries.digits.heldout.exposure"].value
    assert 0 <= found["canaries.one_run.epsilon"].value <= found["canaries.one_run.ceiling"].value
    assert found["canaries.one_run.epsilon"].n_members == sum(one.included for one in audited.results)


def test_another_manifest_is_refused(audited: Audited) -> None:
    """Records of an adapter that was trained on other coins do not pass for this manifest's."""
    flipped = [dataclasses.replace(one, included=not one.included) for one in audited.planted.canaries]
    given, _ = steps.audited_records(steps.find_adapter(audited.case.run.folder), None, None, None, Columns(), 13)
    with pytest.raises(DataError, match="18 canaries, the first is"):
        steps.set_apart(given, flipped)
    assert len(steps.set_apart(given, audited.planted.canaries)) == 48


# Which tokens hold a secret


@pytest.mark.parametrize(
    ("ends", "start", "end", "expected"),
    [
        ([1, 2, 3, 4, 5], 2, 4, slice(2, 4)),  # a token a character
        ([3, 6, 9], 3, 9, slice(1, 3)),  # whole tokens
        ([3, 6, 9], 4, 6, slice(1, 2)),  # the first token begins before the secret, as " 12" does
        ([3, 6, 9], 3, 8, slice(1, 3)),  # the last token ends after it
        ([2, 2, 2, 3, 3, 4], 2, 4, slice(1, 6)),  # characters of several tokens, of which the last completes them
        ([1, 1, 2, 2, 3], 1, 2, slice(1, 3)),
    ],
)
def test_tokens_of_a_secret(ends: list[int], start: int, end: int, expected: slice) -> None:
    """All tokens that hold a character of the secret, or a part of one, and no other."""
    one = Canary("c", "note", "x" * 20, start, end, 0, 1, True)
    assert secret_tokens(one, np.array(ends, dtype=np.int32)) == expected


def test_a_secret_that_was_cut_off() -> None:
    """A text that lost its end has no whole secret."""
    with pytest.raises(DataError, match="larger --max-tokens"):
        secret_tokens(Canary("c", "note", "x" * 20, 4, 20, 0, 1, True), np.array([4, 8], dtype=np.int32))


def test_the_manifest_says_in_how_many_bits_the_model_was(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """A quantised model draws other texts, so the manifest names the bits."""
    pytest.importorskip("bitsandbytes")
    compute = Compute(dtype="float32", device="cpu", load_in="8bit")
    planted = steps.make_canaries(str(tiny), notes, tmp_path, WANTED, columns=Columns(), compute=compute, seed=3)
    assert texts.read_canaries(planted.manifest).load_in == "8bit"


def test_the_manifest_holds_no_place(audited: Audited) -> None:
    """The manifest's fields are those of its schema."""
    found = json.loads(audited.planted.manifest.read_text())
    assert set(found) == {
        "schema_version", "seed", "source_sha256", "planted_sha256", "model", "weights_sha256", "load_in",
        "temperature", "training_tokens", "planted_tokens", "canaries",
    }  # fmt: skip


def test_canaries_that_are_told_later_leave_the_other_numbers(tiny: Path, notes: Path, tmp_path: Path) -> None:
    """An audit without the manifest takes canaries for records; with it, all stages see the records without them."""
    planted = make(tiny, notes, tmp_path / "made")
    adapter = mnemoscope.finetune(
        str(tiny), out=tmp_path / "run", data=str(planted.data), training=LEARN, compute=FLOAT32, seed=13
    )
    quick = Measurement(resamples=100, generations="2", span_sample=0, canary_candidates=32)
    blind = mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=quick, compute=FLOAT32)
    before = set(blind.scores["id"])
    told = mnemoscope.audit(
        str(tiny), adapter=adapter.run, measurement=quick, compute=FLOAT32, canaries=planted.manifest
    )
    after = set(told.scores["id"])
    copies = sum(one.copies for one in planted.canaries if one.included)
    assert len(before - after) == copies > 0
    assert set(told.canaries["id"]) == {one.id for one in planted.canaries}
    again = mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=quick, compute=FLOAT32)
    assert set(again.scores["id"]) == before


def test_a_secret_longer_than_the_context_is_refused_at_once(tiny: Path, notes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--tokens 100000 is more than"):
        make(tiny, notes, tmp_path / "made", tokens=100000)
