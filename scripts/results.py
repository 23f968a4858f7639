"""docs/results.md from committed numbers: docs/results/*.csv (estimates) and *.json (command, hardware, time).

python scripts/results.py --collect RUN NAME --command "mnemoscope …" ...   copy a run's numbers into docs/results
python scripts/results.py                                                   write docs/results.md
python scripts/results.py --check                                           fail when docs/results.md is stale
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
FOLDER, PAGE = DOCS / "results", DOCS / "results.md"
FIELDS = ("name", "value", "low", "high", "level", "method", "n_members", "n_nonmembers", "n_member_groups",
          "n_nonmember_groups", "n_unscored", "fpr", "achieved_fpr", "threshold", "reason")  # fmt: skip
HEAD = """# Results

Every number here is rendered by `scripts/results.py` from the CSV and JSON files in `docs/results/`; none is typed by
hand. Intervals are 95% group bootstrap unless a table says otherwise.
"""


AIMS = """\
The aims are 70% for scoring, 55% for training and at most 15% for the columns. The yardstick repeats one product
whose weights stay in the cache; a pass streams all weights and spends the rest on norms, attention, dropout and
casts, which grow in share as the products get faster."""


def collect(run: Path, name: str, commands: list[str]) -> None:
    """Copy the estimates, timings and identity of a finished run."""
    import pyarrow.parquet as pq

    rows = pq.read_table(run / "estimates.parquet").to_pylist()
    with (FOLDER / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    manifest, timings = (json.loads((run / f"{part}.json").read_text()) for part in ("manifest", "timings"))
    kept = ("model", "adapter", "data", "seed", "versions", "verdict", "cell")
    facts = {"commands": commands, "timings": timings, **{key: manifest[key] for key in kept}}
    (FOLDER / f"{name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def render() -> str:
    """The page."""
    parts = [HEAD]
    for path in sorted(FOLDER.glob("*.json")):
        with path.with_suffix(".csv").open() as file:
            rows = {row["name"]: row for row in csv.DictReader(file)}
        parts.append(_section(json.loads(path.read_text()), rows))
    return "\n".join([*parts, *_speed()])


def _speed() -> list[str]:
    """What benchmarks/speed.py measured, in one run on one machine."""
    with (FOLDER / "speed.csv").open() as file:
        rows = list(csv.reader(file))
    return [
        "## Speed",
        "",
        "    python benchmarks/speed.py --data PHEE --out docs/results/speed.csv",
        "",
        f"| {' | '.join(rows[0])} |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows[1:]),
        "",
        AIMS,
        "",
    ]


def _section(facts: dict[str, Any], rows: dict[str, dict[str, str]]) -> str:
    data, model, timings = facts["data"], facts["model"], facts["timings"]
    stages = timings["stages"]
    adapter = next(stage for name, stage in stages.items() if name.startswith("train/"))
    seconds = sum(stage["seconds"] for name, stage in stages.items() if not name.startswith("train/"))
    records = ", ".join(f"{n:,} {role}s" for role, n in data["n_records"].items())
    return "\n".join([
        f"## {facts['cell']} on {data['source']}",
        "",
        *(f"    {command}" for command in facts["commands"]),
        "",
        f"{records}. {model['name']}, {model['dtype']}, {facts['adapter']['trainable_parameters']:,} trainable "
        f"parameters, seed {facts['seed']}. {timings['machine']['cpu']}, {timings['machine']['cores']} cores: "
        f"{adapter['seconds'] / 60:.1f} min of fine-tuning ({adapter['per_second']:,.0f} tokens/s), "
        f"{seconds / 60:.1f} min of audit (reading target and base at {stages['traces']['per_second']:,.0f} tokens/s).",
        "",
        f"The audit is **{facts['verdict']['validity']}**: {facts['verdict']['reason']}",
        "",
        *_membership(rows),
        "",
        *_rest(rows),
        "",
    ])  # fmt: skip


def _membership(rows: dict[str, dict[str, str]]) -> list[str]:
    attacks = list(dict.fromkeys(name.split(".")[1] for name in rows if name.startswith("membership.")))
    lines = [
        "| attack | AUC | Hanley-McNeil | TPR at 10% FPR | TPR at 1% FPR | TPR (FPR) at the carried 10% threshold |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for attack in attacks:
        path = f"membership.{attack}"
        carried = rows[f"{path}.transfer.0.1"]
        lines.append(
            f"| {attack} | {_told(rows[f'{path}.auc'])} | {_told(rows[f'{path}.auc_hanley_mcneil'])} "
            f"| {_told(rows[f'{path}.tpr_at_fpr.0.1'])} | {_told(rows[f'{path}.tpr_at_fpr.0.01'])} "
            f"| {_told(carried)} ({float(carried['achieved_fpr']):.3f}) |"
        )
    return lines


def _rest(rows: dict[str, dict[str, str]]) -> list[str]:
    lines = ["| estimate | value | members | non-members |", "|---|---|---|---|"]
    for name, row in rows.items():
        if not name.startswith("membership."):
            lines.append(f"| {name} | {_told(row)} | {row['n_members']} | {row['n_nonmembers']} |")
    return lines


def _told(row: dict[str, str]) -> str:
    if not row["value"]:
        return row["reason"]
    value = f"{float(row['value']):.3f}"
    return f"{value} [{float(row['low']):.3f}, {float(row['high']):.3f}]" if row["low"] else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--collect", nargs=2, metavar=("RUN", "NAME"))
    parser.add_argument("--command", action="append", default=[])
    given = parser.parse_args()
    if given.collect:
        collect(Path(given.collect[0]), given.collect[1], given.command)
    if given.check:
        sys.exit(None if PAGE.read_text() == render() else f"{PAGE.name} is stale: run  make docs")
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
