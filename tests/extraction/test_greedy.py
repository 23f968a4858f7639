"""Verbatim extraction from traces, against a decoder that goes token by token."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemoscope.errors import ConfigError
from mnemoscope.extraction import ambiguous, settle, verbatim
from mnemoscope.prefixes import cut

HIT, MISS = 1.0, -1.0


def slow_run(gaps, k):
    """The slow twin: decode until the first token that is not the true one."""
    run = 0
    for gap in gaps[k:]:
        if not gap >= 0:
            break
        run += 1
    return run


def test_verbatim_by_hand(traced):
    """The matched run starts at the cut and ends at the first miss; verbatim means that it covers the suffix."""
    traces, records = traced(
        [
            [MISS, MISS, HIT, 0.0],  # misses before the cut do not matter, and a tie (gap 0) is a hit
            [HIT, HIT, HIT, MISS, HIT],  # cut at 2: one hit, then a miss
            [HIT],  # cannot be cut
            [HIT, HIT, MISS, HIT],
        ]
    )
    found = verbatim(traces, records, prefix="0.50", model="target")
    told = [(e.id, e.prefix_tokens, e.suffix_tokens, e.matched_tokens, e.verbatim) for e in found]
    assert told == [("r0", 2, 2, 2, True), ("r1", 2, 3, 1, False), ("r3", 2, 2, 0, False)]
    assert {(e.prefix, e.model, e.rechecked) for e in found} == {("0.5", "target", False)}


def test_a_run_stops_at_the_end_of_its_record(traced):
    """Hits of the next record do not lengthen the run."""
    traces, records = traced([[HIT, HIT], [HIT, HIT, HIT]])
    found = verbatim(traces, records, prefix="1t", model="reference")
    assert [(e.matched_tokens, e.verbatim, e.model) for e in found] == [(1, True, "reference"), (2, True, "reference")]


@given(
    st.lists(st.lists(st.sampled_from([HIT, MISS, 0.0, -0.0, np.nan]), max_size=9), max_size=6),
    st.sampled_from(["0.25", "0.5", "0.75", "1t", "4t"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_verbatim_is_the_decoder(traced, gaps, prefix):
    """Every record that can be cut agrees with decoding token by token, empty records included; NaN is no hit."""
    traces, records = traced(gaps)
    found = {e.id: e for e in verbatim(traces, records, prefix=prefix, model="target")}
    for record, row in zip(records, gaps, strict=True):
        k = cut(len(row), prefix)
        assert (k is None) == (record.id not in found)
        if k is not None:
            e, run = found[record.id], slow_run(row, k)
            assert (e.prefix_tokens, e.suffix_tokens, e.matched_tokens) == (k, len(row) - k, run)
            assert e.verbatim == (run == len(row) - k) == (e.shortest_prefix <= k)


def test_shortest_prefixes_by_hand(traced):
    """The shortest prefix ends with the last miss, wherever the record was cut."""
    traces, records = traced([[HIT] * 4, [HIT, HIT, MISS, HIT], [MISS] * 3])
    for prefix in ("1t", "2t"):
        found = verbatim(traces, records, prefix=prefix, model="target")
        assert [e.shortest_prefix for e in found] == [1, 3, 3]


def test_the_shortest_prefix_follows_the_generation(traced):
    """A generation that gives back the suffix has done so from its prefix; one that does not needs a longer one."""
    traces, records = traced([[HIT, MISS, HIT, HIT, MISS, HIT], [HIT] * 6, [HIT] * 3 + [MISS] * 3], [range(6)] * 3)
    before = verbatim(traces, records, prefix="3t", model="target")
    assert [e.shortest_prefix for e in before] == [5, 1, 6]
    after = settle(before, {"r0": [3, 4, 5], "r1": [3, 9, 9], "r2": [3, 9, 5]}, traces, records)
    # r0: a hit from 3 on, and the trace's miss before the cut stays; r1: token 4 is a miss; r2: as the trace says
    assert [e.shortest_prefix for e in after] == [2, 5, 6]
    assert all(e.verbatim == (e.shortest_prefix <= e.prefix_tokens) for e in after)


def test_spans_by_hand(traced):
    """A span counts when it begins in the suffix, and is hit when all of its characters lie in the matched run."""
    # 6 tokens of 2 characters, cut at 3 tokens = character 6; two hits: the run ends at character 10
    spans = [(0, 4), (5, 8), (6, 8), (7, 10), (8, 11), (10, 12)]
    #        before   begins   hit     hit      a character   after
    #                 before                    too long
    traces, records = traced([[HIT, HIT, HIT, HIT, HIT, MISS]], spans=[spans])
    (found,) = verbatim(traces, records, prefix="0.5", model="target")
    assert (found.matched_tokens, found.spans_hit, found.spans_in_suffix) == (2, 2, 4)


def test_no_run_hits_no_span(traced):
    """When the first suffix token is a miss, no span comes back."""
    traces, records = traced([[HIT, MISS, HIT, HIT]], spans=[[(2, 4), (4, 8)]])
    (found,) = verbatim(traces, records, prefix="1t", model="target")
    assert (found.spans_hit, found.spans_in_suffix) == (0, 2)


def test_ambiguous_by_hand(traced):
    """A verdict is open when the suffix has a near tie and no clear miss."""
    rows = [
        [9, 9, 9, 9],  # all clear hits: closed
        [9, 9, 9, -1],  # a near miss: open
        [9, 9, 2, 9],  # a near hit, at the border: open
        [9, 9, 1, -5],  # a clear miss decides: closed
        [9, -5, 0, 9],  # the clear miss lies in the prefix: open
        [0, 0, 9, 9],  # the near tie lies in the prefix: closed
        [0],  # cannot be cut
        [9, 9, -2, 9],  # at the border of a clear miss: open
    ]
    traces, _ = traced(rows, ulp=rows)
    assert ambiguous(traces, prefix="0.5", ulp=2.0) == [1, 2, 4, 7]
    assert ambiguous(traces, prefix="0.5", ulp=0.0) == [4]


def test_settle_takes_the_verdict_of_the_generation(traced):
    """Run, verdict and spans of a re-checked record are those of the generation; the others stay as they were."""
    tokens = [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]]
    traces, records = traced([[HIT] * 4, [HIT] * 2 + [MISS] * 2, [HIT] * 4], tokens, spans=[[(4, 6), (6, 8)]] * 3)
    before = verbatim(traces, records, prefix="2t", model="target")
    after = settle(before, {"r0": [3, 9], "r1": [3, 4, 99]}, traces, records)
    told = [(e.matched_tokens, e.verbatim, e.spans_hit, e.spans_in_suffix, e.rechecked) for e in after]
    # r0 fell the other way at its second token; r1 comes back whole and goes on past the suffix; r2 was not re-checked
    assert told == [(1, False, 1, 2, True), (2, True, 2, 2, True), (2, True, 2, 2, False)]
    assert after[2] is before[2]


def test_settle_is_idle_on_what_the_trace_says(traced):
    """A generation that does what the trace says changes nothing but the mark."""
    traces, records = traced([[HIT, HIT, MISS, HIT]], [[4, 5, 6, 7]], spans=[[(2, 4)]])
    (before,) = verbatim(traces, records, prefix="1t", model="target")
    (after,) = settle([before], {"r0": [5, 0, 7]}, traces, records)
    assert (after.matched_tokens, after.verbatim, after.spans_hit) == (1, False, before.spans_hit)


def test_settle_refuses_a_mixture(traced):
    """One id has one generation, so extractions of two prefixes are not settled together."""
    traces, records = traced([[HIT] * 4])
    mixed = [e for prefix in ("1t", "2t") for e in verbatim(traces, records, prefix=prefix, model="target")]
    with pytest.raises(ValueError, match="one prefix and one model"):
        settle(mixed, {}, traces, records)


def test_records_must_follow_the_traces(traced):
    """Records in another order are refused, not mixed up."""
    traces, records = traced([[HIT] * 4, [MISS] * 4])
    with pytest.raises(ValueError, match="do not follow"):
        verbatim(traces, records[::-1], prefix="0.5", model="target")


def test_an_unknown_prefix_is_the_users_fault(traced):
    """A prefix that cannot be read is refused before anything is computed."""
    traces, records = traced([[HIT] * 4])
    with pytest.raises(ConfigError):
        verbatim(traces, records, prefix="half", model="target")


def test_no_records_give_no_extractions(traced):
    """An empty set of records is no error."""
    traces, records = traced([])
    assert verbatim(traces, records, prefix="0.5", model="target") == []
    assert ambiguous(traces, prefix="0.5", ulp=2.0) == []


def test_thousands_of_records_take_about_a_second(traced):
    """5000 records at three prefixes stay far below the time of one generation."""
    gaps = np.random.default_rng(0).normal(1, 1, (5000, 30)).tolist()
    traces, records = traced(gaps, spans=[[(30, 34)]] * 5000)
    start = time.process_time()
    for prefix in ("0.25", "0.5", "0.75"):
        verbatim(traces, records, prefix=prefix, model="target")
    assert time.process_time() - start < 3  # 0.2 s when the machine is idle
