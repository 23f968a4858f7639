"""The pages of single audits, docs/results/NAME.md, from NAME.csv (estimates) and NAME.json (command, time)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from leakage_tables import FAMILIES, leakage

FIELDS = ("name", "value", "low", "high", "level", "method", "n_members", "n_nonmembers", "n_member_groups",
          "n_nonmember_groups", "n_unscored", "fpr", "achieved_fpr", "threshold", "reason", "p_value",
          "p_adjusted")  # fmt: skip
Facts = dict[str, Any]
Rows = dict[str, dict[str, str]]


def collect(run: Path, name: str, commands: list[str], note: str, folder: Path) -> None:
    """Copy the estimates, timings and identity of a finished run."""
    import pyarrow.parquet as pq

    rows = pq.read_table(run / "estimates.parquet").to_pylist()
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    manifest, timings = (json.loads((run / f"{part}.json").read_text()) for part in ("manifest", "timings"))
    kept = ("model", "adapter", "data", "seed", "versions", "verdict", "cell")
    facts = {"commands": commands, "note": note, "timings": timings, **{key: manifest[key] for key in kept}}
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def read(folder: Path) -> dict[str, tuple[Facts, Rows]]:
    """Facts and estimates of every audit in `folder`, by name."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        with path.with_suffix(".csv").open() as file:
            found[path.stem] = json.loads(path.read_text()), {row["name"]: row for row in csv.DictReader(file)}
    return found


def page(name: str, facts: Facts, rows: Rows) -> str:
    """Everything that is told of one audit."""
    data, model, timings = facts["data"], facts["model"], facts["timings"]
    stages = timings["stages"]
    adapter = next(stage for name, stage in stages.items() if name.startswith("train/"))
    seconds = sum(stage["seconds"] for name, stage in stages.items() if not name.startswith("train/"))
    records = ", ".join(f"{n:,} {role}{'s' * (role != 'excluded')}" for role, n in data["n_records"].items())
    note = f" {facts['note']}" if facts.get("note") else ""
    return "\n".join([
        f"# Audit {name}: {facts['cell']} on {facts['data']['source']}",
        "",
        "[All results](../results.md)",
        "",
        *(f"    {command}" for command in facts["commands"]),
        "",
        f"{records}. {model['name']}, {model['dtype']}, {facts['adapter']['trainable_parameters']:,} trainable "
        f"parameters, seed {facts['seed']}. {timings['machine']['cpu']}, {timings['machine']['cores']} cores: "
        f"{adapter['seconds'] / 60:.1f} min of fine-tuning ({adapter['per_second']:,.0f} tokens/s), "
        f"{seconds / 60:.1f} min of audit "
        f"(reading target and base at {stages['traces']['per_second']:,.0f} tokens/s).{note}",
        "",
        f"The audit is **{facts['verdict']['validity']}**: {facts['verdict']['reason']}",
        "",
        *_membership(rows),
        "",
        *_rest(rows),
        "",
        *leakage(rows, told),
    ])  # fmt: skip


def _membership(rows: Rows) -> list[str]:
    """Attacks by AUC, with the paired difference from the headline attack where it was computed."""
    attacks = list(dict.fromkeys(name.split(".")[1] for name in rows if name.startswith("membership.")))
    attacks.sort(key=lambda name: -float(rows[f"membership.{name}.auc"]["value"] or 0))
    return [
        *_strongest(rows, attacks[0]),
        *_records(rows, attacks),
        "",
        *_intervals(rows, attacks),
        *_groups(rows, attacks),
    ]


def _strongest(rows: Rows, best: str) -> list[str]:
    """In words, with the caveat of a choice made after the fact."""
    versus = rows.get(f"comparison.{best}.auc")
    if versus is None:
        return []
    p = _p(rows[f"comparison.{best}.auc_delong_clustered"])
    return [
        f"Strongest by point estimate: **{best}**, {told(versus)} above lr_ratio in AUC (paired by record, "
        f"resampled by group; Holm-corrected p {p}). The best of several is flattered by the choice.",
        "",
    ]


def _records(rows: Rows, attacks: list[str]) -> list[str]:
    lines = [
        "| attack | AUC | minus lr_ratio | Holm p | TPR at 10% FPR | at 1% | at 0.1% | not scored |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for attack in attacks:
        path, versus = f"membership.{attack}", f"comparison.{attack}.auc"
        rates = [told(rows.get(f"{path}.tpr_at_fpr.{fpr}")) for fpr in ("0.1", "0.01", "0.001")]
        p = _p(rows.get(f"{versus}_delong_clustered"))
        cells = [attack, told(rows[f"{path}.auc"]), told(rows.get(versus)), p, *rates]
        lines.append(f"| {' | '.join(cells)} | {rows[f'{path}.auc']['n_unscored']} |")
    return lines


def _intervals(rows: Rows, attacks: list[str]) -> list[str]:
    """The same AUC with other intervals, and what a threshold carried over from the calibration part achieves."""
    lines = [
        "| attack | clustered DeLong | DeLong (ignores groups) | Hanley-McNeil (ignores groups) "
        "| TPR (FPR) at the carried 10% threshold | balanced accuracy | posterior |",
        "|---|---|---|---|---|---|---|",
    ]
    for attack in attacks:
        path = f"membership.{attack}"
        carried = rows[f"{path}.transfer.0.1"]
        at = f" ({float(carried['achieved_fpr']):.3f})" if carried["achieved_fpr"] else ""
        kinds = ("auc_delong_clustered", "auc_delong", "auc_hanley_mcneil")
        cells = [attack, *(told(rows.get(f"{path}.{kind}")) for kind in kinds), told(carried) + at]
        cells += [told(rows.get(f"{path}.{kind}")) for kind in ("balanced_accuracy", "posterior")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _groups(rows: Rows, attacks: list[str]) -> list[str]:
    """The attacks on whole documents or persons, where these have several records."""
    known = [attack for attack in attacks if f"membership.{attack}.group.auc" in rows]
    if not known:
        return []
    lines = [
        "",
        "By group (mean rank of its records):",
        "",
        "| attack | AUC | TPR at 10% FPR | at 1% |",
        "|---|---|---|---|",
    ]
    for attack in known:
        path = f"membership.{attack}.group"
        names = ("auc", "tpr_at_fpr.0.1", "tpr_at_fpr.0.01")
        lines.append(f"| {attack} | {' | '.join(told(rows.get(f'{path}.{name}')) for name in names)} |")
    return lines


def _rest(rows: Rows) -> list[str]:
    lines = ["| estimate | value | members | non-members |", "|---|---|---|---|"]
    for name, row in rows.items():
        if name.split(".")[0] not in ("membership", "comparison", *FAMILIES):
            p = f", Holm p {_p(row)}" if row.get("p_adjusted") else ""
            lines.append(f"| {name} | {told(row)}{p} | {row['n_members']} | {row['n_nonmembers']} |")
    return lines


def told(row: dict[str, str] | None) -> str:
    """An estimate in words: value and interval, or why there is none."""
    if row is None:
        return "–"
    if not row["value"]:
        return row["reason"]
    value, low, high = (_decimal(row[end]) for end in ("value", "low", "high"))
    told = f"{value} [{low}, {high}]" if row["low"] and row["high"] else value
    return f"{told} (not resolved)" if row["reason"].startswith("not resolved") else told


def _decimal(text: str) -> str:
    """Three decimals; what they would make 0 keeps one digit."""
    number = float(text or 0)
    return f"{number:.3f}" if number == 0 or abs(number) >= 0.0005 else f"{number:.0e}"


def _p(row: dict[str, str] | None) -> str:
    if row is None or not row.get("p_adjusted"):
        return "–"
    p = float(row["p_adjusted"])
    return "< .001" if p < 0.001 else f"{p:.3f}"
