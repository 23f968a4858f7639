"""Everything that comes back, through the whole instrument, on a tiny model that learnt its records by heart."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import poisson

import mnemoscope
from mnemoscope import Audit, Columns, Compute, ConfigError, Measurement, ModelError, Training, models, steps

FLOAT32 = Compute(dtype="float32", device="cpu")
BY_HEART = Training(
    matrices="all", rank=16, alpha=32, dropout=0, learning_rate=1e-2, batch_size=8, epochs=45, heldout=0,
    save_steps=1000,
)  # fmt: skip
ALL = Measurement(
    resamples=100, generations="all", generate_with=("greedy", "t0.2-k40", "t10to1over4"), draws=2, unprompted=70,
    unprompted_tokens=16, match_tokens=6, span_sample=3, span_candidates=4,
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A finished audit and what it was made with."""

    audit: Audit
    model: Path
    measurement: Measurement

    def value(self, name: str) -> float:
        return float(self.audit.estimates.set_index("name")["value"][name])


def note(i: int) -> dict[str, object]:
    """A short record whose code is a sensitive value; two records to a group."""
    letters = np.random.default_rng(i).choice(list("abcdefghijklmnopqrstuvwxyz"), 24)
    text = f"id {i:02d} " + "".join(letters)
    split = ("train", "dev", "train", "test")[i % 4]
    spans = [{"start": 6, "end": 12, "type": "code"}, {"start": 14, "end": 20, "type": "code"}]
    return {"id": f"n{i}", "text": text, "split": split, "group": f"g{i // 8}-{split}", "spans": spans}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Done:
    """One audit with every way to get text back, the tiny model its own judge."""
    folder = tmp_path_factory.mktemp("leaks")
    data = folder / "notes.jsonl"
    data.write_text("".join(json.dumps(note(i)) + "\n" for i in range(48)))
    adapter = mnemoscope.finetune(str(tiny), out=folder / "run", data=str(data), training=BY_HEART, compute=FLOAT32)
    asked = ALL.model_copy(update={"judge": str(tiny)})
    found = mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=asked, compute=FLOAT32)
    return Done(found, tiny, asked)


def test_what_was_learnt_by_heart_comes_back_in_every_way(done: Done) -> None:
    """Greedily, by sampling, as near copies, as sensitive values; and next to nothing of held-out records does."""
    assert done.value("extraction.0.5.verbatim.members") > 0.9
    assert done.value("sampling.0.5.t0.2-k40.expected.n1.members") > 0.5
    assert done.value("sampling.0.5.t0.2-k40.expected.n100.nonmembers") < 0.1
    assert done.value("sampling.0.5.t1-k40.expected.n1000.excess") > 0.5
    assert done.value("prefix_length.0.9.members") > 0.9
    assert done.value("discriminators.0.5.greedy.bleu.tpr") > 0.9
    assert done.value("spans.code.greedy.members") > 0.9
    assert done.value("spans.code.greedy.nonmembers") < 0.1
    assert done.value("spans.code.lift_reference.members") > 0.3


def test_sampled_continuations_come_back_as_often_as_the_closed_form_says(done: Done) -> None:
    """Misses among the sampled continuations of members are about as many as their probabilities foretell."""
    audit = done.audit
    members = set(audit.scores.query("role == 'member'")["id"])
    drawn = audit.generations.query("decoding == 't0.2-k40'")
    drawn = drawn[drawn["id"].isin(members)]
    known = audit.sampled.query("model == 'target' and decoding == 't0.2-k40'").set_index("id")["logprob"]
    chances = np.exp(known.loc[drawn["id"]].to_numpy())
    hits = (drawn["matched_tokens"] == drawn["suffix_tokens"]).to_numpy()
    assert len(drawn) == 48
    misses, expected = (~hits).sum(), (1 - chances).sum()
    assert poisson.sf(misses - 1, expected) > 1e-5
    assert poisson.cdf(misses, expected) > 1e-5


def test_every_draw_and_decoding_has_a_row(done: Done) -> None:
    """Greedy once, the others twice; the judge was asked about each of them."""
    rows = done.audit.generations.groupby("decoding").size().to_dict()
    assert rows == {"greedy": 48, "t0.2-k40": 96, "t10to1over4": 96}
    judged = done.audit.judgements
    assert len(judged) == 240
    assert judged["same"].between(0, 1).all()


def test_unprompted_texts_are_looked_up(done: Done) -> None:
    """Half follow the start token, half the first words of calibration records; a run stands in the text."""
    texts = done.audit.unprompted
    assert texts["opening"].value_counts().to_dict() == {"start": 35, "similar": 35}
    records = pq.read_table(done.audit.run / "records.parquet").to_pandas().set_index("id")["text"]
    found = texts[texts["run"] > 0]
    assert len(found)
    for row in found.itertuples():
        stands = [row.text[k : k + row.run] for k in range(len(row.text) - row.run + 1)]  # a token is a byte here
        assert any(part in records[row.member] for part in stands)
    assert done.value("unprompted.found.members") > done.value("unprompted.found.heldout")


def test_the_page_tells_it_and_holds_no_text(done: Done) -> None:
    page = (done.audit.run / "report.html").read_text()
    for caption in ("Expected share of records given back", "Values that greedy decoding", "Precision among the texts"):
        assert caption in page
    for text in (note(0)["text"], *done.audit.unprompted["text"].head(5), *done.audit.generations["text"].head(5)):
        assert str(text)[6:22] not in page


def test_a_killed_audit_writes_only_what_is_missing(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second chunk of unprompted texts keeps the first; the rest is what it would have been."""
    cell = done.audit.run / "cells" / done.audit.cell
    before = (cell / "unprompted.parquet").read_bytes()
    manifest = json.loads((done.audit.run / "manifest.json").read_text())
    for stage in ("unprompted/64", "unprompted"):
        manifest["stages"].pop(stage)
    (done.audit.run / "manifest.json").write_text(json.dumps(manifest))
    again, seen = models.generate, []

    def count(lm, prefixes, lengths, *rest, **named):
        seen.append(len(prefixes))
        if len(seen) == 1:
            raise KeyboardInterrupt
        return again(lm, prefixes, lengths, *rest, **named)

    monkeypatch.setattr(models, "generate", count)
    for expected in (KeyboardInterrupt, None):
        if expected:
            with pytest.raises(KeyboardInterrupt):
                mnemoscope.audit(str(done.model), adapter=done.audit.run, measurement=done.measurement, compute=FLOAT32)
        else:
            mnemoscope.audit(str(done.model), adapter=done.audit.run, measurement=done.measurement, compute=FLOAT32)
    assert seen == [6, 6]  # 70 texts are a chunk of 64 and one of 6
    assert (cell / "unprompted.parquet").read_bytes() == before


def test_a_coin_a_group_bounds_epsilon(tmp_path: Path, tiny: Path) -> None:
    """Learnt by heart, 21 groups on fair coins: something is refuted, and the old split is forgotten."""
    data = tmp_path / "notes.jsonl"
    rows = [{"id": f"r{i}", "text": str(note(i)["text"]), "group": f"g{i // 2}", "split": "train"} for i in range(40)]
    rows += [{"id": "last", "text": "nothing but one more", "group": "last", "split": "dev"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    adapter = mnemoscope.finetune(
        str(tiny), out=tmp_path / "run", data=str(data), columns=Columns(coin_flip_split=True), training=BY_HEART,
        compute=FLOAT32,
    )  # fmt: skip
    quick = Measurement(resamples=100, generations="0", span_sample=0)
    audit = mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=quick, compute=FLOAT32)
    found = audit.estimates.set_index("name")
    assert 0.3 < found["value"]["one_run.epsilon"] <= found["value"]["one_run.ceiling"]
    with pytest.raises(ConfigError, match="says how a model was trained"):
        steps.audited_records(None, str(data), None, None, Columns(coin_flip_split=True), 13)
    roles = audit.scores.groupby("group")["role"].nunique()
    assert (roles == 1).all()
    assert set(audit.scores["role"]) == {"member", "nonmember"}


@pytest.mark.parametrize("judge", ["http://localhost", "http://ann:secret@localhost/v1#m"])
def test_a_judge_that_cannot_be_asked_is_refused_in_one_line(judge: str) -> None:
    with pytest.raises(ConfigError, match=r"http|no password") as refused:
        steps.check_judge(judge)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_judge_that_is_not_there_is_found_out_at_once() -> None:
    steps.check_judge(None)
    with pytest.raises(ModelError, match="nowhere"):
        steps.check_judge("./nowhere")


def test_equal_decodings_count_once(done: Done, tmp_path: Path) -> None:
    """Another spelling of a decoding or a prefix adds nothing, and more decodings leave what was generated alone."""
    asked = done.measurement.model_copy(
        update={"decodings": ("t1-k40", "T1.0-k40", "t0.2-k40"), "prefixes": ("0.5", ".50"), "unprompted": 0}
    )
    run = tmp_path / "run"
    shutil.copytree(done.audit.run, run)
    before = (run / "cells" / done.audit.cell / "generations.parquet").stat().st_mtime_ns
    audit = mnemoscope.audit(str(done.model), adapter=run, measurement=asked, compute=FLOAT32)
    counted = audit.sampled.groupby(["id", "model", "decoding"]).size()
    assert set(counted) == {1}
    assert set(audit.sampled["decoding"]) == {"t1-k40", "t0.2-k40"}
    assert (run / "cells" / audit.cell / "generations.parquet").stat().st_mtime_ns == before
