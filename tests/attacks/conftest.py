"""Traces by hand, with every column that an attack may read."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.traces import Traces


def make_traces(rows):
    """Traces from log-probabilities a record; the other columns follow from them."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    logprob = np.array([value for row in rows for value in row], dtype=np.float32)
    gap = logprob + 0.7  # above 1/2 probability the true token is the top one
    return Traces(
        ids=tuple(f"r{i}" for i in range(len(rows))),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        columns={
            "token_id": np.arange(len(logprob), dtype=np.int32) % 97,
            "char_end": np.concatenate([np.arange(4, 4 * n + 1, 4) for n in lengths] or [[]]).astype(np.int32),
            "logprob": logprob,
            "gap": gap,
            "gap_ulp": gap * 64,
            "rank": np.where(gap >= 0, 1, 1 + np.ceil(-logprob)).astype(np.int32),
            "mean_logprob": np.full(len(logprob), -3, dtype=np.float32),
            "std_logprob": np.full(len(logprob), 1, dtype=np.float32),
        },
        text_bytes=4 * lengths,
        zlib_bytes=8 + 3 * lengths,
    )


@pytest.fixture(name="traces")
def traces_maker():
    """The function that makes traces."""
    return make_traces
