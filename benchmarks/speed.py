"""Tokens a second of scoring and of training against what this machine's matrix products allow, in one run.

    python benchmarks/speed.py [--records 512] [--out docs/results/speed.csv]

The floor: a forward pass costs 2 FLOPs a parameter and token; LoRA training 4, because frozen weights need no
gradient of their own. The yardstick is the rate of matrix products in the dtype that mnemoscope chooses on this
machine, measured before, between and after; its median counts.
Data: the training records of a PHEE folder when --data is given, else synthetic notes.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch

import mnemoscope.data as texts
from mnemoscope import models, provenance
from mnemoscope.matrices import parse_matrices
from mnemoscope.models.forward import padded, plan_batches, trace
from mnemoscope.models.load import body_and_head

finetuning = importlib.import_module("mnemoscope.models.finetune")  # a function of that name hides it
MODEL = "smollm2-135m-instruct-q4"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

SHAPE = (1024, 576, 1536)
"""Tokens, width and inner width of the built-in model: its own largest products."""


def rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """GFLOP/s of x @ w.T at SHAPE."""
    n, k, m = SHAPE
    x, w = torch.randn(n, k).to(dtype), torch.randn(m, k).to(dtype)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        torch.nn.functional.linear(x, w)
        done += 1
    return 2 * n * k * m * done / (time.perf_counter() - start) / 1e9


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@torch.inference_mode()
def bare_forward(lm: models.LanguageModel, tokens: models.Tokens) -> None:
    """Hidden states and logits of the trace's own batches, a batch at a time: what the trace's columns add to."""
    body, head = body_and_head(lm.model)
    for rows in plan_batches(tokens.lengths, device=lm.device):
        inputs, mask, _ = padded([tokens.ids[row] for row in rows], lm.start_id, lm.device)
        head(body(input_ids=inputs, attention_mask=mask, use_cache=False).last_hidden_state[mask.bool()])


def train(lm: models.LanguageModel, tokens: models.Tokens, batch: int, *, packed: bool = True) -> None:
    parts = models.micro_batches(tokens.lengths, batch, device=lm.device)
    recipe = models.Recipe(1e-3, batch, parts, epochs=1, warmup_steps=1, save_steps=10**6, seed=1)
    able = nullcontext() if packed else patch.object(finetuning, "packs", return_value=False)
    with tempfile.TemporaryDirectory() as folder, able:
        out = Path(folder)
        models.finetune(lm, tokens, tokens.take([]), recipe, work=out / "work", out=out / "adapter", facts={})


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=512)
    parser.add_argument("--data", default="synthetic:512")
    parser.add_argument("--matrices", default="v")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def measured(given: argparse.Namespace) -> list[tuple[str, str, str]]:
    """What was measured, the number, and what it is held against."""
    members = [record for record in texts.read(given.data) if record.role == "member"][: given.records]
    lm = models.open_model(MODEL)
    tokens = models.tokenize(lm, members, max_tokens=1024)
    parameters, plan = lm.facts()["parameters"], plan_batches(tokens.lengths, device=lm.device)
    rates, bare, traced = [rate(lm.dtype)], [], []
    for _ in range(3):  # side by side, so that a noisy neighbour hits both
        bare.append(timed(lambda: bare_forward(lm, tokens)))
        traced.append(timed(lambda: trace(lm, tokens, plan)))
        rates.append(rate(lm.dtype))
    models.add_lora(lm, matrices=parse_matrices(given.matrices), rank=given.rank, alpha=16, dropout=0.05, seed=1)
    training = timed(lambda: train(lm, tokens, 64))
    rates.append(rate(lm.dtype))
    some, apart, together = tokens.take(range(min(len(tokens), 128))), [], []
    for _ in range(3):
        apart.append(timed(lambda: train(lm, some, 16, packed=False)))
        together.append(timed(lambda: train(lm, some, 16)))
    floor, used = statistics.median(rates), str(lm.dtype).removeprefix("torch.")
    others = {name: dtype for name, dtype in DTYPES.items() if dtype != lm.dtype}
    n, slower = tokens.total, min(apart) / min(together)
    score, learn, plain = n / min(traced), n / training, n / min(bare)
    what = f"training ({given.matrices}, rank {given.rank})"
    cpu = provenance.machine()
    return [
        ("machine", f"{cpu['cpu']}, {cpu['cores']} cores", f"{len(members)} records, {n} tokens"),
        (f"{used} matrix products", f"{floor:.0f} GFLOP/s", f"spread {min(rates):.0f}-{max(rates):.0f}"),
        *((f"{name} matrix products", f"{rate(dtype):.0f} GFLOP/s", "") for name, dtype in others.items()),
        ("bare forward", f"{plain:.0f} tokens/s", f"{2e-9 * parameters * plain / floor:.0%} of the {used} rate"),
        ("scoring (trace)", f"{score:.0f} tokens/s", f"{2e-9 * parameters * score / floor:.0%} of the {used} rate"),
        ("cost of the trace's columns", f"{plain / score - 1:+.1%}", "over the bare forward"),
        (what, f"{learn:.0f} tokens/s", f"{4e-9 * parameters * learn / floor:.0%} of the {used} rate"),
        ("batches of 16, packed", f"{some.total / min(together):.0f} tokens/s", f"{len(some)} records"),
        (
            "batches of 16, padded",
            f"{some.total / min(apart):.0f} tokens/s",
            f"{slower:.1f} times as long",
        ),
    ]


def main() -> None:
    given = options()
    table = measured(given)
    for row in table:
        print("{:<34}{:>18}   {}".format(*row))
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "measured", "against"), *table])


if __name__ == "__main__":
    main()
