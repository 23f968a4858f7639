"""What a study will cost, from a short calibration on its own model and records."""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

import mnemoscope.data as texts
from mnemoscope import executors, models
from mnemoscope.seeds import derive
from mnemoscope.steps.bench import Bench
from mnemoscope.steps.opening import fresh_adapter
from mnemoscope.steps.states import span
from mnemoscope.steps.training import recipe_for

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mnemoscope.grid import Cell
    from mnemoscope.steps.studying import Plan

STEPS = 3
"""Optimizer steps of the calibration; the first warms up and is not counted."""
READ = 2000
"""Tokens that the calibration reads, about."""
BYTES = {"adapter": 4, "column": 4}
"""Bytes of a trainable parameter on disk, and of a number in a trace."""
COLUMNS = 9
"""Columns of a trace without decodings."""
ESTIMATES = 20.0
"""Seconds a cell for checks, statistics and its page, about."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one cell takes; seconds and bytes are rough."""

    cell: str
    trained: int
    """Tokens of fine-tuning."""
    read: int
    """Tokens that are read to score records; the first cell of a seed reads the base too."""
    seconds: float
    bytes: int
    done: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second, measured."""

    train: float
    read: float


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a study will cost."""

    costs: tuple[Cost, ...]
    rates: Rates
    folder: Path
    jobs: int

    def __rich__(self) -> RenderableType:
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("cell", no_wrap=True)
        for head in ("tokens trained", "tokens read", "minutes", "MB"):
            table.add_column(head, justify="right")
        for one in self.costs:
            minutes = "done" if one.done else f"{one.seconds / 60:.1f}"
            table.add_row(one.cell, f"{one.trained:,}", f"{one.read:,}", minutes, f"{one.bytes / 1e6:.0f}")
        left = [one for one in self.costs if not one.done]
        time_taken = span(makespan([one.seconds for one in left], self.jobs))
        megabytes = sum(one.bytes for one in left) / 1e6
        how = "one after the other" if self.jobs == 1 else f"with {self.jobs} at once that do not slow one another"
        return Group(table, Text(
            f"\n{len(self.costs)} cells, {len(left)} to run: about {time_taken} {how} and {megabytes:,.0f} MB in "
            f"{self.folder}, by a short calibration on this machine "
            f"({self.rates.train:,.0f} tokens/s of fine-tuning, {self.rates.read:,.0f} of reading)"
        ))  # fmt: skip


def makespan(seconds: Sequence[float], jobs: int) -> float:
    """Seconds until all is done, where each in turn is begun as soon as one of `jobs` is free.

    >>> makespan([3.0, 3.0, 2.0], 2), makespan([3.0, 3.0, 2.0], 1), makespan([], 2)
    (5.0, 8.0, 0.0)
    """
    ends = [0.0] * jobs
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def foresee_study(plan: Plan, jobs: int = 1) -> Foreseen:
    """The cost of every cell; the model is opened, and nothing is written into the study's folder.

    With several `jobs` the calibration has the threads that one of them will have.
    """
    threads = executors.threads_each(jobs)
    with tempfile.TemporaryDirectory() as scratch, models.at_most_threads(threads):
        bench = Bench(plan.study, plan.pool, None, plan.compute())
        rates = _rates(bench, plan.cells[0], Path(scratch))
        waiting, costs, begun = set(plan.waiting()), list[Cost](), set[int]()
        for cell in plan.cells:
            costs.append(_cost(bench, cell, rates, done=cell.id not in waiting, base=cell.seed not in begun))
            begun.add(cell.seed)
    return Foreseen(tuple(costs), rates, plan.run.folder, jobs)


def _rates(bench: Bench, cell: Cell, scratch: Path) -> Rates:
    """Tokens a second of a few steps as the first cell takes them, and of reading a few batches."""
    given = bench.of(cell.seed)
    fresh_adapter(bench.lm, cell.training, cell.seed)
    members = [i for i, record in enumerate(given.records) if record.role == "member"]
    some = given.tokens.take(members[: cell.training.batch_size * STEPS])
    recipe = recipe_for(
        cell.training.model_copy(update={"epochs": 1}), some, bench.lm, derive(cell.seed, "calibration")
    )
    ticks: list[tuple[float, int]] = []

    def tick(n: int, note: str | None = None) -> None:  # noqa: ARG001
        ticks.append((time.perf_counter(), n))

    models.finetune(
        bench.lm, some, some.take(()), recipe, work=scratch / "work", out=scratch / "adapter", facts={}, tick=tick
    )
    return Rates(_rate([one for one in ticks if one[1]]), _reading(bench, given.tokens.lengths.tolist(), members, cell))


def _rate(ticks: Sequence[tuple[float, int]]) -> float:
    """Units a second after the first tick."""
    seconds = ticks[-1][0] - ticks[0][0]
    return sum(n for _, n in ticks[1:]) / seconds if seconds > 0 else float("inf")


def _reading(bench: Bench, lengths: Sequence[int], members: Sequence[int], cell: Cell) -> float:
    rows, total = [], 0
    for i in members:
        rows.append(i)
        total += lengths[i]
        if total > READ:
            break
    some = bench.of(cell.seed).tokens.take(rows)
    begun = time.perf_counter()
    models.trace(bench.lm, some, models.plan_batches(some.lengths, device=bench.lm.device), decodings=bench.decodings())
    return some.total / (time.perf_counter() - begun)


def _cost(bench: Bench, cell: Cell, rates: Rates, *, done: bool, base: bool) -> Cost:
    given, training = bench.of(cell.seed), cell.training
    planting = texts.plant(given.records, copies=training.copies, planted=training.planted, seed=cell.seed)
    trained = round(given.tokens.take(planting.slots).total * training.epochs)
    passes = max(1, round(training.epochs)) if cell.every_epoch else 1
    read = (passes + base) * given.tokens.total
    if bench.study.measurement("0").in_domain:  # two references on half of the non-members each, and one more pass
        outside = [i for i, record in enumerate(given.records) if record.role == "nonmember"]
        trained, read = trained + round(given.tokens.take(outside).total * training.epochs), read + given.tokens.total
    fresh_adapter(bench.lm, training, cell.seed)
    adapters = models.trainable_parameters(bench.lm) * BYTES["adapter"] * (1 + passes * cell.every_epoch)
    traces = 2 * given.tokens.total * (COLUMNS + len(bench.decodings())) * BYTES["column"]
    seconds = trained / rates.train + read / rates.read + ESTIMATES
    return Cost(cell.id, trained, read, seconds, adapters + traces, done)
