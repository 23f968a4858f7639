"""What cells share: one open model, one reading of the reference, one plan for both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from mnemoscope import models
from mnemoscope.config import Compute, Training
from mnemoscope.records import Record
from mnemoscope.steps import judging
from mnemoscope.steps.bench import Bench
from mnemoscope.steps.opening import fresh_adapter
from mnemoscope.store import Run
from mnemoscope.study_file import Study


def records(n: int) -> tuple[Record, ...]:
    """Records of different lengths, two a group."""
    parts = ("train", "calibration", "train", "evaluation")
    roles = ("member", "nonmember", "member", "nonmember")
    return tuple(
        Record(f"r{i}", "abcdefgh"[: 2 + i % 7] * (1 + i % 3), f"g{i // 2}", roles[i // 2 % 4], parts[i // 2 % 4])
        for i in range(n)
    )


@pytest.fixture
def bench(tiny, tmp_path):
    """A bench with 32 records and a share of a half."""
    study = Study.model_validate(
        {"name": "s", "model": str(tiny), "data": {"source": "-", "share": 0.5}, "grid": [{"matrices": "v"}]}
    )
    return Bench(study, records(32), tmp_path / "reference", Compute(dtype="float32", device="cpu"))


def test_a_seed_draws_its_own_records(bench):
    """Half of the groups of each part, others for another seed, with the tokens that belong to them."""
    first, second = bench.of(13), bench.of(7)
    assert len(first.records) == 16
    assert {one.id for one in first.records} != {one.id for one in second.records}
    assert bench.of(13) is first
    for given in (first, second):
        assert given.tokens.record_ids == tuple(record.id for record in given.records)
        again = models.tokenize(bench.lm, given.records, max_tokens=1024)
        assert [ids.tolist() for ids in given.tokens.ids] == [ids.tolist() for ids in again.ids]


def test_a_fresh_adapter_reads_as_the_reference_bit_for_bit(bench):
    """B = 0 changes nothing, also where only some of the records are asked for: both went through one plan."""
    fresh_adapter(bench.lm, Training(matrices="v"), 13)
    target, reference = bench.reading(13, [1, 4, 9]).pair(lambda _: None)
    assert target.ids == reference.ids == tuple(bench.of(13).records[i].id for i in (1, 4, 9))
    for name, values in target.columns.items():
        np.testing.assert_array_equal(values, reference.columns[name], err_msg=name)


def test_the_reference_is_read_once_and_is_the_base(bench, monkeypatch):
    """Other cells of the seed take it from the file; it is what the model says without any adapter."""
    given = bench.of(13)
    plain, _ = models.trace(bench.lm, given.tokens, given.plan)
    fresh_adapter(bench.lm, Training(matrices="qv"), 13)
    for name, weight in bench.lm.model.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.3)  # an adapter that was trained
    first = bench.reference(given)
    np.testing.assert_array_equal(first.columns["logprob"], plain.columns["logprob"])
    monkeypatch.setattr(models, "trace", lambda *_: pytest.fail("the reference was read again"))
    np.testing.assert_array_equal(bench.reference(given).columns["logprob"], plain.columns["logprob"])


def test_a_batch_that_does_not_fit_halves_both(bench, monkeypatch):
    """Where the target had to halve a batch, the reference is read through the halves too."""
    fresh_adapter(bench.lm, Training(matrices="v"), 13)
    given, plans, read = bench.of(13), [], models.trace
    finer = tuple((row,) for batch in given.plan for row in batch)

    def trace(lm, tokens, plan, *rest):
        plans.append(plan)
        found, used = read(lm, tokens, finer if plan == given.plan and len(plans) == 2 else plan, *rest)
        return found, used

    monkeypatch.setattr(models, "trace", trace)
    monkeypatch.setattr("mnemoscope.models.forward.trace", trace)
    target, reference = bench.pair(given, lambda _: None)
    assert plans == [given.plan, given.plan, finer]
    np.testing.assert_array_equal(target.columns["logprob"], reference.columns["logprob"])


def test_without_a_folder_nothing_is_written(bench, tmp_path):
    """On another machine the same is read of the base, bit for bit, and no file of it is left."""
    alone, given = Bench(bench.study, records(32), None, bench.compute), bench.of(13)
    alone.lm = bench.lm
    read = alone.reference(given)
    assert alone.reference(given) is read
    assert list(tmp_path.iterdir()) == []
    kept = bench.reference(given)
    assert len(list((tmp_path / "reference").glob("*/traces.parquet"))) == 1
    assert list(read.columns) == list(kept.columns)
    for name, values in read.columns.items():
        np.testing.assert_array_equal(values, kept.columns[name], err_msg=name)


def test_processes_share_a_reading(bench, monkeypatch):
    """One that asks while another reads the base waits for it and takes its traces."""
    beside, given, real = Bench(bench.study, records(32), bench.kept, bench.compute), bench.of(13), models.trace
    with ThreadPoolExecutor(1) as other:
        waiting = []

        def trace(lm, *rest):
            assert lm is bench.lm, "the base was read again"
            waiting.append(other.submit(beside.reference, given))
            return real(lm, *rest)

        monkeypatch.setattr(models, "trace", trace)
        read = bench.reference(given)
    np.testing.assert_array_equal(waiting[0].result().columns["logprob"], read.columns["logprob"])


def test_reading_ahead_does_not_wait(bench, monkeypatch):
    """Before it trains, a cell reads the base unless another is at it; then it goes on, and finds the traces later."""
    beside, given, real = Bench(bench.study, records(32), bench.kept, bench.compute), bench.of(13), models.trace
    with ThreadPoolExecutor(1) as other:

        def trace(lm, *rest):
            assert lm is bench.lm, "the base was read again"
            other.submit(beside.read_ahead, 13).result(timeout=60)
            return real(lm, *rest)

        monkeypatch.setattr(models, "trace", trace)
        bench.read_ahead(13)
    monkeypatch.setattr(models, "trace", lambda *_: pytest.fail("the base was read again"))
    np.testing.assert_array_equal(beside.reference(given).columns["logprob"], bench.reference(given).columns["logprob"])


def test_nothing_is_read_ahead_without_a_folder(bench, monkeypatch):
    """Where no other process could take the traces over, they are read when they are needed."""
    monkeypatch.setattr(models, "trace", lambda *_: pytest.fail("the base was read"))
    bench.kept = None
    bench.read_ahead(13)


def test_cells_of_several_seeds_share_their_bases(bench, monkeypatch):
    """Cells whose seeds take turns read the base once a seed; only the last eight seeds are kept."""
    seen, real = [], models.trace

    def trace(lm, tokens, *rest):
        seen.append(tokens.record_ids)
        return real(lm, tokens, *rest)

    monkeypatch.setattr(models, "trace", trace)
    bench.kept = None
    for seed in (13, 7, 81, 13, 7, 81):
        assert bench.reference(bench.of(seed)).ids == tuple(record.id for record in bench.of(seed).records)
    assert len(seen) == 3
    for seed in range(100, 108):
        bench.reference(bench.of(seed))
    assert len(seen) == 11
    bench.reference(bench.of(107))
    assert len(seen) == 11
    bench.reference(bench.of(13))
    assert len(seen) == 12


def test_checks_of_the_texts_are_made_once_a_seed(tmp_path, monkeypatch):
    """They know no model: cells with the same records have the same checks, another cell makes its own."""
    made, real = [], judging.texts.blind_words

    def blind_words(given):
        made.append(len(given))
        return real(given)

    monkeypatch.setattr(judging.texts, "blind_words", blind_words)

    def checks(folder, given):
        case = SimpleNamespace(run=Run(tmp_path / folder), records=list(given), records_key=folder)
        return judging.check_texts(case)

    one, two = checks("one", records(32)), checks("two", records(32))
    assert made == [32]
    for name, scores in one.items():
        np.testing.assert_array_equal(np.ma.filled(scores, -9), np.ma.filled(two[name], -9), err_msg=name)
    checks("three", records(30))
    assert made == [32, 30]
