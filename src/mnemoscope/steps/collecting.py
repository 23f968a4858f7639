"""What a finished cell gives to the answers of its study: kept beside its traces, which are then not read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnemoscope import stats
from mnemoscope.answers import Canaried, Moment, Outcome, Setting
from mnemoscope.decoding import GREEDY, Decoding, closed_form, distinct
from mnemoscope.leaks import Sampled
from mnemoscope.prefixes import cut, parse_prefix
from mnemoscope.records import Estimate, Extraction, Generation, Record, RocCurve, Scores
from mnemoscope.steps.inputs import RECORDS
from mnemoscope.steps.judging import ESTIMATES
from mnemoscope.steps.measuring import REFERENCE
from mnemoscope.store import Run
from mnemoscope.tables import read_ids, read_rows, read_scores, read_traces, write_scores

if TYPE_CHECKING:
    from mnemoscope.grid import Cell
    from mnemoscope.study_file import Study
    from mnemoscope.traces import Traces

OUTCOME = "outcome.parquet"
LOSS = "summed_loss"
"""Column of a moment's file: minus the log-probability of a record, nats."""
SUFFIX = "suffix@{}"
"""Column with the log-probability of a record's suffix under a decoding."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a finished cell."""

    folder: Path
    """Its run folder."""
    cell: Cell

    def path(self, name: str) -> Path:
        """The cell's file `name`."""
        return self.folder / "cells" / self.cell.id / name

    def records(self) -> list[Record]:
        """The records that were audited, in the order of all arrays."""
        audited = set(read_ids(self.path("scores.parquet")))
        return [record for record in read_rows(self.folder / RECORDS, Record) if record.id in audited]

    def generations(self) -> list[Generation]:
        """Continuations at the first prefix."""
        return read_rows(self.path("generations.parquet"), Generation)


def moment_file(cell: str, epoch: str) -> str:
    """Path of what was measured after an epoch, inside the cell's run folder."""
    return f"cells/{cell}/epochs-scores/{epoch}.parquet"


def keep(run: Run, cell: Cell, study: Study) -> None:
    """Write what the answers need of a finished cell's traces, a few numbers a record instead of many a token."""
    files = Files(run.folder, cell)
    name = f"cells/{cell.id}/{OUTCOME}"
    inputs = {stage: run.key(stage) for stage in ("traces", "scores", "extractions", "sampled")}

    def work() -> None:
        records, columns = files.records(), _columns(files, study)
        with run.writing(name) as out:
            write_scores(out, records, columns, {column: [None] * len(records) for column in columns})

    run.stage("outcome", inputs, [name], work)


def _columns(files: Files, study: Study) -> dict[str, Scores]:
    """Lengths in tokens, losses in nats and what comes back, each of shape (n_records,)."""
    traces = {"target": read_traces(files.path("traces.parquet")), "base": read_traces(files.folder / REFERENCE)}
    records = files.records()
    found = {"tokens": np.ma.masked_array(traces["target"].lengths.astype(np.float64))}
    for name, one in traces.items():
        found[f"{name}_loss"] = -one.sum("logprob")
        found[f"{name}_prefix_loss"] = _prefix_loss(one, study)
    back = _verbatim(files, study)
    found["verbatim"] = _aligned(records, {name: float(given) for name, given in back.items()})
    return found | {SUFFIX.format(label): one for label, one in _suffixes(files, records, study).items()}


def outcome(folder: Path, cell: Cell, study: Study) -> Outcome:
    """A finished cell, as the answers take it."""
    files = Files(folder, cell)
    records, columns = files.records(), read_scores(files.path(OUTCOME))
    scores = read_scores(files.path("scores.parquet"))[study.rules.attack]
    end = Moment(cell.training.epochs, scores, np.ma.getdata(columns["target_loss"]))
    verbatim = columns["verbatim"]
    return Outcome(
        setting=setting(files),
        records=records,
        tokens=np.ma.getdata(columns["tokens"]).astype(np.int64),
        base_losses=np.ma.getdata(columns["base_loss"]),
        moments=(*_moments(files, study.rules.attack), end),
        generations=[row for row in files.generations() if row.decoding == GREEDY.label],
        suffix_logprob={one.label: columns[SUFFIX.format(one.label)] for one in _decodings(study)},
        estimates={row.name: row for row in read_rows(folder / ESTIMATES, Estimate)},
        verbatim={records[i].id: bool(verbatim[i]) for i in np.flatnonzero(~np.ma.getmaskarray(verbatim))},
        prefix_losses={name: columns[f"{name}_prefix_loss"] for name in ("target", "base")},
    )


def setting(files: Files) -> Setting:
    """Everything that two cells may differ in."""
    cell, training = files.cell, files.cell.training
    facts = Run(files.folder).manifest["adapter"]
    return Setting(
        cell=cell.id,
        matrices="".join(facts["matrices"]),
        rank=training.rank,
        alpha=training.lora_alpha,
        alpha_rule=training.alpha_rule,
        scale=training.scale,
        parameters=facts["trainable_parameters"],
        copies=training.copies,
        planted=training.planted if training.copies > 1 else 0,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        seed=cell.seed,
        others=cell.others,
    )


def _moments(files: Files, attack: str) -> list[Moment]:
    found = []
    folder = files.folder / moment_file(files.cell.id, "1")
    for path in sorted(folder.parent.glob("*.parquet"), key=lambda one: int(one.stem)):
        scores = read_scores(path)
        found.append(Moment(float(path.stem), scores[attack], np.ma.getdata(scores[LOSS])))
    return found


def _verbatim(files: Files, study: Study) -> dict[str, bool]:
    prefix = parse_prefix(study.extraction.prefixes[0]).label
    rows = read_rows(files.path("extractions.parquet"), Extraction)
    return {row.id: row.verbatim for row in rows if row.model == "target" and row.prefix == prefix}


def _prefix_loss(traces: Traces, study: Study) -> Scores:
    """Mean loss of each record's first prefix, nats a token; masked where the record is too short to be cut."""
    cuts = [cut(int(n), study.extraction.prefixes[0]) for n in traces.lengths]
    losses = [-traces.tokens("logprob", i)[:k].astype(np.float64).mean() if k else 0.0 for i, k in enumerate(cuts)]
    return np.ma.masked_array(losses, [not k for k in cuts], dtype=np.float64)


def _suffixes(files: Files, records: Sequence[Record], study: Study) -> dict[str, Scores]:
    """Decoding to the log-probability of each record's suffix after the first prefix; masked where it has none."""
    prefix = parse_prefix(study.extraction.prefixes[0]).label
    known: dict[str, dict[str, float]] = {one.label: {} for one in _decodings(study)}
    for row in read_rows(files.path("sampled.parquet"), Sampled):
        if row.model == "target" and row.prefix == prefix and row.decoding in known:
            known[row.decoding][row.id] = row.logprob
    return {label: _aligned(records, values) for label, values in known.items()}


def _decodings(study: Study) -> Sequence[Decoding]:
    return distinct(study.extraction.decodings, closed_form)


def _aligned(records: Sequence[Record], known: Mapping[str, float]) -> Scores:
    """One number a record; masked where it has none."""
    return np.ma.masked_array(
        [known.get(record.id, 0.0) for record in records], [record.id not in known for record in records],
        dtype=np.float64,
    )  # fmt: skip


def curve(found: Outcome) -> RocCurve:
    """The ROC curve of the study's attack."""
    return stats.roc_curve(stats.Sample.of(found.moments[-1].scores, found.records))


def returned(files: Files, matrices: str) -> list[Canaried]:
    """Continuations of the planted records, as in the paper's Table A.1; private."""
    planted = {record.id: record.copies for record in files.records() if record.copies > 1}
    return [
        Canaried(
            cell=files.cell.id,
            copies=planted[row.id],
            rank=files.cell.training.rank,
            matrices=matrices,
            decoding=row.decoding,
            longest=round(row.ngram_share * row.suffix_tokens),
            perplexity_base=row.perplexity_base,
            perplexity_generated=row.perplexity_generated,
            ngram_share=row.ngram_share,
            text=row.text,
        )
        for row in files.generations()
        if row.id in planted
    ]
