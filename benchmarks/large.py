"""Tokens a second, share of the GPU's matrix rate and memory of a model with the shape of Llama-2-7B.

    python benchmarks/large.py [--data PHEE] [--out docs/results/large.csv]

Weights are random, so nothing is said of any text: only of speed and memory. Records are random tokens as long as the
data's texts are in Llama-2's tokens (3.6 characters each: 36 on PHEE). The model is made on the GPU, saved once, and
then opened as a user's own folder is, in full, 8 and 4 bits. A forward pass costs 2 FLOPs a parameter and token, LoRA
training 4, and padding counts as nothing. The yardstick is the rate of a large bfloat16 product on the same GPU.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import mnemoscope.data as texts
from mnemoscope import models
from mnemoscope.matrices import parse_matrices
from mnemoscope.models.forward import plan_batches, trace
from mnemoscope.seeds import generator

SHAPE = {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096,
}  # fmt: skip
CHARACTERS = 3.6
"""Of a text a token of Llama-2: PHEE's 130 make its 36."""
PARTS = (8, 2)
"""Parts of a batch of 64: as the paper's study file has it, and for a GPU with memory to spare."""
HEAD = ("load in", "task", "tokens/s", "share of the bfloat16 rate", "memory, GB")
Row = tuple[str, str, str, str, str]


def make(folder: Path, layers: int) -> Path:
    """A folder with random bfloat16 weights and a tokenizer that nobody asks."""
    models.write_tiny(folder)
    (folder / "model.safetensors").unlink()
    config = LlamaConfig(**{**SHAPE, "num_hidden_layers": layers}, dtype="bfloat16")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    return folder


def records(data: str, n: int) -> models.Tokens:
    """Random tokens, n records as long as the first training records of the data."""
    members = [record for record in texts.read(data) if record.role == "member"][:n]
    draw = generator(1, "large")
    return models.rows_of(
        [draw.integers(3, SHAPE["vocab_size"], max(2, round(len(one.text) / CHARACTERS))).astype(np.int32)
         for one in members]
    )  # fmt: skip


def rate(n: int = 8192, times: int = 20) -> float:
    """TFLOP/s of a product of two n x n bfloat16 matrices."""
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 * times / timed(lambda: [a @ b for _ in range(times)]) / 1e12


def timed(work: Callable[[], object]) -> float:
    """Seconds until the GPU is done, after one call to warm up."""
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def train(lm: models.LanguageModel, tokens: models.Tokens, parts: int) -> float:
    """Tokens a second of fine-tuning, the first two steps not counted."""
    ticks: list[tuple[float, int]] = []

    def tick(n: int, note: str | None = None) -> None:  # noqa: ARG001
        if n:
            torch.cuda.synchronize()
            ticks.append((time.perf_counter(), n))

    recipe = models.Recipe(1e-3, 64, parts, epochs=1, warmup_steps=1, save_steps=10**6, seed=1)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        models.finetune(
            lm, tokens, tokens.take([]), recipe, work=out / "work", out=out / "adapter", facts={}, tick=tick
        )
    return sum(n for _, n in ticks[2:]) / (ticks[-1][0] - ticks[1][0])


def measured(folder: Path, load_in: str, tokens: models.Tokens, floor: float) -> Iterator[Row]:
    """Scoring, then training with each number of parts."""

    def row(task: str, speed: float, flops: float) -> Row:
        share = f"{flops * speed / 1e12 / floor:.0%}"
        return load_in, task, f"{speed:.0f}", share, f"{torch.cuda.max_memory_allocated() / 1e9:.1f}"

    lm = models.open_model(str(folder), device="cuda", load_in=load_in)
    parameters, plan = lm.facts()["parameters"], plan_batches(tokens.lengths, device=lm.device)
    torch.cuda.reset_peak_memory_stats()
    yield row("scoring", tokens.total / timed(lambda: trace(lm, tokens, plan)), 2 * parameters)
    for parts in PARTS:
        models.detach(lm)
        models.add_lora(lm, matrices=parse_matrices("qkvo"), rank=8, alpha=16, dropout=0.05, seed=1)
        torch.cuda.reset_peak_memory_stats()
        some = tokens.take(range(64 * 8))
        yield row(f"training, rank 8, batches of 64 in {parts} parts", train(lm, some, parts), 4 * parameters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:1024")
    parser.add_argument("--records", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"])
    parser.add_argument("--bits", nargs="+", default=["full", "8bit", "4bit"])
    parser.add_argument("--scratch", type=Path, help="where the weights are saved: 13.5 GB")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tokens, floor = records(given.data, given.records), rate()
    table: list[tuple[str, ...]] = [
        ("", torch.cuda.get_device_name(), f"{floor:.0f} TFLOP/s", "bfloat16 products of 8192 x 8192", ""),
        ("", f"{len(tokens)} records, {tokens.total} tokens", "", "", ""),
    ]
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        folder = make(Path(scratch) / "llama-2-7b-shaped", given.layers)
        torch.cuda.empty_cache()
        for load_in in given.bits:
            for one in measured(folder, load_in, tokens, floor):
                table.append(one)
                print(*one, sep=" | ", flush=True)
            torch.cuda.empty_cache()
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([HEAD, *table])


if __name__ == "__main__":
    main()
