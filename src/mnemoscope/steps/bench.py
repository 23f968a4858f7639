"""What all cells of a study share: the model is opened once, records are cut once, the reference is traced once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import mnemoscope.data as texts
from mnemoscope import models
from mnemoscope.decoding import Decoding, closed_form, distinct
from mnemoscope.errors import RunError
from mnemoscope.progress import bar
from mnemoscope.records import Record
from mnemoscope.steps.measuring import Reading
from mnemoscope.steps.opening import base_inputs, open_alone, texts_key
from mnemoscope.store import Run, key_of
from mnemoscope.tables import read_traces, write_traces
from mnemoscope.traces import Traces

if TYPE_CHECKING:
    from mnemoscope.config import Compute
    from mnemoscope.models import LanguageModel, Plan, Tokens
    from mnemoscope.study_file import Study

Tick = Callable[[int], None]

REFERENCE = "reference"
"""Folder in a study's where the base's traces are kept, one folder for each set of records."""
TRACES = "traces.parquet"
SEEDS = 8
"""Seeds whose reference traces stay in memory: on all of PHEE 12 MB each."""


@dataclass(frozen=True, slots=True)
class SeedSet:
    """The records of one seed, before planting, with all that its cells share."""

    records: tuple[Record, ...]
    tokens: Tokens
    """Aligned to `records`."""
    plan: Plan
    """Batches over `records`: every target of the seed and the reference go through them."""
    key: str
    """Of the texts and their order."""


class Bench:
    """The open model and the records of a study."""

    def __init__(self, study: Study, pool: Sequence[Record], kept: Path | None, compute: Compute) -> None:
        """Open the model and cut all records; the reference's traces go to the folder `kept`, where there is one.

        Raises:
            ModelError: the model cannot be used.
        """
        self.study, self.kept, self.compute = study, kept, compute
        self.lm: LanguageModel = open_alone(study.model, compute)
        self._pool = pool
        self._tokens = models.tokenize(self.lm, pool, max_tokens=compute.max_tokens)
        self._seeds: dict[int, SeedSet] = {}
        self._bases: dict[str, Traces] = {}

    def of(self, seed: int) -> SeedSet:
        """The records of a seed."""
        if seed not in self._seeds:
            self._seeds[seed] = self._drawn(seed)
        return self._seeds[seed]

    def _drawn(self, seed: int) -> SeedSet:
        records = drawn(self._pool, self.study, seed)
        rows = {record.id: row for row, record in enumerate(self._pool)}
        tokens = self._tokens.take([rows[record.id] for record in records])
        plan = models.plan_batches(tokens.lengths, device=self.lm.device)
        return SeedSet(records, tokens, plan, texts_key(records))

    def reading(self, seed: int, rows: Sequence[int]) -> Reading:
        """How a cell reads the records `rows` of its seed: the target once, the reference as it was read before."""
        given = self.of(seed)
        index = np.asarray(rows, dtype=np.int64)

        def pair(tick: Tick) -> tuple[Traces, Traces]:
            target, reference = self.pair(given, tick)
            return target.take(index), reference.take(index)

        return Reading(key_of([given.key, "one plan a seed"]), given.tokens.total, pair)

    def pair(self, given: SeedSet, tick: Tick) -> tuple[Traces, Traces]:
        """Traces of target and reference over all records of a seed, through one plan."""
        return models.trace_pair(self.lm, None, given.tokens, tick, self.decodings(), self.reference(given))

    def read_ahead(self, seed: int) -> None:
        """Have the base's traces of a seed read before its first cell trains, unless another process is at it.

        Cells that train at once would end at once, and all but one then wait for the reading.
        """
        if self.kept is not None:
            with suppress(RunError):
                self.reference(self.of(seed), wait=False)

    def reference(self, given: SeedSet, *, wait: bool = True) -> Traces:
        """The base model's traces of a seed's records, from the first cell that asked.

        Those of the last SEEDS seeds stay in memory: neighbouring cells are often of other seeds, and nothing private
        is left on the disk of another machine.

        Raises:
            RunError: another process is reading them, and there is no waiting.
        """
        found = self._bases.pop(given.key, None) or self._read_base(given, wait)
        self._bases[given.key] = found  # the last used stands last
        if len(self._bases) > SEEDS:
            del self._bases[next(iter(self._bases))]
        return found

    def _read_base(self, given: SeedSet, wait: bool) -> Traces:
        return self._traced(given) if self.kept is None else self._from(self.kept / given.key[:16], given, wait)

    def _traced(self, given: SeedSet) -> Traces:
        with (
            bar("read base", given.tokens.total, "tokens") as tick,
            models.without_adapter(self.lm, off=hasattr(self.lm.model, "peft_config")),
        ):
            return models.trace(self.lm, given.tokens, given.plan, tick, self.decodings())[0]

    def _from(self, folder: Path, given: SeedSet, wait: bool) -> Traces:
        """The traces that `folder` keeps, which the first process that asks puts there while the others wait."""
        inputs = base_inputs(self.lm, self.compute, given.key, self.decodings())

        with Run(folder).alone(wait=wait):
            run = Run(folder)  # as the process before left it

            def work() -> None:
                with run.writing(TRACES) as out:
                    write_traces(out, self._traced(given))

            run.stage("traces", inputs, [TRACES], work, units=given.tokens.total)
            return read_traces(run.path(TRACES))

    def decodings(self) -> Sequence[Decoding]:
        """Those that every trace holds."""
        return distinct(self.study.extraction.decodings, closed_form)


def drawn(pool: Sequence[Record], study: Study, seed: int) -> tuple[Record, ...]:
    """The records of a seed: roles drawn anew where the study says so, then its share of the groups."""
    placed = texts.redraw(pool, seed) if study.data.split == "redrawn" else pool
    return texts.sample(placed, study.data.share, seed)
