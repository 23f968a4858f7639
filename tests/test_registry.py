"""Registering, finding and adding attacks."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

import mnemoscope.attacks
from mnemoscope import registry
from mnemoscope.errors import ConfigError, MnemoscopeError
from mnemoscope.folds import FOLDS
from mnemoscope.records import Record
from mnemoscope.traces import Shadows, Traces

NEWCOMER = '''
"""A newcomer."""

from mnemoscope.registry import attack


@attack(source="a note", needs=("target",), min_tokens=2)
def newcomer(target):
    """Sum of the log-probabilities, nats."""
    return target.sum("logprob")
'''


@pytest.fixture
def scratch(monkeypatch):
    """A registry whose changes are undone; its attacks by name."""
    registry.attacks()  # the shipped attacks register once, on import: they must be in the copy and the original
    copy = dict(registry._attacks)
    monkeypatch.setattr(registry, "_attacks", copy)
    return copy


@pytest.fixture
def target():
    """Three records of 2, 1 and 0 tokens."""
    return Traces(
        ids=("a", "b", "c"),
        offsets=np.array([0, 2, 3, 3]),
        columns={"logprob": np.array([-1.0, -2.0, -4.0], dtype=np.float32)},
        text_bytes=np.array([8, 4, 0]),
        zlib_bytes=np.array([16, 12, 8]),
    )


def register(function, *, needs=("target",), min_tokens=1, fitted=False):
    registry.attack(source="here", needs=needs, min_tokens=min_tokens, fitted=fitted)(function)
    return registry.find(function.__name__)


def test_attacks_are_sorted_by_name():
    """The attacks come by name, sorted, the likelihood ratios among them."""
    names = list(registry.attacks())
    assert names == sorted(names)
    assert {"loss", "zlib", "lr_sum", "lr_diff", "lr_ratio"} <= set(names)


@pytest.mark.usefixtures("scratch")
def test_two_attacks_of_one_name_are_refused():
    """A second attack with a name that is taken in another module is refused, and the first one stays."""

    def loss(target):
        """Another loss."""
        return target.mean("logprob")

    with pytest.raises(MnemoscopeError, match="two attacks are called 'loss'"):
        register(loss)
    assert registry.find("loss").function is importlib.import_module("mnemoscope.attacks.loss").loss


def test_an_unknown_name_suggests_the_nearest():
    """A misspelt attack is answered with the nearest one and all that exist, in one line."""
    with pytest.raises(ConfigError, match=r"unknown attack 'zlb'\. Did you mean 'zlib'\?") as caught:
        registry.find("zlb")
    assert "lr_ratio" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("scratch")
def test_an_unknown_need_is_refused():
    """An attack that asks for traces nobody makes is refused when it registers."""

    def greedy(tarqet):
        """Needs a misspelt trace."""
        return tarqet.mean("logprob")

    with pytest.raises(MnemoscopeError, match=r"unknown trace 'tarqet'\. Did you mean 'target'\?"):
        register(greedy, needs=("tarqet",))


@pytest.mark.usefixtures("scratch")
def test_scores_that_are_not_finite_are_refused(target):
    """A NaN or infinity for a record long enough is a fault; for one too short it is masked."""

    def broken(target):
        """Infinite for the second record."""
        return np.array([-3.0, np.inf, np.nan])[: len(target)]

    with pytest.raises(MnemoscopeError, match="'broken' gave 1 scores that are not finite"):
        register(broken).score({"target": target})
    assert register(broken, min_tokens=2).score({"target": target}).tolist() == [-3.0, None, None]


@pytest.mark.usefixtures("scratch")
def test_a_record_long_enough_is_never_dropped_in_silence(target):
    """A division by zero between reductions is a fault like any other infinity, not an unscored record."""

    def divides(target):
        """Divides by zero."""
        return target.mean("logprob") / (0 * target.mean("logprob"))

    with pytest.raises(MnemoscopeError, match="not finite"):
        register(divides).score({"target": target})


@pytest.mark.usefixtures("scratch")
def test_a_newcomer_adds_an_attack_by_adding_one_file(tmp_path, monkeypatch, target):
    """A new file in the attacks folder is an attack: it is listed, described and scored, and nothing else changes."""
    before = list(registry.attacks())
    (tmp_path / "newcomer.py").write_text(NEWCOMER)
    monkeypatch.setattr(mnemoscope.attacks, "__path__", [*mnemoscope.attacks.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        found = registry.attacks()
        assert sorted([*before, "newcomer"]) == list(found)
        newcomer = found["newcomer"]
        assert (newcomer.summary, newcomer.source) == ("Sum of the log-probabilities, nats.", "a note")
        assert newcomer.score({"target": target}).tolist() == [-3.0, None, None]
        assert newcomer.reason() == "needs 2 or more scored tokens"
    finally:
        sys.modules.pop("mnemoscope.attacks.newcomer", None)
        vars(mnemoscope.attacks).pop("newcomer", None)


def test_the_newcomer_is_gone():
    """A test's attack does not outlive the test."""
    assert "newcomer" not in registry.attacks()


def cohort(groups=6, size=2):
    """Records of `groups` member and as many non-member groups, and a trace of one token each."""
    roles = ["member"] * groups + ["nonmember"] * groups
    records = [
        Record(f"r{g}-{k}", "", f"g{g}", role, "train" if role == "member" else ("calibration", "evaluation")[g % 2])
        for g, role in enumerate(roles) for k in range(size)
    ]  # fmt: skip
    n = len(records)
    traces = Traces(
        ids=tuple(record.id for record in records), offsets=np.arange(n + 1),
        columns={"logprob": -np.arange(1, n + 1, dtype=np.float32)}, text_bytes=np.ones(n), zlib_bytes=np.ones(n),
    )  # fmt: skip
    return records, traces


@pytest.fixture
def spy(scratch):
    """A fitted attack that notes what it saw and what it was asked; its scores follow from what it saw."""
    calls = []

    def curious(seen, target):
        """Mean seen log-probability of members minus the record's."""
        calls.append((seen, target))
        return target.mean("logprob") - seen.traces["target"].mean("logprob")[seen.member].mean()

    register(curious, fitted=True)
    return scratch["curious"], calls


def test_a_fit_never_scores_a_group_that_it_saw(spy):
    """Every record is asked about once, of a fit on the other folds, which hold all the other groups."""
    attack, calls = spy
    records, traces = cohort()
    group = {record.id: record.group for record in records}
    attack.score({"target": traces}, records)
    assert len(calls) == FOLDS
    assert sorted(id for _, asked in calls for id in asked.ids) == sorted(traces.ids)
    for seen, asked in calls:
        learnt = seen.traces["target"].ids
        assert {group[id] for id in learnt} | {group[id] for id in asked.ids} == set(group.values())
        assert not {group[id] for id in learnt} & {group[id] for id in asked.ids}


def test_a_fit_sees_labels_beside_their_records(spy):
    """Member and calibration say of each seen record what its row says."""
    attack, calls = spy
    records, traces = cohort()
    named = {record.id: record for record in records}
    attack.score({"target": traces}, records)
    for seen, _ in calls:
        rows = [named[id] for id in seen.traces["target"].ids]
        assert seen.member.tolist() == [row.role == "member" for row in rows]
        assert seen.calibration.tolist() == [row.part == "calibration" for row in rows]
        values = seen.traces["target"].mean("logprob").tolist()
        assert values == [traces.mean("logprob")[traces.ids.index(row.id)] for row in rows]


def test_a_fit_does_not_depend_on_the_order_of_records(spy):
    """Shuffled records get the same scores, and every fit sees the same rows in the same order."""
    attack, calls = spy
    records, traces = cohort()
    scores = attack.score({"target": traces}, records)
    order = np.random.default_rng(0).permutation(len(records))
    shuffled = attack.score({"target": traces.take(order)}, [records[i] for i in order])
    assert shuffled.tolist() == scores[order].tolist()
    ids = [seen.traces["target"].ids for seen, _ in calls]
    assert ids[:FOLDS] == ids[FOLDS:]


def test_too_few_groups_are_unscorable(spy):
    """A class with fewer groups than folds has nothing to be learnt from; no records at all have no scores."""
    attack, calls = spy
    records, traces = cohort(groups=FOLDS - 1)
    with pytest.raises(registry.Unscorable, match="too few groups"):
        attack.score({"target": traces}, records)
    assert attack.score({"target": traces.take(np.array([], dtype=np.int64))}, []).shape == (0,)
    assert not calls


def test_fitted_scores_are_checked_like_others(spy):
    """A record without tokens is masked in the fold that it falls into, and all others are scored."""
    attack, _ = spy
    records, traces = cohort()
    offsets = np.minimum(np.arange(len(records) + 1), len(records) - 1)  # the last record has no token
    empty = Traces(
        traces.ids, offsets, {"logprob": traces.values("logprob")[:-1]}, traces.text_bytes, traces.zlib_bytes
    )
    assert np.ma.getmaskarray(attack.score({"target": empty}, records)).tolist() == [*[False] * 23, True]


@pytest.mark.usefixtures("scratch")
def test_a_fitted_attack_may_need_only_what_every_audit_has():
    """A fitted attack that asks for a costly pass is refused when it registers."""

    def greedy(*given):
        """Needs another pass."""
        return given[-1].mean("logprob")

    with pytest.raises(MnemoscopeError, match="'greedy' is fitted: it may need target and reference only"):
        register(greedy, needs=("target", "lowercase"), fitted=True)


@pytest.mark.usefixtures("scratch")
def test_cost_names_what_is_beyond_two_passes():
    """An attack on the audit's own two traces costs nothing more; the others say what they add, each thing once."""

    def dear(*given):
        """Needs a lot."""
        return given[0].mean("logprob")

    assert registry.find("lr_ratio").cost == "0"
    assert registry.find("recall").cost == "1"
    assert registry.find("lira").cost == "--shadows, and as many fine-tunings"
    needs = ("target", "reference", "nonmember_shots", "member_shots", "gradient")
    assert register(dear, needs=needs).cost == "1 + 1 forward and backward"


def test_attacks_without_further_passes():
    """Trace-only attacks are those that need the target and the reference at most, fitted ones too."""
    found = registry.trace_only()
    assert {"loss", "lr_ratio", "min_k", "ez", "wbc", "learned", "dc_pdd"} <= set(found)
    assert not {"lowercase", "recall", "lira", "gradient_norm"} & set(found)


@pytest.mark.usefixtures("scratch")
def test_evidence_that_is_no_trace_masks_what_it_cannot_tell(target):
    """A masked number, shadows on one side only, and copies that all lack tokens leave a record unscored."""

    def ones(*given):
        """How many pieces of evidence there are, for every record."""
        return np.full(3, len(given))

    def masked(need, piece):
        return np.ma.getmaskarray(register(ones, needs=(need,)).score({need: piece})).tolist()

    inside = np.array([[True, True, False], [False, True, True]])
    assert masked("gradient", np.ma.masked_array([1.0, 2.0, 3.0], mask=[True, False, False])) == [True, False, False]
    assert masked("shadows", Shadows((target,) * 2, inside, np.zeros(3, dtype=bool), np.arange(3))) == [
        False,
        True,
        True,
    ]
    swapped = target.take(np.array([2, 1, 0]))
    assert masked("neighbours", (target, swapped)) == [False, False, False]
    assert masked("neighbours", (target, target)) == [False, False, True]
