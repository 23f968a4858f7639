"""What a verb is given: records, an adapter, a pair of models. Checked here, before any time is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mnemoscope.data as texts
from mnemoscope import models, registry
from mnemoscope.errors import ConfigError, ModelError, RunError
from mnemoscope.progress import say
from mnemoscope.store import Run, key_of
from mnemoscope.tables import read_rows, write_rows

if TYPE_CHECKING:
    from mnemoscope.config import Columns, Measurement, Training

from mnemoscope.records import DataReport, Record

RECORDS = "records.parquet"


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter on disk."""

    folder: Path
    cell: str
    facts: Mapping[str, Any]
    run: Path | None
    """The run folder it was trained in; None for an adapter from elsewhere."""


def read(
    data: str | None, members: str | None, nonmembers: str | None, columns: Columns, seed: int
) -> tuple[Record, ...]:
    """The records the user named."""
    wanted = texts.Columns(
        text=columns.text_column, id=columns.id_column, group=columns.group_column, split=columns.split_column
    )
    records = texts.read(data, members=members, nonmembers=nonmembers, columns=wanted, seed=seed)
    kept = texts.sample(records, columns.share, seed)
    return texts.coin_flip(kept, seed) if columns.coin_flip_split else kept


def plant(
    records: Sequence[Record], training: Training, columns: Columns, seed: int
) -> tuple[tuple[Record, ...], tuple[int, ...]]:
    """The records with the planted ones marked, and the row that stands in each training slot.

    Raises:
        ConfigError: records are to be overwritten although coins say who is trained on.
    """
    if columns.coin_flip_split and training.copies > 1:
        raise ConfigError("--copies overwrites records that a coin put in: leave out --copies or --coin-flip-split")
    planting = texts.plant(records, copies=training.copies, planted=training.planted, seed=seed)
    return planting.records, planting.slots


def by_coins(trained: Trained | None, audited: Sequence[Record]) -> bool:
    """Whether a fair coin a group decided who was trained on, and all that is audited was on the coins' list."""
    if trained is None or trained.run is None or not Run(trained.run).manifest.get("coin_flip"):
        return False
    known = {record.id: record.role for record in read_rows(trained.run / RECORDS, Record)}
    return all(known.get(record.id) == record.role for record in audited)


def prepare(run: Run, records: Sequence[Record], source: str, audited: Sequence[Record] | None = None) -> None:
    """Write records.parquet, and what was read into the manifest; `audited` are the records without canaries.

    Raises:
        RunError: the folder holds an adapter that was trained on other records.
    """
    report = texts.describe(records, source)
    inputs = {"sha256": report.sha256, "copies": key_of([record.copies for record in records])}
    if run.holds("train/") and run.holds("records") and not run.fresh("records", inputs):
        raise RunError(f"{run.folder.name} holds an adapter that was trained on other records: give a new --out")

    def write() -> None:
        with run.writing(RECORDS) as path:
            write_rows(path, Record, records)

    run.stage("records", inputs, [RECORDS], write)
    report = report if audited is None else texts.describe(audited, source)
    run.note(data=asdict(report))
    for line in told(report):
        say(line)


def told(report: DataReport) -> list[str]:
    """What was read, for the person at the terminal."""
    names = {"member": "members", "nonmember": "non-members", "excluded": "excluded (overwritten by planted records)"}
    lines = []
    for role, n in report.n_records.items():
        at = report.length_quantiles[role]
        lines.append(
            f"read {n:,} {names[role]} in {report.n_groups[role]:,} groups; characters: median {at['median']:.0f}, "
            f"half within {at['q25']:.0f}-{at['q75']:.0f}, all within {at['min']:.0f}-{at['max']:.0f}; "
            f"{report.duplicates_within[role]:,} share their text"
        )
    return lines + [f"note: {finding}" for finding in report.findings]


def find_adapter(adapter: Path | None) -> Trained | None:
    """The adapter at `adapter`: a PEFT folder, or a run folder with one cell.

    Raises:
        ModelError: there is none, or there are several.
    """
    if adapter is None:
        return None
    folder = Path(adapter)
    if (folder / "manifest.json").is_file():
        folder = _only_cell(folder)
    facts = models.adapter_facts(folder)
    # resolved, so that "." and links show where the adapter really lies
    place = folder.resolve()
    inside = place.parent.parent.name == "cells" and (place.parents[2] / RECORDS).is_file()
    cell = place.parent.name if inside else place.name
    return Trained(folder, cell, facts, place.parents[2] if inside else None)


def _only_cell(run: Path) -> Path:
    found = sorted((run / "cells").glob("*/adapter/adapter_config.json"))
    if not found:
        raise ModelError(f"{run.name} has no finished adapter: run mnemoscope finetune first")
    if len(found) > 1:
        cells = ", ".join(path.parent.parent.name for path in found)
        raise ModelError(f"{run.name} has several adapters ({cells}): give one, as in {run.name}/cells/CELL/adapter")
    return found[0].parent


def audit_folder(out: Path | None, trained: Trained | None) -> Path:
    """Where an audit goes.

    Raises:
        ConfigError: it was not said, and the adapter lies in no run folder.
    """
    if out is not None:
        return Path(out)
    if trained is None or trained.run is None:
        raise ConfigError("give --out DIR: there is no run folder of mnemoscope finetune to go on with")
    return trained.run


def audited_records(
    trained: Trained | None,
    data: str | None,
    members: str | None,
    nonmembers: str | None,
    columns: Columns,
    seed: int,
) -> tuple[tuple[Record, ...], str]:
    """The records to audit and the name of their source; those of the adapter's run when none were given.

    Raises:
        DataError: the data contradicts what the adapter's run says it was trained on.
        ConfigError: a share was asked for of records that were not given.
    """
    given = data is not None or members is not None or nonmembers is not None
    if columns.coin_flip_split and not (trained and trained.run and Run(trained.run).manifest.get("coin_flip")):
        raise ConfigError(
            "--coin-flip-split says how a model was trained: give it to mnemoscope finetune, and audit its run folder"
        )
    if trained is None or trained.run is None:
        return read(data, members, nonmembers, columns, seed), data or "members and nonmembers"
    trained_on = tuple(read_rows(trained.run / RECORDS, Record))
    source = str(Run(trained.run).manifest.get("data", {}).get("source", "the adapter's run"))
    if not given:
        if columns.share != 1:
            raise ConfigError("--share needs --data: without it the records are those that the adapter's run read")
        return trained_on, source
    records = texts.reconcile(read(data, members, nonmembers, columns, seed), trained_on)
    return records, data or "members and nonmembers"


def check_judge(judge: str | None) -> None:
    """A judge that is not there is found out now, and not after the long passes.

    Raises:
        ConfigError: its address is none, or its client is not installed.
        ModelError: it is no model.
    """
    if judge is None:
        return
    if models.parse_judge(judge) is None:
        models.locate(judge)
    elif find_spec("openai") is None:
        raise ConfigError("a judge behind an address needs its client: run  pip install 'mnemoscope[judge]'")


def choose(measurement: Measurement, trained: Trained | None) -> tuple[str, ...]:
    """The attacks that were named, or all that their options allow, or those that cost no further pass.

    Raises:
        ConfigError: a named attack lacks an option that it needs.
    """
    lacking = {need: option for need, option, given in (
        ("shadows", "--shadows K", measurement.shadows), ("second", "--second MODEL", measurement.second),
        ("gradient", "--adapter DIR", trained), ("in_domain", "--in-domain", measurement.in_domain),
    ) if not given}  # fmt: skip
    named = [registry.find(name) for name in measurement.attacks if name != "all"]
    for one in named:
        for need in lacking.keys() & set(one.needs):
            raise ConfigError(f"attack {one.name!r} needs {lacking[need]}: give it, or leave the attack out")
    if named and "all" not in measurement.attacks:
        return tuple(dict.fromkeys(one.name for one in named))
    wanted = set(registry.NEEDS) if measurement.attacks else {*registry.TRACE_ONLY, "in_domain", "shadows", "second"}
    allowed = wanted - lacking.keys()
    return tuple(name for name, one in registry.attacks().items() if set(one.needs) <= allowed)
