"""Curves over queries, temperatures and prefix lengths."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mnemoscope.leaks import Sampled
from mnemoscope.records import Extraction, Record
from mnemoscope.stats import Estimator

BY = Estimator(level=0.95, resamples=200, seed=3)
RECORDS = [
    *(Record(f"m{i}", "", f"g{i // 2}", "member", "train") for i in range(8)),
    *(Record(f"h{i}", "", f"h{i // 2}", "nonmember", "evaluation", copies=0) for i in range(6)),
]


def sampled(chances, model="target", decoding="t1-k40"):
    """Rows with these chances a query, by record id."""
    return [Sampled(name, "0.5", model, decoding, 5, math.log(p) if p else -math.inf) for name, p in chances.items()]


def named(estimates):
    found = {one.name: one for one in estimates}
    assert len(found) == len(estimates)
    return found


def chances(member, heldout):
    return {record.id: member if record.role == "member" else heldout for record in RECORDS}


def test_expected_share_by_hand():
    """The mean over records of 1 - (1 - p)^N, for each class and for their difference."""
    given = chances(0.0, 0.0) | {"m0": 0.5, "m1": 0.1, "h3": 0.01}
    found = named(BY.sampling(RECORDS, sampled(given)))
    path = "sampling.0.5.t1-k40.expected"
    for n in (1, 10, 1000):
        members = ((1 - 0.5**n) + (1 - 0.9**n)) / 8
        heldout = (1 - 0.99**n) / 6
        assert found[f"{path}.n{n}.members"].value == pytest.approx(members)
        assert found[f"{path}.n{n}.nonmembers"].value == pytest.approx(heldout)
        assert found[f"{path}.n{n}.excess"].value == pytest.approx(members - heldout)


def test_counts_and_missing_classes():
    """Counts are those of the class, and what nobody measured says so."""
    found = named(BY.sampling(RECORDS, sampled(chances(0.5, 0.0))))
    one = found["sampling.0.5.t1-k40.expected.n1.members"]
    assert (one.n_members, one.n_member_groups, one.n_nonmembers) == (8, 4, 0)
    other = found["sampling.0.5.t1-k40.expected.n1.excess"]
    assert (other.n_members, other.n_nonmembers, other.n_nonmember_groups) == (8, 6, 3)
    assert found["sampling.0.5.t1-k40.expected.n1.reference_members"].reason == "no record was measured"


def test_discoverable_share_by_hand():
    """p_z = .01 is in 69 queries with chance .5, so it counts at 100 and not at 10; only for the first decoding."""
    rows = sampled(chances(0.01, 0.0)) + sampled(chances(0.01, 0.0), decoding="t1")
    found = named(BY.sampling(RECORDS, rows))
    at = {n: found[f"sampling.0.5.t1-k40.discoverable.p0.5.n{n}.members"].value for n in (10, 100)}
    assert at == {10: 0.0, 100: 1.0}
    assert not any(name.startswith("sampling.0.5.t1.discoverable") for name in found)


def test_a_minimum_temperature_is_judged_by_the_worst_above_it():
    """A record that is likeliest at 1 is as much in danger where 0.5 is the least temperature."""
    rows = [
        *sampled(chances(0.1, 0.0), decoding="t0.5-k40"),
        *sampled(chances(0.4, 0.0), decoding="t1-k40"),
        *sampled(chances(0.2, 0.0), decoding="t2-k40"),
        *sampled(chances(0.9, 0.0), decoding="t1"),
    ]
    found = named(BY.sampling(RECORDS, rows))
    path = "sampling.0.5.minimum_temperature"
    worst = {t: found[f"{path}.k40.t{t}.n1.members"].value for t in ("0.5", "1", "2")}
    assert worst == pytest.approx({"0.5": 0.4, "1": 0.4, "2": 0.2})
    assert not any(name.startswith(f"{path}.unlimited") for name in found), "one temperature is no choice"


def test_planted_records_have_a_curve_of_their_own():
    records = [replace(record, copies=8) if record.id in {"m0", "m1"} else record for record in RECORDS]
    found = named(BY.sampling(records, sampled(chances(0.0, 0.0) | {"m0": 1.0})))
    one = found["sampling.0.5.t1-k40.expected.n1.planted"]
    assert (one.value, one.n_members) == (0.5, 2)


def test_no_hit_on_either_side_keeps_a_width():
    """A difference of two zeros reaches as far down as the one may be and as far up as the other."""
    one = named(BY.sampling(RECORDS, sampled(chances(0.0, 0.0))))["sampling.0.5.t1-k40.expected.n1.excess"]
    # 1 - .025 ** (1 / 4) = .602365 for 4 member groups, 1 - .025 ** (1 / 3) = .707598 for 3 held-out groups
    assert (one.low, one.high) == pytest.approx((-0.707598, 0.602365), abs=1e-6)


def extraction(name, shortest, total=10):
    return Extraction(name, "0.5", "target", total // 2, total - total // 2, 0, False, shortest, False, 0, 0)


def test_prefix_lengths_by_hand():
    """A record of 10 tokens whose shortest prefix is 4 comes back from .4 on; one of 10 never does."""
    shortest = {record.id: 10 for record in RECORDS} | {"m0": 4, "m1": 1, "m2": 9}
    found = named(BY.prefix_length(RECORDS, [extraction(name, k) for name, k in shortest.items()]))
    hits = {share: found[f"prefix_length.{share}.members"].value * 8 for share in ("0.1", "0.3", "0.4", "0.9")}
    assert hits == pytest.approx({"0.1": 1, "0.3": 1, "0.4": 2, "0.9": 3})


def test_a_prefix_that_is_the_whole_record_gives_nothing_back():
    """Of a record of one token there is no rest."""
    rows = [replace(extraction(record.id, 1), prefix_tokens=1, suffix_tokens=0) for record in RECORDS]
    found = named(BY.prefix_length(RECORDS, rows))
    assert np.allclose([found[f"prefix_length.{share}.members"].value for share in ("0.1", "0.9")], 0)
