"""The step for sensitive values on a tiny model: ranks against a slow twin, what is sampled, and what a file holds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as kinds
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import mnemoscope
from mnemoscope import Compute, Measurement, Training, extraction, models, stats, steps
from mnemoscope.store import Run

FLOAT32 = Compute(dtype="float32", device="cpu")
SOME = Measurement(span_sample=3, span_candidates=99)
"""Three values of each type and class, each among all values of its type."""
BY_HEART = Training(
    matrices="all", rank=16, alpha=32, dropout=0, learning_rate=1e-2, batch_size=8, epochs=14, heldout=0,
    save_steps=1000,
)  # fmt: skip
NAMES = ("Åsa", "Bo Ek", "Cleo", "Dörte", "Emil", "Finn")
DRUGS = ("aspirin", "5-FU", "(–)-menthol", "morphine", "β-carotene", "acid")
AGES = ("47", "8", "62", "29", "71", "34", "55", "9", "18", "83")


def note(i):
    """A note with a name at its very start, a drug after a blank and a bracket, and an age inside brackets."""
    draw = np.random.default_rng(i)
    values = {"name": NAMES[draw.integers(6)], "drug": DRUGS[draw.integers(6)], "age": AGES[draw.integers(10)]}
    lines = ("{name} took  {drug} ({age}) daily", "{name}: ({drug}), aged {age}")
    text, spans = "", []
    for piece in lines[i // 4 % 2].replace("{", "|{").replace("}", "}|").split("|"):
        kind = piece.strip("{}")
        if piece.startswith("{"):
            spans.append({"start": len(text), "end": len(text) + len(values[kind]), "type": kind})
        text += values.get(kind, piece)
    split = ("train", "dev", "train", "test")[i % 4]
    return {"id": f"note-{i}", "text": text, "split": split, "spans": spans}


def merging_model(folder, texts):
    """A tiny model whose tokenizer draws blanks and brackets into the word after them, and splits some characters."""
    core = Tokenizer(kinds.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=330, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    )
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=core.get_vocab_size(), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1,
        pad_token_id=1, tie_word_embeddings=False, initializer_range=0.1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, threads):
    """Model folder, records' file, and an adapter that learnt half of the records by heart."""
    folder = tmp_path_factory.mktemp("spans")
    notes = [note(i) for i in range(48)]
    model = merging_model(folder / "model", [one["text"] for one in notes])
    data = folder / "notes.jsonl"
    data.write_text("".join(json.dumps(one) + "\n" for one in notes))
    assert threads == 1
    return model, data, mnemoscope.finetune(
        str(model), out=folder / "run", data=str(data), training=BY_HEART, compute=FLOAT32
    )  # fmt: skip


@pytest.fixture(name="opened")
def opener(trained, tmp_path):
    """A function that opens an audit of the trained adapter in a folder of its own; gives the case and its traces."""

    def start(measurement=SOME, compute=FLOAT32, folder=tmp_path / "audit"):
        model, data, adapter = trained
        run, found = Run(folder), steps.find_adapter(adapter.run)
        records = steps.read(str(data), None, None, mnemoscope.Columns(), 13)
        case = steps.open_case(run, str(model), found, None, records, records, measurement, compute, 13)
        steps.prepare(run, records, "notes")
        return case, steps.trace(case)

    return start


@torch.no_grad()
def slow_scores(lm, text, start, values):
    """The slow twin: each whole text read from scratch; mean log-probability of the tokens that not all have in common.

    The text before the value alone is one of those that must have them in common.
    """
    ids = [lm.tokenizer(text[:start] + value, add_special_tokens=False)["input_ids"] for value in ("", *values)]
    shared = next(n for n in range(99) if len({tuple(one[: n + 1]) for one in ids}) > 1)
    scores = []
    for one in ids[1:]:
        whole = [lm.start_id, *one]
        logp = lm.model(input_ids=torch.tensor([whole]), use_cache=False).logits[0].double().log_softmax(1)
        places = range(1 + shared, len(whole))
        scores.append(sum(float(logp[place - 1, whole[place]]) for place in places) / len(places))
    return scores


def test_ranks_are_the_slow_twin(opened, monkeypatch):
    """Score and rank of every candidate in both models are those of reading its whole text without a cache."""
    case, traces = opened()
    real, seen = models.trace_after, []

    def watched(lm, context, tokens, *rest):
        found = real(lm, context, tokens, *rest)
        seen.append((len(context), found.mean("logprob").tolist()))
        return found

    monkeypatch.setattr(models, "trace_after", watched)
    leaks = steps.spans(case, traces)
    records = {record.id: record for record in case.records}
    every = extraction.type_values(case.records)
    assert len(leaks) == 3 * 48
    asked = [leak for leak in leaks if leak.rank is not None]
    assert len(asked) == 3 * 2 * 3
    assert len(seen) == 2 * len(asked)
    assert min(context for context, _ in seen) == 0  # a name at the very start
    for at, name in ((0, "rank"), (len(asked), "rank_reference")):
        with models.without_adapter(case.target, off=at > 0):
            for i, leak in enumerate(asked):
                text = records[leak.id].text
                own = text[leak.start : leak.end]
                values = [own, *(value for value in every[leak.type] if value != own)]
                expected = slow_scores(case.target, text, leak.start, values)
                np.testing.assert_allclose(seen[at + i][1], expected, atol=2e-5)
                better = sum(score > expected[0] for score in expected)
                assert getattr(leak, name) == 1 + better
                assert leak.candidates == len(every[leak.type])


def test_the_tokenizer_draws_signs_into_the_value(opened):
    """The twin above tests something: some values part from their context before they begin, and others do not."""
    case, _ = opened()
    parted = set()
    for record in case.records:
        for span in record.spans:
            before, whole = (
                case.target.tokenizer(record.text[:place], add_special_tokens=False)["input_ids"]
                for place in (span.start, span.end)
            )
            parted.add(whole[: len(before)] == before)
    assert parted == {True, False}


def test_leaks_are_read_off_the_traces(opened):
    """Tokens, log-probability and greedy hit of every value, added up from the tokenizer's own offsets."""
    case, traces = opened(Measurement(span_sample=0))
    leaks = steps.spans(case, traces)
    rows = {record.id: i for i, record in enumerate(case.records)}
    for leak in leaks:
        text = case.records[rows[leak.id]].text
        offsets = case.target.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        held = [t for t, (a, b) in enumerate(offsets) if a < leak.end and b > leak.start]
        assert leak.tokens == len(held)
        for model, field in (("target", ""), ("reference", "_reference")):
            logprobs, gaps = (traces[model].tokens(name, rows[leak.id])[held] for name in ("logprob", "gap"))
            assert getattr(leak, f"logprob{field}") == pytest.approx(logprobs.astype(float).sum(), abs=1e-9)
            assert getattr(leak, f"greedy{field}") == bool((gaps >= 0).all())
    assert {leak.rank for leak in leaks} == {leak.candidates for leak in leaks} == {None}


def test_a_model_that_learnt_by_heart_leaks(opened):
    """Members' values come back greedily and are ranked first by the target alone; held-out ones are not."""
    case, traces = opened(Measurement(span_sample=8, span_candidates=99))
    found = {
        one.name: one
        for one in stats.span_estimates(case.records, steps.spans(case, traces), level=0.95, resamples=200, seed=1)
    }
    assert found["spans.all.greedy.members"].low > 0.3
    assert found["spans.all.greedy_reference.members"].value < 0.1
    for name in ("greedy.excess", "lift_reference.members", "lift_majority.members"):
        assert found[f"spans.all.{name}"].low > 0, name
    gains = [found[f"spans.age.logprob_gain.{side}"].value for side in ("members", "nonmembers")]
    assert gains[0] > gains[1]


def test_a_sample_is_ranked(opened):
    """So many values of each type and class are ranked, among so many candidates; the same ones for the same seed."""
    few = Measurement(span_sample=2, span_candidates=4)
    case, traces = opened(few)
    leaks = steps.spans(case, traces)
    roles = {record.id: record.role for record in case.records}
    kinds = [(leak.type, roles[leak.id]) for leak in leaks if leak.rank is not None]
    assert sorted(kinds) == sorted(
        (kind, role) for kind in ("age", "drug", "name") for role in ("member", "nonmember") for _ in range(2)
    )
    for leak in leaks:
        assert leak.candidates == (None if leak.rank is None else 4)
        assert leak.rank is None or 1 <= leak.rank <= 4
    assert [leak.start for leak in leaks if leak.id == "note-0"] == sorted(
        leak.start for leak in leaks if leak.id == "note-0"
    )


def test_the_stage_runs_once(opened, monkeypatch, tmp_path):
    """The second call reads the file; another number of candidates asks again; two equal runs give equal bytes."""
    few = Measurement(span_sample=1, span_candidates=4)
    case, traces = opened(few)
    first = steps.spans(case, traces)
    file = case.run.path(case.file("spans.parquet"))
    again, same = opened(few, folder=tmp_path / "again")
    steps.spans(again, same)
    assert again.run.path(again.file("spans.parquet")).read_bytes() == file.read_bytes()

    def fail(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(models, "trace_after", fail)
    assert steps.spans(case, traces) == first
    wider, traces = opened(Measurement(span_sample=1, span_candidates=5))
    with pytest.raises(AssertionError, match="asked again"):
        steps.spans(wider, traces)


def test_it_says_what_it_costs_and_leaves_out(opened, capsys):
    """Cost is told in tokens before the passes and values that were cut off are counted, without any of their text."""
    short = Compute(dtype="float32", device="cpu", max_tokens=6)
    case, traces = opened(Measurement(span_sample=1, span_candidates=3), short)
    capsys.readouterr()
    leaks = steps.spans(case, traces)
    said = capsys.readouterr().err
    lost = 3 * 48 - len(leaks)
    assert 0 < lost < 3 * 48
    assert f"{lost} sensitive values stand past the last token read" in said
    assert "ranking " in said
    assert "tokens more to read" in said
    assert not [name for name in (*NAMES, *DRUGS) if name in said]
    found = stats.span_estimates(case.records, leaks, level=0.95, resamples=200, seed=1)
    total = {one.name: one for one in found}
    assert sum(total[f"spans.all.greedy.{side}s"].n_unscored for side in ("member", "nonmember")) == lost


def test_records_without_values(opened):
    """Without a sensitive value anywhere the file is empty."""
    case, traces = opened()
    bare = replace(case, records=[replace(record, spans=()) for record in case.records])
    assert steps.spans(bare, traces) == []


def test_another_model_as_reference(opened, trained, tmp_path):
    """Where the reference is a model of its own, it is the one that is asked: here the same as the adapter's base."""
    few = Measurement(span_sample=1, span_candidates=6)
    first = steps.spans(*opened(few))
    case, traces = opened(few, folder=tmp_path / "two")
    base = models.open_model(str(trained[0]), dtype="float32", device="cpu")
    assert steps.spans(replace(case, base=base), traces) == first
