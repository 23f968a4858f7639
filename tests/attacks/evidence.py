"""Evidence by hand for every need: what a model that learnt some records would show."""

from __future__ import annotations

import numpy as np

from mnemoscope.records import Record
from mnemoscope.registry import NEEDS
from mnemoscope.seeds import generator
from mnemoscope.traces import Shadows, Traces

RIVALS = 0.5 ** np.arange(1, 8) / (1 - 0.5**7)
EQUALS = np.full(7, 1 / 7)
"""How the other tokens share what the true one leaves: a few rivals or, at every third token, seven by seven equals."""


def make_traces(rows, token_ids=None):
    """Traces from log-probabilities a record; all other columns are those of one distribution that has them."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    logprob = np.array([value for row in rows for value in row], dtype=np.float32)
    place = np.concatenate([np.arange(n) for n in lengths] or [[]]).astype(np.int64)
    if token_ids is None:
        token_ids = np.random.default_rng(0).zipf(1.3, len(logprob)) % 5000
    return Traces(
        ids=tuple(f"r{i:03}" for i in range(len(rows))),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        columns={
            "token_id": np.asarray(token_ids, dtype=np.int32),
            "char_end": (4 * place + 4).astype(np.int32),
            "logprob": logprob,
            **distribution(logprob.astype(np.float64), place % 3 == 2),
        },
        text_bytes=4 * lengths,
        zlib_bytes=8 + 3 * lengths,
    )


def distribution(logprob, flat):
    """Gap, rank and moments where the true token has `logprob` and the others share the rest."""
    p, copies = np.exp(logprob), np.where(flat, 7, 1)[:, None]  # each share stands for so many tokens
    others = np.where(flat[:, None], EQUALS, RIVALS) * (1 - p)[:, None] / copies
    with np.errstate(divide="ignore"):
        logs = np.where(others > 0, np.log(others), 0)
        gap = np.minimum(logprob - np.log(others.max(axis=1, initial=0)), 60)
    mean = p * logprob + (copies * others * logs).sum(axis=1)
    variance = p * (logprob - mean) ** 2 + (copies * others * (logs - mean[:, None]) ** 2).sum(axis=1)
    return {
        "gap": gap.astype(np.float32),
        "gap_ulp": (gap * 64).astype(np.float32),
        "rank": (1 + (copies * (others > p[:, None])).sum(axis=1)).astype(np.int32),
        "mean_logprob": mean.astype(np.float32),
        "std_logprob": np.sqrt(variance).astype(np.float32),
    }


def texts(n, seed=0, low=20, high=41):
    """Log-probabilities of `n` records: about -3 nats a token, with a tail to -15 as language has it."""
    rng = np.random.default_rng(seed)
    return [-rng.gamma(0.8, 3.5, rng.integers(low, high)) for _ in range(n)]


def labels(n, seed=None):
    """Members, group by group of two: the first half, or drawn at random, shape (n,)."""
    groups = np.arange(-(-n // 2))
    first = groups < len(groups) // 2
    drawn = first if seed is None else np.random.default_rng(seed).permutation(first)
    return np.repeat(drawn, 2)[:n]


def records(member):
    """Records in groups of two; half the non-member groups are for calibration."""
    return [
        Record(
            id=f"r{i:03}", text="", group=f"g{i // 2:03}", role="member" if one else "nonmember",
            part="train" if one else ("calibration", "evaluation")[i // 2 % 2],
        )
        for i, one in enumerate(member)
    ]  # fmt: skip


def evidence(rows, member, needs=tuple(NEEDS), *, strength=0.4, noise=0.03, seed=1, token_ids=None):
    """Evidence by need about a target that learnt the members among `rows`, the reference's log-probabilities.

    A model multiplies the log-probabilities of what it learnt by `strength` (0: knows it by heart, 1: learnt nothing)
    and all by noise of its own. Other text, and a foreign context, it meets as the reference does.
    """
    member, n = np.asarray(member, dtype=bool), len(rows)
    nothing, inside = np.zeros(n, dtype=bool), halves(n, 6, seed)
    norm = np.random.default_rng(seed).uniform(1 - noise, 1 + noise, n)

    def passed(need, learnt, split=1):
        rng = generator(seed, need)
        drawn = [row * rng.uniform(1 - noise, 1 + noise, len(row)) for row in map(np.asarray, rows)]
        kept = [row * (strength if one else 1) for row, one in zip(drawn, learnt, strict=True)]
        return make_traces([np.repeat(row / split, split) for row in kept], token_ids if split == 1 else None)

    made = {
        "target": lambda: passed("target", member),
        "reference": lambda: make_traces(rows, token_ids),
        "lowercase": lambda: passed("lowercase", nothing),
        "nonmember_shots": lambda: passed("nonmember shots", nothing),
        "member_shots": lambda: passed("member shots", member),
        "neighbours": lambda: tuple(passed(f"neighbour {k}", nothing) for k in range(3)),
        "second": lambda: passed("second", nothing, split=2),
        "in_domain": lambda: passed("in domain", nothing),
        "gradient": lambda: -passed("target", member).mean("logprob") * norm,
        "shadows": lambda: Shadows(
            traces=tuple(passed(f"shadow {k}", row) for k, row in enumerate(inside)),
            inside=inside,
            population=np.array([record.part == "calibration" for record in records(member)], dtype=bool),
            groups=np.arange(n) // 2,
        ),
    }
    return {need: made[need]() for need in needs}


def halves(n, k, seed):
    """Which of `n` records each of `k` shadows is trained on: two halves of a random cut of the groups, k / 2 times."""
    rng, groups = np.random.default_rng(seed), -(-n // 2)
    first = [np.repeat(rng.permutation(groups) < groups // 2, 2)[:n] for _ in range(k // 2)]
    return np.array([half for one in first for half in (one, ~one)]).reshape(k, n)


def take(piece, rows):
    """The records `rows` of a piece of evidence, whatever it is."""
    if isinstance(piece, tuple):
        return tuple(one.take(rows) for one in piece)
    if isinstance(piece, Shadows):
        return Shadows(take(piece.traces, rows), piece.inside[:, rows], piece.population[rows], piece.groups[rows])
    return piece.take(rows)


def arrays(piece):
    """All arrays of a piece of evidence, copied."""
    if isinstance(piece, tuple):
        return [array for one in piece for array in arrays(one)]
    if isinstance(piece, Shadows):
        return [piece.inside.copy(), piece.population.copy(), piece.groups.copy(), *arrays(piece.traces)]
    if isinstance(piece, Traces):
        return [piece.offsets.copy(), piece.zlib_bytes.copy(), *(column.copy() for column in piece.columns.values())]
    return [np.ma.getdata(piece).copy(), np.ma.getmaskarray(piece).copy()]
