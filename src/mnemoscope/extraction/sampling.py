"""What decoding would give back from every prefix at once, read off a trace.

While every token so far is the true one, the context of the decoder is the context of the trace. So the trace tells
where greedy decoding leaves the record (Carlini et al. 2023, arXiv:2202.07646) and how probable it is that one query
by sampling gives back the whole suffix: the product over its tokens (Hayes et al. 2024, arXiv:2410.19482).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.decoding import Decoding
from mnemoscope.leaks import Sampled
from mnemoscope.prefixes import Prefix, parse_prefix
from mnemoscope.traces import Traces


def cuts(traces: Traces, prefix: Prefix) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that can be cut, and the prefix tokens of each; both of shape (m,)."""
    sizes = [prefix.cut(n) for n in traces.lengths.tolist()]
    rows = [row for row, k in enumerate(sizes) if k is not None]
    return np.array(rows, dtype=np.int64), np.array([k for k in sizes if k is not None], dtype=np.int64)


def matched_runs(traces: Traces) -> NDArray[np.int64]:
    """How many tokens greedy decoding gives back from each token on, up to the end of its record.

    Shape (offsets[-1],): 0 where the token itself is a miss.
    """
    hit = traces.columns["gap"].astype(np.float64) >= 0
    place = np.arange(len(hit))
    next_miss = np.minimum.accumulate(np.where(hit, len(hit), place)[::-1])[::-1]
    return np.minimum(next_miss, np.repeat(traces.offsets[1:], traces.lengths)) - place


def shortest_prefixes(traces: Traces) -> NDArray[np.int64]:
    """Tokens of the shortest prefix of each record from which greedy decoding gives back all the rest, shape (n,).

    The prefix ends with the last miss: it is the whole record where its last token is one. A record without a miss
    has 1, because a prefix has a token; a record without tokens has 0.
    """
    hit = traces.columns["gap"].astype(np.float64) >= 0
    # one past the last miss before each place, over all records: 0 where there is none
    past_miss = np.concatenate(([0], np.maximum.accumulate(np.where(hit, 0, np.arange(1, len(hit) + 1)))))
    past_last = past_miss[traces.offsets[1:]] - traces.offsets[:-1]  # not above 0 where the miss is another record's
    return np.minimum(np.maximum(past_last, 1), traces.lengths)


def suffix_logprobs(traces: Traces, column: str) -> NDArray[np.float64]:
    """Log-probability that sampling gives everything from each token to the end of its record, shape (offsets[-1],).

    Args:
        traces: with `column`.
        column: log-probability of each token, nats; such as `Decoding.column`.

    Returns:
        Nats; -inf where a token from there on can never come, which says nothing about the tokens after it.
    """
    found = np.zeros(traces.offsets[-1], dtype=np.float64)
    for rows, matrix in traces.by_length(column):
        # summed from the end, record by record: differences of running sums would round, and -inf - -inf is NaN
        sums = np.cumsum(matrix[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
        found[traces.offsets[rows][:, None] + np.arange(matrix.shape[1])] = sums
    return found


def sampled(
    traces: Traces, *, prefix: str, model: Literal["target", "reference"], decodings: Sequence[Decoding]
) -> list[Sampled]:
    """How probable one query gives the suffix: for each decoding, a row a record that can be cut at `prefix`.

    Raises:
        ConfigError: `prefix` is not known.
        KeyError: the trace was made without one of the decodings.
    """
    wanted = parse_prefix(prefix)
    rows, sizes = cuts(traces, wanted)
    starts, lengths = traces.offsets[rows] + sizes, traces.lengths[rows] - sizes
    return [
        Sampled(traces.ids[row], wanted.label, model, decoding.label, suffix_tokens, logprob)
        for decoding in decodings
        for row, suffix_tokens, logprob in zip(
            rows.tolist(), lengths.tolist(), suffix_logprobs(traces, decoding.column)[starts].tolist(), strict=True
        )
    ]
