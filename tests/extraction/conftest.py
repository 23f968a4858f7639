"""Traces by hand: what greedy decoding would do at each token."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.records import Record, Span
from mnemoscope.traces import Traces


@pytest.fixture(name="traced")
def traces_maker():
    """A function from gaps a record (and token ids) to traces and records; every token is two characters long."""

    def make(gaps, tokens=None, spans=None, ulp=None):
        lengths = [len(row) for row in gaps]
        flat = np.array([gap for row in gaps for gap in row], dtype=np.float32)
        units = flat if ulp is None else np.array([gap for row in ulp for gap in row], dtype=np.float32)
        ids = [token for row in tokens or [range(n) for n in lengths] for token in row]
        names = tuple(f"r{i}" for i in range(len(gaps)))
        traces = Traces(
            ids=names,
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            columns={
                "gap": flat,
                "gap_ulp": units,
                "token_id": np.array(ids, dtype=np.int32),
                "char_end": np.array([2 * (t + 1) for n in lengths for t in range(n)], dtype=np.int32),
            },
            text_bytes=2 * np.array(lengths, dtype=np.int64),
            zlib_bytes=np.array(lengths, dtype=np.int64) + 8,
        )
        spans = spans or [()] * len(gaps)
        records = [
            Record(name, "é " * n, name, "member", "train", tuple(Span(a, b, "drug") for a, b in row))
            for name, n, row in zip(names, lengths, spans, strict=True)
        ]
        return traces, records

    return make
