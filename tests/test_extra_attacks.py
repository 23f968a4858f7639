"""Attacks that need more than two traces, end to end on a tiny model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mnemoscope
from mnemoscope import Compute, Measurement, Training, registry
from mnemoscope.errors import DataError
from mnemoscope.records import Record
from mnemoscope.steps.in_domain import references
from mnemoscope.steps.inputs import choose
from mnemoscope.steps.shadows import halves

FLOAT32 = Compute(dtype="float32", device="cpu")
BY_HEART = Training(
    matrices="all", rank=16, alpha=32, dropout=0, learning_rate=1e-2, batch_size=8, epochs=8, heldout=8,
    save_steps=1000,
)  # fmt: skip
EVERYTHING = Measurement(
    attacks=("all",), shadows=4, in_domain=True, neighbours=2, shots=2, resamples=200, generations="0"
)


def note(i):
    """Four words of random letters, two notes of one split to a group."""
    letters = np.random.default_rng(i).choice(list("abcdefghijklmnopqrstuvwxyz"), (4, 6))
    split = ("train", "dev", "train", "test")[i % 4]
    return {"id": f"note-{i}", "text": " ".join(map("".join, letters)), "split": split, "group": f"g{i // 8}-{split}"}


@pytest.fixture(scope="module")
def audited(tmp_path_factory, tiny, other):
    """One audit with every attack there is, over records of two to a group."""
    folder = tmp_path_factory.mktemp("everything")
    data = folder / "notes.jsonl"
    data.write_text("".join(json.dumps(note(i)) + "\n" for i in range(64)))
    adapter = mnemoscope.finetune(str(tiny), out=folder / "run", data=str(data), training=BY_HEART, compute=FLOAT32)
    measurement = EVERYTHING.model_copy(update={"second": str(other)})
    return mnemoscope.audit(str(tiny), adapter=adapter.run, measurement=measurement, compute=FLOAT32), measurement


def test_all_attacks_have_scores(audited):
    """Every registered attack is in the scores, and a null always says why."""
    scores = audited[0].scores
    for name in registry.attacks():
        assert scores[name].notna().any(), name
        assert (scores[name].isna() == scores[f"{name}.unscored"].notna()).all(), name


def test_whoever_stands_near_a_shot_is_not_scored(audited):
    """ReCaLL leaves out the groups of its shots and nobody else."""
    scores = audited[0].scores
    blocked = scores[scores["recall"].isna()]
    assert blocked["group"].nunique() == 2
    assert set(blocked["part"]) == {"calibration"}
    assert scores[scores["group"].isin(blocked["group"])]["recall"].isna().all()
    assert scores[scores["con_recall"].isna()]["group"].nunique() == 4


def test_the_expensive_attacks_tell_members_of_an_overfit_model(audited):
    """Each of them is well above chance on a model that learnt its records by heart."""
    estimates = audited[0].estimates.set_index("name")["value"]
    for name in ("in_domain_ratio", "lira", "rmia", "smaller_model", "neighbourhood", "gradient_norm"):
        assert estimates[f"membership.{name}.auc"] > 0.8, name


def test_counterfactual_memorization_is_high_for_all(audited):
    """Members and non-members of the audit alike were in half of the shadows."""
    estimates = audited[0].estimates.set_index("name")["value"]
    assert estimates["counterfactual.logprob.members"] > 0.1
    assert estimates["counterfactual.logprob.nonmembers"] > 0.1


def test_a_second_time_nothing_is_done_again(audited, tiny, capsys):
    """The same command keeps every stage, the shadows among them."""
    done, measurement = audited
    before = json.loads((done.run / "timings.json").read_text())["stages"]
    mnemoscope.audit(str(tiny), adapter=done.run, measurement=measurement, compute=FLOAT32)
    assert json.loads((done.run / "timings.json").read_text())["stages"] == before
    assert "to train" not in capsys.readouterr().err


def test_shadows_without_a_known_recipe_are_refused(tmp_path, refused, tiny, copied, notes):
    """An adapter from elsewhere does not say how it was trained."""
    adapter = copied.run / "cells" / copied.cell / "adapter"
    elsewhere = tmp_path / "adapter"
    adapter.rename(elsewhere)
    said = refused("audit", tiny, "--adapter", elsewhere, "--data", notes, "--out", tmp_path / "out", "--shadows", "2",
                   "--dtype", "float32", "--generations", "0")  # fmt: skip
    assert "--shadows needs an adapter of mnemoscope finetune" in said
    assert not (tmp_path / "out").exists()  # said before anything was read


def test_in_domain_references_without_a_known_recipe_are_refused(refused, tiny, other, notes, tmp_path):
    """A merged model does not say how it was trained; said before anything is read."""
    said = refused("audit", other, "--reference", tiny, "--data", notes, "--out", tmp_path / "out", "--in-domain",
                   "--dtype", "float32", "--generations", "0")  # fmt: skip
    assert "--in-domain needs an adapter of mnemoscope finetune" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--attacks", "lira"), "needs --shadows K"),
        (("--attacks", "in_domain_ratio"), "needs --in-domain"),
        (("--attacks", "smaller_model"), "needs --second MODEL"),
        (("--shadows", "3"), "give an even number"),
        (("--shots", "0"), "--shots 0"),
        (("--prior", "1"), "--prior 1"),
        (("--share", "0.5"), "--share needs --data"),
    ],
)
def test_options_that_do_not_fit_are_refused(refused, tiny, copied, options, said):
    """An attack without its option, and numbers out of range, in one line before any time is spent."""
    assert said in refused("audit", tiny, "--adapter", copied.run, *options)


def test_all_attacks_on_a_merged_model_leave_out_the_gradient(refused, tiny, other, notes, tmp_path):
    """A merged target has no adapter to take a gradient of: named it is refused, among all it is left out."""
    merged = ("audit", other, "--reference", tiny, "--data", notes, "--out", tmp_path / "out", "--dtype", "float32")
    assert "needs --adapter DIR" in refused(*merged, "--attacks", "gradient_norm")
    assert "gradient" not in {need for name in choose(Measurement(attacks=("all",)), None) for need in needs(name)}


def needs(name):
    """What an attack needs."""
    return registry.find(name).needs


def test_too_many_shots_are_refused(refused, tiny, copied):
    """There must be groups left to score."""
    said = refused("audit", tiny, "--adapter", copied.run, "--attacks", "recall", "--shots", "50", "--dtype", "float32")
    assert "--shots 50" in said


def people(n):
    """`n` records, three to a group."""
    return [Record(f"r{i}", "text", f"g{i // 3}", "member", "train") for i in range(n)]


def test_every_record_is_in_half_of_the_shadows_with_its_group():
    """Pairs of shadows share no record and leave none out; groups stay whole; pairs differ."""
    records = people(60)
    inside = halves(records, 6, seed=1)
    assert (inside.sum(axis=0) == 3).all()
    assert (inside[0::2] ^ inside[1::2]).all()
    groups = np.array([record.group for record in records])
    for row in inside:
        assert not set(groups[row]) & set(groups[~row])
    assert len({row.tobytes() for row in inside}) == 6


def test_the_halves_do_not_depend_on_the_order_of_records():
    """A record's shadows are those of its group's name."""
    records = people(30)
    order = np.random.default_rng(0).permutation(30)
    shuffled = halves([records[i] for i in order], 4, seed=2)
    np.testing.assert_array_equal(shuffled, halves(records, 4, seed=2)[:, order])


def mixed(n, *, per=3):
    """`n` records, `per` to a group: members, non-members, and every fifth group with both."""
    roles = [("member", "nonmember", "member", "nonmember", None)[i // per % 5] for i in range(n)]
    roles = [role or ("member", "nonmember")[i % 2] for i, role in enumerate(roles)]
    parts = {"member": "train", "nonmember": "evaluation"}
    return [Record(f"r{i}", "text", f"g{i // per}", role, parts[role]) for i, role in enumerate(roles)]


def test_no_record_meets_a_reference_that_knows_its_group():
    """Each record is read once, by a reference trained on non-members alone, none of them of the record's group."""
    records = mixed(120)
    first, second = references(records, seed=1)
    assert sorted([*first.read, *second.read]) == list(range(120))
    for one in (first, second):
        trained = {records[i].group for i in one.trained}
        assert trained
        assert not trained & {records[i].group for i in one.read}
        assert {records[i].role for i in one.trained} == {"nonmember"}
    outside = {i for i, record in enumerate(records) if record.role == "nonmember"}
    assert {*first.trained, *second.trained} == outside


def test_both_classes_meet_both_references_equally():
    """Else a reference that is a little better would look like membership."""
    records = mixed(600)
    for one in references(records, seed=3):
        of = {role: [i for i in one.read if records[i].role == role] for role in ("member", "nonmember")}
        shares = [len(of[role]) / sum(record.role == role for record in records) for role in of]
        assert shares == pytest.approx([0.5, 0.5], abs=0.03)


def test_references_do_not_depend_on_the_order_of_records():
    """A record's reference is that of its group's name; another seed cuts otherwise."""
    records = mixed(90)
    order = np.random.default_rng(0).permutation(90)
    shuffled = references([records[i] for i in order], seed=2)
    for one, again in zip(references(records, seed=2), shuffled, strict=True):
        assert set(one.read) == {int(order[i]) for i in again.read}
    assert references(records, seed=2)[0].read != references(records, seed=4)[0].read


def test_one_group_of_non_members_cannot_be_halved():
    """There must be text to learn the domain from, and other text to score."""
    records = [Record(f"r{i}", "t", "a" if i < 3 else f"g{i}", "nonmember" if i < 3 else "member", "train")
               for i in range(9)]  # fmt: skip
    with pytest.raises(DataError, match="--in-domain trains on half"):
        references(records, seed=1)
