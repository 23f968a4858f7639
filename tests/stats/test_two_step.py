"""Precision at rank of texts that were written without a prefix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mnemoscope import stats
from mnemoscope.leaks import Unprompted
from mnemoscope.records import Record

RECORDS = [
    *(Record(f"m{i}", "", f"m{i}", "member", "train") for i in range(5)),
    *(Record(f"h{i}", "", f"h{i}", "nonmember", "evaluation") for i in range(4)),
    Record("c0", "", "c0", "nonmember", "calibration"),
]


def text(name, run, member, *, wrote=None, heldout_run=0, heldout=""):
    return Unprompted(name, "start", wrote or name, 20, run, member, 0.5, heldout_run, heldout, 0.1)


def named(texts, scores):
    found = stats.two_step(RECORDS, texts, {"loss": np.ma.masked_array(scores)}, match_tokens=10)
    return {one.name: one for one in found}


def test_precision_by_hand():
    """Of the best 2 of 3 texts one is a hit; the interval is the exact binomial one."""
    found = named([text("a", 12, "m0"), text("b", 9, "m1"), text("c", 10, "m2")], [3.0, 2.0, 1.0])
    top = found["unprompted.loss.precision.3.members"]
    assert top.value == pytest.approx(2 / 3)
    assert (top.low, top.high) == pytest.approx(stats.clopper_pearson(2, 3))
    assert found["unprompted.found.members"].value == pytest.approx(2 / 3)
    assert found["unprompted.found.heldout"].value == 0


def test_a_record_counts_once():
    """A second text that gives the same record back, and a copy of a text, count neither as hit nor as miss."""
    texts = [text("a", 12, "m0"), text("b", 30, "m0"), text("c", 1, "m3"), text("d", 0, "", wrote="c")]
    found = named(texts, [4.0, 3.0, 2.0, 1.0])
    assert found["unprompted.loss.precision.2.members"].value == 0.5
    assert found["unprompted.records.members"].value == pytest.approx(1 / 5)
    assert found["unprompted.records.members"].n_members == 5


def test_the_floor_counts_held_out_records_of_the_evaluation_part():
    found = named([text("a", 0, "", heldout_run=11, heldout="h1"), text("b", 0, "")], [1.0, 2.0])
    assert found["unprompted.loss.precision.2.heldout"].value == 0.5
    assert found["unprompted.records.heldout"].value == pytest.approx(1 / 4)


def test_near_copies_are_counted_apart():
    """A whole record but for a tenth of its characters is near, whatever its longest run."""
    rows = [replace(text("a", 3, "m0"), similarity=0.9), replace(text("b", 12, "m1"), similarity=0.89)]
    found = named(rows, [1.0, 2.0])
    assert found["unprompted.near.members"].value == 0.5
    assert found["unprompted.near.heldout"].value == 0


def test_the_order_is_that_of_the_scores():
    """With ten misses below, the ten best hold as many hits as rank above the tenth; unscored texts come last."""
    texts = [text(f"t{i}", 20 * (i in (0, 11)), f"m{i % 5}" if i in (0, 11) else "") for i in range(12)]
    scores = np.ma.masked_array(np.arange(12.0), mask=[True] + [False] * 11)
    found = {one.name: one for one in stats.two_step(RECORDS, texts, {"loss": scores}, match_tokens=10)}
    assert found["unprompted.loss.precision.10.members"].value == 0.1
    assert found["unprompted.loss.precision.12.members"].value == pytest.approx(2 / 12)


def test_nothing_written_gives_nothing():
    assert stats.two_step(RECORDS, [], {}, match_tokens=10) == []
