"""The pages of studies: docs/results/NAME/{points,answers}.csv and meta.json to README.md beside them.

python scripts/study_results.py --collect RUN NAME --command "mnemoscope study …"   copy a study's numbers and figures
python scripts/results.py                                                           write the pages
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter
from study_result_tables import TABLES, Row, claims_table

from mnemoscope.answers import Answer, Point
from mnemoscope.reporting.paper import FINDINGS
from mnemoscope.reporting.study_digest import DECISIONS, QUESTIONS, sentence
from mnemoscope.reporting.study_means import means
from mnemoscope.reporting.wording import count
from mnemoscope.store import canonical

FOLDER = Path(__file__).parent.parent / "docs" / "results"
CSVS = ("points.csv", "answers.csv")
META = "meta.json"
FIGURES = {
    "matrices": "AUC by matrices over the ranks",
    "usefulness": "AUC against held-out perplexity, a mark a cell",
    "rank": "AUC against the rank, all four matrices",
    "copies": "Share of planted records given back word for word, by copies",
    "perplexity_target": "N-gram share against perplexity in the fine-tuned model",
    "perplexity_base": "N-gram share against perplexity in the base model",
    "paths": "AUC against held-out perplexity, epoch after epoch",
}
"""Figures that are kept, the most wanted first, while they fit."""
MOST = 250_000
"""Bytes of all figures of a study."""
T = TypeVar("T")
ROLES = {"member": "training records", "nonmember": "held-out records", "excluded": "overwritten by copies"}
UNSAID = ("save_steps", "micro_batches", "heldout")
"""Options of training that no number depends on."""


def collect(run: Path, folder: Path, *, commands: Sequence[str], note: str = "", threads: int | None = None) -> None:
    """Copy points, answers and some figures of the study in `run` to `folder`, with the facts of how it was run.

    Raises:
        SystemExit: `run` holds no study with answers.
    """
    export = run / "export"
    missing = [name for name in (*CSVS, *(f"../{name}.json" for name in ("manifest", "timings", "status")))
               if not (export / name).is_file()]  # fmt: skip
    if missing:
        raise SystemExit(f"{run.name}: {', '.join(missing)} missing in its export folder; run mnemoscope report first")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("figure_*.svg"):
        old.unlink()
    figures = _small(export)
    for name in (*CSVS, *map(file, figures)):
        shutil.copyfile(export / name, folder / name)  # without its mode: a run is readable by its owner alone
    facts = {"commands": list(commands), "note": note, "threads": threads, "figures": figures, **_facts(run)}
    (folder / META).write_text(canonical(facts), encoding="utf-8")


def _small(export: Path) -> list[str]:
    """The figures that are there and together have MOST bytes or fewer."""
    found, total = list[str](), 0
    for name in FIGURES:
        path = export / file(name)
        if path.is_file() and total + path.stat().st_size <= MOST:
            found.append(name)
            total += path.stat().st_size
    return found


def _facts(run: Path) -> Row:
    """What was run, on what, for how long; no places on the machine."""
    manifest, timings, status = (_json(run / f"{name}.json") for name in ("manifest", "timings", "status"))
    study, states = manifest["study"], Counter(cell["state"] for cell in status["cells"].values())
    cells = [run / "cells" / name for name, cell in status["cells"].items() if cell["state"] == "done"]
    manifests, clocks = ([_json(cell / f"{name}.json") for cell in cells] for name in ("manifest", "timings"))
    return {
        "name": study["name"],
        "model": Path(study["model"]).name,
        "dtype": manifest["dtype"],
        "commits": sorted({_commit(one["commit"]) for one in manifests}),
        "versions": manifest["versions"],
        "data": {
            "source": manifest["data"]["source"],
            "share": study["data"]["share"],
            "split": study["data"]["split"],
            "of": manifest["data"]["n_records"],
            "audited": _least([one["data"]["n_records"] for one in manifests]),
        },
        "seeds": sorted({manifest["cells"][cell.name]["seed"] for cell in cells}),
        "training": {key: value for key, value in study["training"].items() if value is not None},
        "rules": study["rules"],
        "cells": {"total": len(status["cells"]), **states},
        "validity": Counter(one["verdict"]["validity"] for one in manifests),
        "machines": _machines(manifests, clocks),
        **_times([*clocks, timings]),
    }


def _json(path: Path) -> Row:
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    return found


def _least(numbers: Sequence[Mapping[str, int]]) -> dict[str, list[int]]:
    """Role to its smallest and largest number of records in a cell."""
    roles = dict.fromkeys(role for one in numbers for role in one)
    return {role: [f(one.get(role, 0) for one in numbers) for f in (min, max)] for role in roles}


def _machines(manifests: Sequence[Row], clocks: Sequence[Row]) -> list[Row]:
    """Which machines ran how many cells."""
    kinds = Counter(
        (clock["machine"]["cpu"], clock["machine"]["cores"], clock["machine"].get("accelerator", manifest["device"]))
        for manifest, clock in zip(manifests, clocks, strict=True)
    )
    return [{"cpu": cpu, "cores": cores, "device": device, "cells": n} for (cpu, cores, device), n in kinds.items()]


def _times(clocks: Sequence[Row]) -> Row:
    """Seconds of all stages, of fine-tuning alone, its tokens, and when the first and the last stage ended."""
    stages = [(name, stage) for clock in clocks for name, stage in clock["stages"].items()]
    trained = [stage for name, stage in stages if name.startswith("train/")]
    ends = sorted(stage["finished"] for _, stage in stages)
    return {
        "seconds": {
            "all": round(sum(stage["seconds"] for _, stage in stages)),
            "training": round(sum(stage["seconds"] for stage in trained)),
        },
        "tokens_trained": sum(stage.get("units", 0) for stage in trained),
        "first": ends[0],
        "last": ends[-1],
    }


def read(path: Path, kind: type[T]) -> list[T]:
    """The rows of a CSV file as the dataclass `kind`; an empty field is None where that is allowed."""
    hints, adapter = get_type_hints(kind), TypeAdapter(list[kind])  # type: ignore[valid-type]
    with path.open(encoding="utf-8", newline="") as file:
        return adapter.validate_python(
            [{name: _field(text, hints[name]) for name, text in row.items()} for row in csv.DictReader(file)]
        )


def _field(text: str, hint: Any) -> Any:
    if getattr(hint, "__origin__", None) is tuple:
        return text.split()
    return None if not text and NoneType in get_args(hint) else text


class Kept(NamedTuple):
    """A study in docs/results."""

    name: str
    facts: Row
    answers: list[Answer]


def studies(folder: Path = FOLDER) -> list[Kept]:
    """All studies in `folder`, by name."""
    found = [path.parent for path in sorted(folder.glob(f"*/{META}"))]
    return [Kept(one.name, _json(one / META), read(one / CSVS[1], Answer)) for one in found]


def page(study: Kept, folder: Path = FOLDER) -> list[str]:
    """Everything that is told of one study, for README.md in its folder."""
    name, facts, claimed = study
    points = read(folder / name / CSVS[0], Point)
    summary = {"means": means(points), "settings": {"study": {"rules": facts["rules"]}}}
    lines = [
        f"# Study {name}: {facts['model']} on {facts['data']['source']}",
        "",
        "[All results](../../results.md)",
        "",
        *(f"    {command}" for command in facts["commands"]),
        "",
        *_design(facts),
        f"{cost(facts)}; {_dated(facts)}.",
        "",
        *((facts["note"], "") if facts["note"] else ()),
        *_short(claimed),
    ]
    for question in QUESTIONS:
        tables = TABLES[question](summary) if question in TABLES else []
        lines += _question(question, tables, [answer for answer in claimed if answer.question == question])
    return [*lines, *(line for figure in facts["figures"] for line in (f"![{FIGURES[figure]}]({file(figure)})", ""))]


def _question(question: str, tables: Sequence[str], claims: Sequence[Answer]) -> list[str]:
    """What the study says of a question of the paper; nothing where it has no cells for it."""
    if not tables and not claims:
        return []
    said = sentence([asdict(claim) for claim in claims])
    head = [f"## {QUESTIONS[question]}", "", f"The paper: {FINDINGS[question]} Here: {said}", ""]
    return [*head, *tables, *claims_table(claims)]


def file(figure: str) -> str:
    """Where a figure lies in the folder of its study."""
    return f"figure_{figure}.svg"


def _design(facts: Row) -> list[str]:
    """What was run."""
    data = facts["data"]
    audited = ", ".join(f"{_range(data['audited'][role])} {word}" for role, word in ROLES.items()
                        if role in data["audited"])  # fmt: skip
    split = {"redrawn": "members drawn anew for each seed", "given": "members as the data gives them"}[data["split"]]
    share = f", a share of {data['share']:g} of the groups" if data["share"] != 1 else ""
    recipe = ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in facts["training"].items()
                       if key not in UNSAID)  # fmt: skip
    verdicts = ", ".join(f"{n} {name}" for name, n in facts["validity"].items())
    return [
        f"Cells done: {done(facts)}; "
        f"{count(len(facts['seeds']), 'seed')} ({', '.join(map(str, facts['seeds']))}); {split}{share}. "
        f"A cell has {audited}. Training, where a cell says nothing else: {recipe}. Verdicts of audits: {verdicts}.",
        "",
    ]


def done(facts: Row) -> str:
    """How many cells are done, of how many, and what became of the others."""
    cells = facts["cells"]
    others = ", ".join(f"{n} {state}" for state, n in cells.items() if state not in ("total", "done") and n)
    return f"{cells.get('done', 0)} of {cells['total']}" + (f" ({others})" if others else "")


def cost(facts: Row) -> str:
    """Where and how long."""
    seconds = facts["seconds"]
    machines = "; ".join(_machine(one) for one in facts["machines"])
    threads = f", {count(facts['threads'], 'thread')} a process" if facts["threads"] else ""
    rate = facts["tokens_trained"] / seconds["training"] if seconds["training"] else 0
    return (
        f"{facts['dtype']}; {machines}{threads}. {_span(seconds['all'])} of work, one process after the other, "
        f"{_span(seconds['training'])} of it fine-tuning ({rate:,.0f} tokens/s)"
    )


def _dated(facts: Row) -> str:
    """When, and with which code."""
    days = dict.fromkeys((facts["first"][:10], facts["last"][:10]))
    return f"{' to '.join(days)}, commit {', '.join(facts['commits'])}"


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _machine(one: Row) -> str:
    where = "" if one["device"] == "cpu" else f" with {one['device']}"
    return f"{count(one['cells'], 'cell')} on {one['cpu']}, {count(one['cores'], 'core')}{where}"


def _commit(commit: str | None) -> str:
    if not commit:
        return "unknown"
    head, _, changes = commit.partition("+")
    return head[:10] + (" with changes" if changes else "")


def _range(ends: Sequence[int]) -> str:
    least, most = ends
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _short(claimed: Sequence[Answer]) -> list[str]:
    """What replicates and what does not; of what is not resolved only how much."""
    lines = []
    for decision in DECISIONS:
        same = [answer for answer in claimed if answer.decision == decision]
        listed = "" if decision == "not resolved" else ": " + "; ".join(answer.claim for answer in same)
        lines.append(f"* **{decision}** ({len(same)} of {count(len(claimed), 'claim')}){listed if same else ''}")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collect", nargs=2, metavar=("RUN", "NAME"), required=True)
    parser.add_argument("--command", action="append", default=[])
    parser.add_argument("--note", default="", help="what a reader should know of the machine or the run")
    parser.add_argument("--threads", type=int, help="threads of a process, where that was set")
    given = parser.parse_args()
    run, name = given.collect
    collect(Path(run), FOLDER / name, commands=given.command, note=given.note, threads=given.threads)


if __name__ == "__main__":
    main()
