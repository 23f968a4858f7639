"""Leakage of sensitive values: shares, lifts and excess by hand, and against naive loops over resampled groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mnemoscope.leaks import SpanLeak
from mnemoscope.records import Record, Span
from mnemoscope.seeds import generator
from mnemoscope.stats import clopper_pearson, span_estimates

PLAIN = ("greedy", "greedy_reference", "logprob_gain")
RANKED = ("top1", "top1_reference", "lift_reference", "lift_majority")


def case(*values):
    """Records and leaks of (role, group, type, fields of the leak); fields None: a value in no token that was read."""
    records, leaks = [], []
    for i, (role, group, kind, fields) in enumerate(values):
        part = "train" if role == "member" else "evaluation"
        records.append(Record(f"r{i}", "some text", group, role, part, (Span(0, 4, kind),)))
        if fields is not None:
            known = {
                "tokens": 2, "greedy": False, "greedy_reference": False, "logprob": -2.0, "logprob_reference": -2.0,
                "majority": False, "candidates": None, "rank": None, "rank_reference": None,
            }  # fmt: skip
            leaks.append(SpanLeak(id=f"r{i}", start=0, end=4, type=kind, **{**known, **fields}))
    return records, leaks


def estimates(records, leaks, *, resamples=400, level=0.95, seed=13):
    """Estimates by name."""
    found = span_estimates(records, leaks, level=level, resamples=resamples, seed=seed)
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def ranked(rank, reference, majority=False, **fields):
    """A leak that was ranked."""
    return {"candidates": 20, "rank": rank, "rank_reference": reference, "majority": majority, **fields}


@pytest.fixture(name="many")
def many_values():
    """200 values in 40 groups of each class, of three types, half of them ranked."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(400):
        role = ("member", "nonmember")[i % 2]
        fields = {
            "greedy": bool(rng.random() < (0.5 if role == "member" else 0.2)),
            "greedy_reference": bool(rng.random() < 0.2),
            "logprob": float(-rng.exponential(2)),
            "logprob_reference": float(-rng.exponential(4)),
            "tokens": int(rng.integers(1, 5)),
        }
        if rng.random() < 0.5:
            fields |= ranked(float(rng.integers(2, 8)) / 2, float(rng.integers(2, 12)) / 2, bool(rng.random() < 0.3))
        rows.append((role, f"{role}{rng.integers(40)}", ("age", "drug", "route")[int(rng.integers(3))], fields))
    return case(*rows)


def value_of(name, leak):
    """The slow twin's value of a measure for one leak."""
    top, reference = (rank is not None and rank < 2 for rank in (leak.rank, leak.rank_reference))
    return {
        "greedy": float(leak.greedy),
        "greedy_reference": float(leak.greedy_reference),
        "logprob_gain": (leak.logprob - leak.logprob_reference) / leak.tokens,
        "top1": float(top),
        "top1_reference": float(reference),
        "lift_reference": float(top) - float(reference),
        "lift_majority": float(top) - float(leak.majority),
    }[name]


@pytest.mark.parametrize("kind", ["all", "age", "drug"])
@pytest.mark.parametrize("side", ["member", "nonmember"])
def test_they_are_the_naive_loops(many, kind, side):
    """Every mean, and the percentiles of its resampled groups drawn and added up one by one."""
    records, leaks = many
    groups = {record.id: record.group for record in records}
    roles = {record.id: record.role for record in records}
    found = estimates(records, leaks, resamples=100)
    here = [leak for leak in leaks if roles[leak.id] == side and kind in ("all", leak.type)]
    for name in PLAIN + RANKED:
        rows = [leak for leak in here if name in PLAIN or leak.rank is not None]
        values = {}
        for leak in rows:
            values.setdefault(groups[leak.id], []).append(value_of(name, leak))
        one = found[f"spans.{kind}.{name}.{side}s"]
        everything = [value for group in values.values() for value in group]
        assert one.value == pytest.approx(np.mean(everything), abs=1e-12)
        rng, names, draws = generator(13, "bootstrap", f"spans.{kind}.{side}s"), sorted(values), []
        for drawn in rng.integers(0, len(names), size=(100, len(names))):
            some = [value for i in drawn for value in values[names[i]]]
            draws.append(sum(some) / len(some))
        assert (one.low, one.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=1e-9)
        counts = (one.n_members, one.n_member_groups, one.n_nonmembers, one.n_nonmember_groups)
        assert counts == ((len(rows), len(names), 0, 0) if side == "member" else (0, 0, len(rows), len(names)))
        assert "group bootstrap" in one.method


def test_top1_is_a_rank_below_two():
    """The best alone and the best with one equal count; one of three equals and the second do not."""
    ranks = [1.0, 1.5, 2.0, 2.0, 7.0, 1.0]
    rows = [("member", f"g{i}", "drug", ranked(rank, 3.0)) for i, rank in enumerate(ranks)]
    found = estimates(*case(*rows))
    assert found["spans.drug.top1.members"].value == pytest.approx(3 / 6)
    assert found["spans.drug.top1_reference.members"].value == 0
    assert found["spans.drug.lift_reference.members"].value == pytest.approx(3 / 6)


def test_lifts_by_hand():
    """Lifts are paired: what reference or majority names as well is taken off, and what only they name counts too."""
    rows = [
        ("member", "a", "age", ranked(1.0, 1.0, True)),
        ("member", "b", "age", ranked(1.0, 4.0, False)),
        ("member", "c", "age", ranked(5.0, 1.0, True)),
        ("member", "d", "age", ranked(1.0, 2.0, True)),
        ("member", "e", "age", {"majority": True}),  # not ranked: in no lift
    ]
    found = estimates(*case(*rows))
    assert found["spans.age.top1.members"].value == pytest.approx(3 / 4)
    assert found["spans.age.top1_reference.members"].value == pytest.approx(2 / 4)
    assert found["spans.age.lift_reference.members"].value == pytest.approx(1 / 4)
    assert found["spans.age.lift_majority.members"].value == pytest.approx(3 / 4 - 3 / 4)
    assert found["spans.age.lift_majority.members"].n_members == 4
    assert found["spans.age.greedy.members"].n_members == 5


def test_gain_by_hand():
    """The gain is a mean over values of nats a token: (4 / 2 + 1 / 1 + 0) / 3."""
    rows = [
        ("nonmember", "a", "age", {"logprob": -1.0, "logprob_reference": -5.0, "tokens": 2}),
        ("nonmember", "b", "age", {"logprob": -3.0, "logprob_reference": -4.0, "tokens": 1}),
        ("nonmember", "c", "age", {"logprob": -7.0, "logprob_reference": -7.0, "tokens": 9}),
    ]
    assert estimates(*case(*rows))["spans.age.logprob_gain.nonmembers"].value == pytest.approx(1.0)


def test_excess_is_square_and_add(many):
    """The excess is the difference, and its ends are a right-angled triangle's over those of the two shares."""
    found = estimates(*many)
    for name in ("greedy", "top1"):
        ours, theirs = found[f"spans.drug.{name}.members"], found[f"spans.drug.{name}.nonmembers"]
        excess = found[f"spans.drug.{name}.excess"]
        assert excess.value == pytest.approx(ours.value - theirs.value)
        below = ((ours.value - ours.low) ** 2 + (theirs.high - theirs.value) ** 2) ** 0.5
        above = ((ours.high - ours.value) ** 2 + (theirs.value - theirs.low) ** 2) ** 0.5
        assert (excess.low, excess.high) == pytest.approx((excess.value - below, excess.value + above))
        assert (excess.n_members, excess.n_nonmembers) == (ours.n_members, theirs.n_nonmembers)
        assert (excess.n_member_groups, excess.n_nonmember_groups) == (ours.n_member_groups, theirs.n_nonmember_groups)
    assert found["spans.all.greedy.excess"].low > 0


def test_few_held_out_groups_leave_doubt():
    """No hit among six held-out groups does not show that held-out records yield nothing: the interval says so."""
    rows = [("member", f"m{i}", "age", {"greedy": i % 10 == 0}) for i in range(200)]
    rows += [("nonmember", f"n{i}", "age", {}) for i in range(6)]
    excess = estimates(*case(*rows))["spans.age.greedy.excess"]
    assert excess.value == pytest.approx(0.1)
    assert excess.low < 0 < excess.high
    assert excess.reason is None


def test_the_excess_covers():
    """Intervals of 90% for the excess hold the true one in about 54 of 60 samples of clustered groups."""
    rng, held = np.random.default_rng(11), 0
    for _ in range(60):
        rows = []
        for role, n, chance in (("member", 40, 0.3), ("nonmember", 30, 0.1)):
            for g, p in enumerate(rng.beta(4 * chance, 4 * (1 - chance), n)):
                hits = rng.random(3) < p
                rows += [(role, f"{role}{g}", "age", {"greedy": bool(hit)}) for hit in hits]
        one = estimates(*case(*rows), resamples=100, level=0.9)["spans.age.greedy.excess"]
        held += one.low <= 0.2 <= one.high
    assert 47 <= held <= 59


def test_no_spread_still_has_an_interval():
    """Where all groups show the same, shares have Clopper-Pearson's interval, and a lift that of gains and losses."""
    rows = [("member", f"g{i}", "age", ranked(4.0, 4.0)) for i in range(30)]
    found = estimates(*case(*rows))
    share, lift = found["spans.age.top1.members"], found["spans.age.lift_reference.members"]
    assert (share.low, share.high) == pytest.approx(clopper_pearson(0, 30, 0.95))
    end = scipy_stats.beta.ppf(1 - 0.05 / 4, 1, 30)
    assert (lift.value, lift.low, lift.high) == (0, pytest.approx(-end), pytest.approx(end))
    assert lift.reason is None
    rows = [("member", f"g{i}", "age", ranked(1.0, 4.0)) for i in range(30)]
    lift = estimates(*case(*rows))["spans.age.lift_reference.members"]
    low, none = clopper_pearson(30, 30, 0.975)[0], clopper_pearson(0, 30, 0.975)
    assert (lift.value, lift.low, lift.high) == (1, pytest.approx(low - none[1]), 1)


@pytest.mark.parametrize(("n", "resolved"), [(1, False), (4, False), (5, True)])
def test_few_groups_are_not_resolved(n, resolved):
    """With fewer than five groups every number of a type is marked, and all types together have groups enough."""
    rows = [("member", f"g{i % n}", "race", ranked(1.0, 4.0, greedy=i % 2 == 0)) for i in range(12)]
    rows += [("nonmember", f"n{i}", "race", ranked(2.0, 1.0, greedy=i % 3 == 0)) for i in range(12)]
    rows += [("member", f"other{i}", "age", {}) for i in range(9)]
    found = estimates(*case(*rows))
    for name in ("greedy.members", "greedy.excess", "top1.members", "lift_reference.members"):
        one = found[f"spans.race.{name}"]
        assert (one.reason is None) == resolved, one
        assert resolved or one.reason.startswith("not resolved: ")
        assert one.value is not None
    assert found["spans.race.greedy.nonmembers"].reason is None
    assert found["spans.all.greedy.members"].reason is None


def test_what_was_not_measured():
    """Without ranks there are no ranked measures; a class of which no value was read says so, and all are counted."""
    rows = [("member", f"g{i}", "age", {"greedy": True} if i < 6 else None) for i in range(8)]
    rows += [("excluded", "x", "age", None), ("member", "z", "drug", None)]
    found = estimates(*case(*rows))
    assert not [name for name in found if any(measure in name for measure in RANKED)]
    assert found["spans.age.greedy.members"].n_unscored == 2
    assert found["spans.age.logprob_gain.members"].n_unscored == 2
    assert found["spans.all.greedy.members"].n_unscored == 3
    for name in ("spans.age.greedy.nonmembers", "spans.age.greedy.excess", "spans.drug.greedy.members"):
        assert found[name].value is None
        assert found[name].reason
    assert found["spans.drug.greedy.members"].n_unscored == 1
    assert span_estimates([], [], seed=1) == []


def test_types_have_names_of_their_own():
    """A dot would open a level of summary.json, and a type called "all" is not all types."""
    rows = [("member", f"g{i}", "id.number" if i % 2 else "all", {"greedy": i % 2 == 0}) for i in range(12)]
    found = estimates(*case(*rows))
    assert list(dict.fromkeys(name.split(".")[1] for name in found)) == ["all", "all_", "id_number"]
    assert all(len(name.split(".")) == 4 for name in found)
    assert [found[f"spans.{kind}.greedy.members"].value for kind in ("all", "all_", "id_number")] == [0.5, 1, 0]


def test_seeds_are_named(many):
    """Equal seeds give equal estimates whatever the order of the leaks; another seed gives other intervals alone."""
    records, leaks = many
    first, again = estimates(records, leaks), estimates(records[::-1], leaks[::-1])
    other = estimates(records, leaks, seed=14)
    name = "spans.drug.greedy.members"
    assert first[name] == again[name]
    assert other[name].value == first[name].value
    assert other[name].low != first[name].low
