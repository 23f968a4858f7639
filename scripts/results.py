"""docs/results.md from committed numbers: docs/results/*.csv (estimates) and *.json (command, hardware, time).

python scripts/results.py --collect RUN NAME --command "mnemoscope …" ...   copy a run's numbers into docs/results
python scripts/results.py                                                   write docs/results.md
python scripts/results.py --check                                           fail when docs/results.md is stale

Studies are copied by study_results.py; their sections stand first.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

from leakage_tables import FAMILIES, by_copies, leakage
from results_summary import WHY, audits, questions
from study_results import answers, attacks, studies

DOCS = Path(__file__).parent.parent / "docs"
FOLDER, PAGE = DOCS / "results", DOCS / "results.md"
FIELDS = ("name", "value", "low", "high", "level", "method", "n_members", "n_nonmembers", "n_member_groups",
          "n_nonmember_groups", "n_unscored", "fpr", "achieved_fpr", "threshold", "reason", "p_value",
          "p_adjusted")  # fmt: skip
HEAD = """# Results

Every number here is rendered by `scripts/results.py` from the CSV and JSON files in `docs/results/`; none is typed by
hand, but for the table on one GPU, which says so, and those in the notes of studies. Intervals are 95%; the CSV names
the method of each: AUC by group bootstrap, TPR by Bayesian group bootstrap, controls by clustered DeLong, attacks that
learn from labels widened for cross-fitting.
"""


Rows = dict[str, dict[str, str]]

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
     "On another machine, and before the batches of a CPU were made to fit its cache (2048 tokens then, 700 now). The "
     "aims are the same. The yardstick repeats one product whose weights stay in the cache; a pass streams all weights "
     "and spends the rest on norms, attention, dropout and casts, which grow in share as the products get faster."),
    ("Cells at once on one GPU", "gpu",
     "mnemoscope study FILE.yaml --data PHEE --jobs 12",
     "Twelve cells as studies/phee.yaml has them, with random weights in the shape of the built-in model: speed alone, "
     "one run, taken down by hand from its timings, when batches were still padded to their longest record (2.4 "
     "positions a token, now 1.05). A step of one cell takes 0.16 s, far more than its arithmetic all the same; the "
     "likely reason, that the GPU waits for its many small kernels to be handed over, was not tested."),
)  # fmt: skip


def collect(run: Path, name: str, commands: list[str], note: str) -> None:
    """Copy the estimates, timings and identity of a finished run."""
    import pyarrow.parquet as pq

    rows = pq.read_table(run / "estimates.parquet").to_pylist()
    with (FOLDER / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    manifest, timings = (json.loads((run / f"{part}.json").read_text()) for part in ("manifest", "timings"))
    kept = ("model", "adapter", "data", "seed", "versions", "verdict", "cell")
    facts = {"commands": commands, "note": note, "timings": timings, **{key: manifest[key] for key in kept}}
    (FOLDER / f"{name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def render() -> str:
    """The page."""
    runs = {path.stem: _run(path) for path in sorted(FOLDER.glob("*.json"))}
    short = [
        *questions(answers(FOLDER), attacks(FOLDER)),
        *audits({_heading(name, run[0]): run for name, run in runs.items()}, _told),
    ]
    sections = [_section(name, *run) for name, run in runs.items()]
    copies = by_copies({name: rows for name, (_, rows) in runs.items()}, _told)
    return "\n".join([HEAD, *short, *studies(FOLDER), *sections, *copies, *_tables()])


def _run(path: Path) -> tuple[dict[str, Any], Rows]:
    """Facts and estimates of an audit."""
    with path.with_suffix(".csv").open() as file:
        return json.loads(path.read_text()), {row["name"]: row for row in csv.DictReader(file)}


def _heading(name: str, facts: dict[str, Any]) -> str:
    return f"{name}: {facts['cell']} on {facts['data']['source']}"


def _section(name: str, facts: dict[str, Any], rows: Rows) -> str:
    data, model, timings = facts["data"], facts["model"], facts["timings"]
    stages = timings["stages"]
    adapter = next(stage for name, stage in stages.items() if name.startswith("train/"))
    seconds = sum(stage["seconds"] for name, stage in stages.items() if not name.startswith("train/"))
    records = ", ".join(f"{n:,} {role}{'s' * (role != 'excluded')}" for role, n in data["n_records"].items())
    note = f" {facts['note']}" if facts.get("note") else ""
    return "\n".join([
        f"## {_heading(name, facts)}",
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
        *leakage(rows, _told),
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
        f"Strongest by point estimate: **{best}**, {_told(versus)} above lr_ratio in AUC (paired by record, "
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
        rates = [_told(rows.get(f"{path}.tpr_at_fpr.{fpr}")) for fpr in ("0.1", "0.01", "0.001")]
        p = _p(rows.get(f"{versus}_delong_clustered"))
        cells = [attack, _told(rows[f"{path}.auc"]), _told(rows.get(versus)), p, *rates]
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
        cells = [attack, *(_told(rows.get(f"{path}.{kind}")) for kind in kinds), _told(carried) + at]
        cells += [_told(rows.get(f"{path}.{kind}")) for kind in ("balanced_accuracy", "posterior")]
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
        lines.append(f"| {attack} | {' | '.join(_told(rows.get(f'{path}.{name}')) for name in names)} |")
    return lines


def _rest(rows: Rows) -> list[str]:
    lines = ["| estimate | value | members | non-members |", "|---|---|---|---|"]
    for name, row in rows.items():
        if name.split(".")[0] not in ("membership", "comparison", *FAMILIES):
            p = f", Holm p {_p(row)}" if row.get("p_adjusted") else ""
            lines.append(f"| {name} | {_told(row)}{p} | {row['n_members']} | {row['n_nonmembers']} |")
    return lines


def _told(row: dict[str, str] | None) -> str:
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


def _tables() -> list[str]:
    """What the benchmarks measured, each in one run on one machine."""
    lines = []
    for title, name, command, text in BENCHMARKS:
        path = FOLDER / f"{name}.csv"
        if not path.is_file():
            continue
        with path.open() as file:
            rows = list(csv.reader(file))
        lines += [f"## {title}", "", f"    {command}", "", text, "", f"| {' | '.join(rows[0])} |"]
        lines += ["|---" * len(rows[0]) + "|", *(f"| {' | '.join(map(_short, row))} |" for row in rows[1:]), ""]
    return lines


def _short(cell: str) -> str:
    """Numbers with at most four decimals."""
    try:
        return f"{float(cell):.4g}" if "." in cell else cell
    except ValueError:
        return cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--collect", nargs=2, metavar=("RUN", "NAME"))
    parser.add_argument("--command", action="append", default=[])
    parser.add_argument("--note", default="", help="what a reader should know of the machine or the run")
    given = parser.parse_args()
    if given.collect:
        collect(Path(given.collect[0]), given.collect[1], given.command, given.note)
    if given.check:
        sys.exit(None if PAGE.read_text() == render() else f"{PAGE.name} is stale: run  make docs")
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
