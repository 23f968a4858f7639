"""What generating costs: in batches against one record at a time, and against reading probabilities off a trace.

    python benchmarks/generation.py [--sampled 2] [--out docs/results/generation.csv]

One run on synthetic notes, side by side. (a) the suffixes of some records, in batches and one by one. (b) how probable
it is that one query gives back the suffix: for all records from one pass over them with the decoding's column, which
is exact, and for a few by sampling each --generations times, which tells no share below one in that many.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mnemoscope import data, models, provenance
from mnemoscope.decoding import Decoding, closed_form
from mnemoscope.prefixes import cut
from mnemoscope.seeds import generator

MODEL = "smollm2-135m-instruct-q4"
SEED = 13

Made = TypeVar("Made")
Row = tuple[str, str, str]


def timed(lm: models.LanguageModel, work: Callable[[], Made]) -> tuple[float, Made]:
    """Seconds, and what came of it; on a CPU those of the processor, which a busy neighbour does not change much."""
    clock = time.process_time if lm.device.type == "cpu" else time.perf_counter
    start = clock()
    made = work()
    return clock() - start, made


def numbers(name: str, lengths: list[int]) -> list[NDArray[np.float64]]:
    """Uniform numbers of every text, from a stream of its own."""
    return [generator(SEED, name, str(i)).random(n) for i, n in enumerate(lengths)]


def halves(tokens: models.Tokens, rows: range) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
    """Prefixes and suffixes of the records `rows`, cut in half."""
    cuts = {i: k for i in rows if (k := cut(len(tokens.ids[i]), "0.50")) is not None}
    return [tokens.ids[i][:k] for i, k in cuts.items()], [tokens.ids[i][k:] for i, k in cuts.items()]


def batching(lm: models.LanguageModel, tokens: models.Tokens, given: argparse.Namespace) -> list[Row]:
    """The same continuations in batches and one record at a time."""
    decoding: Decoding = given.decoding
    prefixes, suffixes = halves(tokens, range(given.continued))
    lengths = [len(suffix) for suffix in suffixes]
    draws = numbers("continue", lengths)
    models.generate(lm, prefixes[:1], [1])  # to warm up
    together, new = timed(lm, lambda: models.generate(lm, prefixes, lengths, decoding, draws, batch=given.batch))
    alone, singly = timed(lm, lambda: models.generate(lm, prefixes, lengths, decoding, draws, batch=1))
    equal = sum(np.array_equal(a, b) for a, b in zip(new, singly, strict=True))
    what = f"{len(lengths)} records, {sum(lengths)} tokens"
    return [
        (f"batches of {given.batch}", f"{sum(lengths) / together:.1f} tokens/s", f"{together:.1f} s, {what}"),
        ("one record at a time", f"{sum(lengths) / alone:.1f} tokens/s", f"{alone:.1f} s"),
        ("batching", f"{alone / together:.1f}x faster", f"{equal} of {len(lengths)} equal in {str(lm.dtype)[6:]}"),
    ]


def probabilities(lm: models.LanguageModel, tokens: models.Tokens, given: argparse.Namespace) -> list[Row]:
    """One pass over all records against sampling some of them many times."""
    decoding: Decoding = given.decoding
    plan = models.plan_batches(tokens.lengths, device=lm.device)
    reading, (traces, _) = timed(lm, lambda: models.trace(lm, tokens, plan, decodings=(decoding,)))
    prefixes, suffixes = halves(tokens, range(given.sampled))
    told = [
        float(np.exp(traces.tokens(decoding.column, i)[-len(suffix) :].sum(dtype=np.float64)))
        for i, suffix in enumerate(suffixes)
    ]
    asked = [i for i in range(len(suffixes)) for _ in range(given.generations)]
    lengths = [len(suffixes[i]) for i in asked]
    draws = numbers("sample", lengths)
    sampling, new = timed(
        lm, lambda: models.generate(lm, [prefixes[i] for i in asked], lengths, decoding, draws, batch=given.batch)
    )
    seen = sum(np.array_equal(row, suffixes[i]) for row, i in zip(new, asked, strict=True))
    each, drawn = reading / len(tokens), sampling / len(suffixes)
    return [
        (
            "closed form",
            f"{1e3 * each:.1f} ms/record",
            f"{reading:.1f} s, {len(tokens)} records, {tokens.total} tokens",
        ),
        (
            f"{given.generations} generations",
            f"{1e3 * drawn:.0f} ms/record",
            f"{sampling:.1f} s, {len(suffixes)} records",
        ),
        ("closed form", f"{drawn / each:.0f}x faster", f"a record, and it is exact below 1/{given.generations}"),
        (
            "suffixes given back",
            f"{seen} of {len(asked)}",
            f"closed form: {given.generations * sum(told):.2g} expected",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=64, help="records that are traced")
    parser.add_argument("--continued", type=int, default=32, help="records that are continued once")
    parser.add_argument("--sampled", type=int, default=2, help="records that are continued --generations times")
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--decoding", type=closed_form, default="t1-k40", help="one that samples at one temperature")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lm = models.open_model(MODEL, dtype=given.dtype)
    tokens = models.tokenize(lm, data.notes(given.records, 0, SEED), max_tokens=1024)
    cpu = provenance.machine()
    table = [
        ("machine", f"{cpu['cpu']}, {cpu['cores']} cores", f"{torch.get_num_threads()} threads, {lm.device.type}"),
        ("decoding", given.decoding.label, f"{str(lm.dtype)[6:]}, {lm.dtype_reason}; prefix 0.50"),
        *batching(lm, tokens, given),
        *probabilities(lm, tokens, given),
    ]
    for row in table:
        print("{:<24}{:>26}   {}".format(*row))
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "measured", "against"), *table])


if __name__ == "__main__":
    main()
