"""What decoding gives back from every prefix, against loops that go token by token."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemoscope.decoding import parse_decoding
from mnemoscope.errors import ConfigError
from mnemoscope.extraction import matched_runs, sampled, shortest_prefixes, suffix_logprobs
from mnemoscope.leaks import Sampled
from mnemoscope.prefixes import cut

HIT, MISS = 1.0, -1.0
GAPS = st.lists(st.lists(st.sampled_from([HIT, MISS, 0.0, np.nan]), max_size=9), max_size=6)
LOGPROBS = st.lists(st.lists(st.sampled_from([-np.inf, -700.0, -3.25, -1e-7, 0.0]), max_size=9), max_size=6)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(name="probable")
def column_maker(traced):
    """A function from log-probabilities a record to traces that have them in the columns of these decodings."""

    def make(*columns, labels=("t1",)):
        traces, _ = traced(columns[0])
        names = [parse_decoding(label).column for label in labels]
        flat = [np.array([value for row in rows for value in row], dtype=np.float32) for rows in columns]
        return dataclasses.replace(traces, columns=dict(zip(names, flat, strict=True)))

    return make


def test_runs_and_prefixes_by_hand(traced):
    """A run ends at the first miss or with its record; the shortest prefix ends with the last miss."""
    traces, _ = traced([[MISS, HIT, 0.0], [], [HIT, HIT], [HIT, MISS, HIT, MISS], [MISS], [MISS, MISS, HIT, HIT]])
    assert matched_runs(traces).tolist() == [0, 2, 1, 2, 1, 1, 0, 1, 0, 0, 0, 0, 2, 1]
    # the first token is never decoded by a prefix: a miss there asks for no more than one without a miss
    assert shortest_prefixes(traces).tolist() == [1, 0, 1, 4, 1, 2]


@given(GAPS)
@QUICK
def test_runs_are_the_decoder(traced, gaps):
    """Every run is what a decoder gives that goes on until its first miss; NaN is a miss."""
    traces, _ = traced(gaps)
    slow = []
    for row in gaps:
        for start in range(len(row)):
            run = 0
            while start + run < len(row) and row[start + run] >= 0:
                run += 1
            slow.append(run)
    assert matched_runs(traces).tolist() == slow


@given(GAPS)
@QUICK
def test_the_shortest_prefix_is_the_first_that_does(traced, gaps):
    """Of all prefixes of one token or more it is the first from which every later token is a hit."""
    traces, _ = traced(gaps)
    slow = [next((k for k in range(1, len(row) + 1) if all(gap >= 0 for gap in row[k:])), 0) for row in gaps]
    assert shortest_prefixes(traces).tolist() == slow


@given(LOGPROBS)
@QUICK
def test_suffixes_are_a_loop(probable, logprobs):
    """Every sum is the loop's, -inf from wherever one is to come and nothing of it after that, never NaN."""
    traces = probable(logprobs)
    found = suffix_logprobs(traces, "logprob@t1")
    rows = [np.array(row, dtype=np.float32).tolist() for row in logprobs]
    slow = [math.fsum(row[start:]) for row in rows for start in range(len(row))]
    np.testing.assert_allclose(found, np.array(slow, dtype=np.float64), rtol=1e-12, atol=0)
    assert not np.isnan(found).any()


def test_a_short_record_after_a_million_nats(probable):
    """A small sum keeps its digits beside records whose sums are large: no difference of running totals."""
    found = suffix_logprobs(probable([[-1e30, -1e30], [-1e-9, -2e-9]]), "logprob@t1")
    np.testing.assert_allclose(found[2:], [-3e-9, -2e-9], rtol=1e-6)


def test_sampled_by_hand(probable):
    """For each decoding a row a record that can be cut: the sum from the cut on, -inf where a token can never come."""
    plain = [[-1.0, -2.0, -0.5, -0.25], [-3.0], [-1.0, -1.0, -4.0]]
    narrow = [[-0.5, -1.0, 0.0, -0.25], [-np.inf], [-np.inf, -0.5, -np.inf]]
    decodings = [parse_decoding(label) for label in ("t1", "t0.5-k2")]
    traces = probable(plain, narrow, labels=("t1", "t0.5-k2"))
    assert sampled(traces, prefix="0.50", model="target", decodings=decodings) == [
        Sampled("r0", "0.5", "target", "t1", 2, -0.75),
        Sampled("r2", "0.5", "target", "t1", 2, -5.0),
        Sampled("r0", "0.5", "target", "t0.5-k2", 2, -0.25),
        Sampled("r2", "0.5", "target", "t0.5-k2", 2, -np.inf),
    ]


@given(LOGPROBS, st.sampled_from(["0.25", "0.5", "0.75", "1t", "4t"]))
@QUICK
def test_sampled_is_the_product(probable, logprobs, prefix):
    """Rows are those that can be cut, in the order of the traces, each with the product of its suffix."""
    found = sampled(probable(logprobs), prefix=prefix, model="reference", decodings=[parse_decoding("t1")])
    slow = []
    for i, row in enumerate(logprobs):
        if (k := cut(len(row), prefix)) is not None:
            slow.append((f"r{i}", len(row) - k, math.fsum(np.array(row[k:], dtype=np.float32).tolist())))
    assert [(row.id, row.suffix_tokens) for row in found] == [row[:2] for row in slow]
    np.testing.assert_allclose([row.logprob for row in found], [row[2] for row in slow], rtol=1e-12)


def test_what_cannot_be_asked(probable):
    """An unknown prefix is the user's fault; a decoding that the pass was not given is a missing column."""
    traces = probable([[-1.0, -2.0]])
    with pytest.raises(ConfigError):
        sampled(traces, prefix="half", model="target", decodings=[])
    with pytest.raises(KeyError, match="t2"):
        sampled(traces, prefix="0.5", model="target", decodings=[parse_decoding("t2")])
    assert sampled(traces, prefix="0.5", model="target", decodings=[]) == []


def test_thousands_of_records_take_far_below_a_second(probable):
    """Everything here is arithmetic on columns."""
    lengths = np.random.default_rng(0).integers(0, 40, 20_000)
    traces = probable([[-0.5] * n for n in lengths])
    traces = dataclasses.replace(traces, columns={**traces.columns, "gap": traces.columns["logprob@t1"]})
    start = time.process_time()
    matched_runs(traces), shortest_prefixes(traces), suffix_logprobs(traces, "logprob@t1")
    assert time.process_time() - start < 1  # 0.05 s when the machine is idle
