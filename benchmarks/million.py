"""Seconds and memory that the attacks take for a million records, from traces to scores.

    OMP_NUM_THREADS=2 python benchmarks/million.py [--records 1000000] [--out docs/results/million.csv]

Every attack that needs no more than target and reference, on synthetic traces of 20 to 60 tokens a record, made block
by block: no more than one block is ever held, as an audit of this size would do. Fitted attacks learn from 5,000
records beforehand; neither that nor the making of the traces is counted. The floor is a plain copy of the bytes of
the columns that an attack may read: nothing that reads them once is faster.
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mnemoscope import provenance, registry
from mnemoscope.attacks import dc_pdd, learned
from mnemoscope.records import Scores
from mnemoscope.seeds import generator
from mnemoscope.traces import Traces

LEARNT = 5_000
VOCABULARY = 49_152
READ = ("token_id", "logprob", "gap", "rank", "mean_logprob", "std_logprob")
"""Columns that some attack reads."""

Pair = tuple[Traces, Traces]


def pair(n: int, name: str) -> Pair:
    """Target and reference on `n` records; the target learnt the even ones a little."""
    rng = generator(0, "million", name)
    lengths = rng.integers(20, 61, n)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ids = np.minimum(rng.zipf(1.2, offsets[-1]), VOCABULARY - 1).astype(np.int32)
    reference = -rng.gamma(0.8, 3.5, offsets[-1])
    kept = np.repeat(np.where(np.arange(n) % 2, 1.0, 0.9), lengths) * rng.normal(1, 0.05, offsets[-1])
    return traces(offsets, ids, reference * kept, rng), traces(offsets, ids, reference, rng)


def traces(offsets: np.ndarray, ids: np.ndarray, logprob: np.ndarray, rng: np.random.Generator) -> Traces:
    """All columns, as far apart as a model's are; the time does not depend on their values."""
    n, gap = len(offsets) - 1, logprob + rng.gamma(2, 1, len(logprob))
    columns = {
        "token_id": ids,
        "logprob": logprob,
        "gap": gap,
        "rank": np.where(gap >= 0, 1, np.minimum(2 + np.exp(-logprob / 2), VOCABULARY)),
        "mean_logprob": -rng.gamma(2, 1, len(logprob)),
        "std_logprob": rng.gamma(4, 0.4, len(logprob)),
    }
    kinds = {
        name: values.astype(np.int32 if name in ("token_id", "rank") else np.float32)
        for name, values in columns.items()
    }
    return Traces(tuple(map(str, range(n))), offsets, kinds, 4 * np.diff(offsets), 8 + 3 * np.diff(offsets))


def attacks() -> Mapping[str, Callable[[Traces, Traces], Scores]]:
    """Every trace-only attack as a function of target and reference, the fitted ones fitted."""
    target, reference = pair(LEARNT, "learnt")
    member = np.arange(LEARNT) % 2 == 0
    seen = registry.Seen(member, ~member, {"target": target, "reference": reference})
    table, trees = dc_pdd.rarity(seen), learned.fit(seen)
    ready = {
        "dc_pdd": lambda target, _: dc_pdd.divergence(target, table),
        "learned": lambda target, reference: learned.log_odds(trees, target, reference),
    }
    return {name: ready.get(name) or plain(registry.find(name)) for name in registry.trace_only()}


def plain(attack: registry.Attack) -> Callable[[Traces, Traces], Scores]:
    return lambda target, reference: attack.score({"target": target, "reference": reference})


def copy(target: Traces, reference: Traces) -> list[np.ndarray]:
    return [one.values(name).copy() for one in (target, reference) for name in READ]


def measure(records: int, block: int) -> tuple[Counter[str], int]:
    """Seconds by attack, and of the copy that is the floor; and tokens."""
    seconds: Counter[str] = Counter()
    works, tokens = {"floor": copy, **attacks()}, 0
    for start in range(0, records, block):
        target, reference = pair(min(block, records - start), str(start))
        tokens += int(target.offsets[-1])
        for name, work in works.items():
            began = time.perf_counter()
            work(target, reference)
            seconds[name] += time.perf_counter() - began
    return seconds, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--block", type=int, default=50_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    seconds, tokens = measure(given.records, given.block)
    floor = seconds.pop("floor")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    cpu = provenance.machine()
    table = [
        ("machine", f"{cpu['cpu']}, {cpu['cores']} cores", f"{given.records:,} records, {tokens:,} tokens"),
        *((name, f"{taken:.2f} s", f"{1e9 * taken / tokens:.1f} ns a token") for name, taken in seconds.items()),
        ("all attacks", f"{seconds.total():.1f} s", f"{seconds.total() / floor:.0f} copies of the columns"),
        ("one copy of the columns", f"{floor:.2f} s", "the floor"),
        ("peak memory", f"{peak:.2f} GiB", f"blocks of {given.block:,} records"),
    ]
    for row in table:
        print("{:<30}{:>32}   {}".format(*row))
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "measured", "against"), *table])


if __name__ == "__main__":
    main()
