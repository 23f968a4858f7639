"""Ragged columns against loops over records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.traces import Traces

ragged = st.lists(st.lists(st.integers(-800, 0).map(lambda k: k / 64), max_size=6), max_size=6)


def make(rows):
    """Traces with the one column `logprob`."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    return Traces(
        ids=tuple(f"α{i}" for i in range(len(rows))),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        columns={"logprob": np.array([value for row in rows for value in row], dtype=np.float32)},
        text_bytes=3 * lengths,
        zlib_bytes=lengths + 8,
    )


def test_reductions_by_hand():
    """Sum and mean run over the record's own tokens; a record without tokens is masked, not 0."""
    traces = make([[-1.0, -3.0], [], [-0.5]])
    assert traces.sum("logprob").tolist() == [-4.0, None, -0.5]
    assert traces.mean("logprob").tolist() == [-2.0, None, -0.5]
    assert traces.lengths.tolist() == [2, 0, 1]
    assert len(traces) == 3


@given(ragged)
def test_reductions_are_the_loop(rows):
    """Sum and mean agree with a loop over records, empty records and empty sets included."""
    traces = make(rows)
    assert traces.sum("logprob").tolist() == [sum(row) if row else None for row in rows]
    assert traces.mean("logprob").tolist() == [pytest.approx(sum(row) / len(row)) if row else None for row in rows]
    assert [traces.tokens("logprob", i).tolist() for i in range(len(rows))] == rows


@given(ragged, st.data())
def test_take_is_the_loop(rows, data):
    """Taking rows, repeated or in any order, gives the traces of those records."""
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)) if rows else []
    taken = make(rows).take(np.array(chosen, dtype=np.int64))
    expected = make([rows[i] for i in chosen])
    assert taken.ids == tuple(f"α{i}" for i in chosen)
    assert taken.offsets.tolist() == expected.offsets.tolist()
    assert taken.columns["logprob"].tolist() == expected.columns["logprob"].tolist()
    assert taken.text_bytes.tolist() == expected.text_bytes.tolist()
    assert taken.zlib_bytes.tolist() == expected.zlib_bytes.tolist()


def test_sums_are_made_in_double_precision():
    """A long record of small numbers loses nothing to the 32 bits of its column."""
    # 2 ** 24 + 1 is the first whole number that float32 cannot hold
    traces = make([[-(2.0**24), -1.0, -1.0]])
    assert traces.sum("logprob")[0] == -(2.0**24) - 2


def test_reductions_carry_the_mask_through_arithmetic():
    """A record masked in one reduction is masked in what is made of it."""
    traces = make([[-1.0], []])
    assert (traces.mean("logprob") / traces.zlib_bytes - 1).tolist() == [pytest.approx(-1 / 9 - 1), None]


def test_a_sum_does_not_depend_on_the_position():
    """Equal records have equal sums, to the last bit, wherever they stand: ties stay ties."""
    rng = np.random.default_rng(0)
    row = (-np.abs(rng.normal(size=30)) * 10.0 ** rng.integers(-7, 1, 30)).tolist()
    sums = make([row if i % 2 else (-3 * rng.random(30)).tolist() for i in range(4000)]).sum("logprob")
    assert len(set(sums[1::2].tolist())) == 1


def test_a_tiny_sum_survives_big_neighbours():
    """The loss of a text known by heart keeps its digits in a large set."""
    sums = make([[-3.0] * 30] * 5000 + [[-1e-9] * 30]).sum("logprob")
    assert sums[-1] == pytest.approx(-3e-8, rel=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_one_broken_record_breaks_no_other():
    """An infinity in one record leaves the sums of the records after it alone."""
    assert make([[-np.inf], [-1.0]]).sum("logprob")[1] == -1.0


def test_lowest_by_hand():
    """The mean of the lowest share, at least of one value, rounded to the nearest number of values."""
    # a fifth of 1, 2, 3 and 7 tokens is .2, .4, .6 and 1.4 values: always one; of 8 it is 1.6: two
    traces = make([[-1.0], [-1.0, -2.0], [-3.0, -1.0, -2.0], [], [-7.0, *[-1.0] * 6], [-7.0, -5.0, *[-1.0] * 6]])
    assert traces.lowest("logprob", 0.2).tolist() == [-1.0, -2.0, -3.0, None, -7.0, -6.0]
    assert traces.lowest("logprob", 1.0).tolist() == traces.mean("logprob").tolist()


@given(ragged, st.sampled_from([0.05, 0.2, 0.5, 1.0]))
def test_lowest_is_the_sort(rows, fraction):
    """Lowest and bottom agree with sorting each record."""
    traces = make(rows)
    counts = [max(1, round(fraction * len(row))) for row in rows]
    expected = [sum(sorted(row)[:k]) / k if row else None for row, k in zip(rows, counts, strict=True)]
    assert traces.lowest("logprob", fraction).tolist() == [
        one if one is None else pytest.approx(one) for one in expected
    ]
    for chosen, values in traces.bottom("logprob", fraction):
        for i, found in zip(chosen, values, strict=True):
            assert sorted(found.tolist()) == sorted(rows[i])[: counts[i]]


@given(ragged)
def test_by_length_is_the_loop(rows):
    """Every record with tokens comes once, with its own values, beside those of its length."""
    found = [(rows_, values) for rows_, values in make(rows).by_length("logprob")]
    assert sorted(i for chosen, _ in found for i in chosen) == [i for i, row in enumerate(rows) if row]
    assert [values.shape[1] for _, values in found] == sorted({len(row) for row in rows if row})
    for chosen, values in found:
        assert values.tolist() == [rows[i] for i in chosen]


def test_reductions_take_arrays_made_of_columns():
    """An array over all tokens stands wherever a column's name does."""
    traces = make([[-1.0, -3.0], [], [-0.5]])
    missed = traces.values("logprob") < -0.75
    assert traces.values("logprob") is traces.columns["logprob"]
    assert traces.values(missed) is missed
    assert traces.mean(missed).tolist() == [1.0, None, 0.0]
    assert traces.lowest(-traces.values("logprob"), 0.5).tolist() == [1.0, None, 0.5]
    assert [values.tolist() for _, values in traces.by_length(missed)] == [[[False]], [[True, True]]]


def test_lowest_does_not_depend_on_the_position():
    """Equal records have equal means of their lowest values, to the last bit, in any company."""
    rng = np.random.default_rng(0)
    row = (-rng.gamma(1, 3, 300)).tolist()
    means = make([row if i % 3 else (-rng.gamma(1, 3, 300)).tolist() for i in range(600)]).lowest("logprob", 0.2)
    assert len({means[i] for i in range(600) if i % 3}) == 1
    assert make([row]).lowest("logprob", 0.2)[0] == means[1]
