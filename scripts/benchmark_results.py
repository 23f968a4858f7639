"""What the benchmarks measured, docs/results/benchmarks.md, from docs/results/*.csv."""

from __future__ import annotations

import csv
from pathlib import Path

WHY = {"matrices": "Why the AUC orders the matrices as it does"}
"""Question to the section that looks into its answer."""
BENCHMARKS = (
    (WHY["matrices"], "references",
     "python benchmarks/references.py --study runs/epochs --data ../shared/phee --work runs/references "
     "--out docs/results/references.csv",
     "The 20 cells of the study epochs after their last epoch, held against the base model, and against the same cell "
     "of the next seed, which was trained alike on other records of PHEE; records that both trained on are left out. "
     "Asked before it was run: does the order of the matrices turn once the reference has learned the domain, too? It "
     "was expected to, because counterfactual memorization, known by then, puts O ahead and V beside Q. It turns: V "
     "and O, which learn most of the domain, are hidden most by the base as reference. Against another seed V and Q "
     "cannot be told apart and O is ahead of K. Intervals are not corrected for their number. The study references "
     "asks again, with other seeds and claims that were fixed before."),
    ("What the intervals cover", "coverage",
     "python benchmarks/coverage.py --draws 4000 --out docs/results/coverage.csv",
     "Binormal scores with a random effect of the group; a nominal 95% should cover 95% of the draws. The other "
     "intervals are there to show what they really cover."),
    ("Whether valid audits are called doubtful, and wrong ones caught", "validity",
     "python benchmarks/validity.py --data ../shared/phee --traces runs/qkvo-r16/reference/traces.parquet --draws N "
     "--scenario …",
     "PHEE, its groups dealt to members and non-members anew in every draw: left as they are (all nine controls), or "
     "made wrong on purpose (the controls that see text alone). The error is to call a valid audit doubtful, or a "
     "wrong one valid; with its 95% Clopper-Pearson interval."),
    ("One million records", "million", "python benchmarks/million.py --out docs/results/million.csv",
     "Seconds of the trace-only attacks over a million synthetic records of 20 to 60 tokens, streamed in blocks; the "
     "aim is 60 s and 4 GB on 2 cores."),
    ("Generating against reading off", "generation",
     "python benchmarks/generation.py --continued 16 --batch 16 --sampled 1 --generations 100 --records 48 "
     "--out docs/results/generation.csv",
     "Processor seconds of one thread in float32 on a CPU that was shared. The closed form is one pass with one "
     "decoding at one prefix; the same pass serves every prefix length and other decodings too. It was hoped to be a "
     "thousand times faster than sampling; for one decoding and prefix it is not: sampling in batches reads as many "
     "tokens as it writes, each at a few times the cost of one in the pass."),
    ("Speed", "speed", "python benchmarks/speed.py --data PHEE --records 384 --out docs/results/speed.csv",
     "In the number format that mnemoscope chooses: here float32, because this CPU multiplies bfloat16 more slowly. "
     "The aims are 70% for scoring, 55% for training and at most 15% for the columns."),
    ("Speed with fast bfloat16", "speed-bfloat16",
     "python benchmarks/speed.py --data PHEE --records 384 --out docs/results/speed-bfloat16.csv",
     "On another machine, with nothing beside. The aims are the same, and all are met here. The yardstick repeats one "
     "product whose weights stay in the cache; a pass streams all weights and spends the rest on norms, attention, "
     "dropout and casts, which grow in share as the products get faster."),
    ("Cells at once on one GPU", "gpu",
     "mnemoscope study FILE.yaml --data PHEE --jobs 12",
     "Twelve cells as studies/phee.yaml has them, with random weights in the shape of the built-in model: speed alone, "
     "one run, taken down by hand from its timings, when batches were still padded to their longest record (2.4 "
     "positions a token, now 1.05). A step of one cell takes 0.16 s, far more than its arithmetic all the same; the "
     "likely reason, that the GPU waits for its many small kernels to be handed over, was not tested."),
)  # fmt: skip


def page(folder: Path) -> list[str]:
    """A section a benchmark, each of one run on one machine; nothing where none is in `folder`."""
    lines = ["# Benchmarks", "", "[All results](../results.md)", ""]
    for title, name, command, text in BENCHMARKS:
        path = folder / f"{name}.csv"
        if not path.is_file():
            continue
        with path.open() as file:
            rows = list(csv.reader(file))
        lines += [f"## {title}", "", f"    {command}", "", text, "", f"| {' | '.join(rows[0])} |"]
        lines += ["|---" * len(rows[0]) + "|", *(f"| {' | '.join(map(_short, row))} |" for row in rows[1:]), ""]
    return lines if len(lines) > 4 else []


def _short(cell: str) -> str:
    """Numbers with at most four decimals."""
    try:
        return f"{float(cell):.4g}" if "." in cell else cell
    except ValueError:
        return cell
