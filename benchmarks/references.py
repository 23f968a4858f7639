"""Which matrices memorize more depends on what the target is held against: the base, or models of the same training.

    python benchmarks/references.py --study runs/epochs --data phee [--rounds 1] --work runs/references
                                    [--out docs/results/references.csv]

The usual reference is the base model. What training added to a record's likelihood is then memorization, if it was
trained on, plus what the model learned of the domain; the second differs from record to record and hides the first.
A reference that was trained in the same way on other records of the domain has learned as much of it. A study has such
models at hand: the same cell with another seed. Round 1 reads the records of every cell through the adapter of the
next seed, round 2 through that of the one after, and so on; a record that the other seed trained on is left out of
that reading. With several, the log-probabilities are averaged (as in the offline form of LiRA, arXiv:2112.03570).

Only cells with one copy and one rank count. Readings are kept in --work, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnemoscope import models, stats
from mnemoscope.answers import Moment, Outcome
from mnemoscope.attacks.lr_ratio import loss_ratio
from mnemoscope.grid import Cell
from mnemoscope.progress import bar
from mnemoscope.records import Scores
from mnemoscope.stats.contrasts import Arm, Bootstrap
from mnemoscope.stats.ranking import mean_area, once
from mnemoscope.stats.spreads import across
from mnemoscope.steps import plan
from mnemoscope.steps.bench import REFERENCE, Bench
from mnemoscope.steps.collecting import outcome
from mnemoscope.steps.studying import Plan
from mnemoscope.store import Run
from mnemoscope.study_file import Study

ORDER = "voqk"
ATTACKS: Mapping[str, Callable[[Scores, Scores], Scores]] = {
    "lr_ratio": lambda target, reference: loss_ratio(reference, target),
    "lr_diff": lambda target, reference: target - reference,
}
"""Attack to its score from the mean log-probability of each record under target and reference, nats a token."""


def siblings(cells: Sequence[Cell], rounds: int) -> Iterator[tuple[int, Cell, Cell]]:
    """Round, a cell, and the cell of the same matrices that reads its records; all of a round before the next."""
    order = list(dict.fromkeys(cell.seed for cell in cells))
    of = {(cell.training.matrices, cell.seed): cell for cell in cells}
    for k in range(1, rounds + 1):
        for cell in cells:
            other = order[(order.index(cell.seed) + k) % len(order)]
            if (cell.training.matrices, other) in of:
                yield k, cell, of[cell.training.matrices, other]


def read(study: Plan, bench: Bench, work: Path, k: int, cell: Cell, other: Cell) -> None:
    """Keep the log-probability of each of the cell's records under the other cell's adapter, nats."""
    path, given = work / f"{cell.id}-{k}.npy", bench.of(cell.seed)
    if path.exists():
        return
    models.detach(bench.lm)
    models.attach(bench.lm, study.folder(other.id) / "cells" / other.id / "adapter")
    with bar(f"{cell.id} through seed {other.seed}", given.tokens.total, "tokens") as tick:
        traces = models.trace(bench.lm, given.tokens, given.plan, tick)[0]
    with path.with_suffix(".tmp").open("wb") as file:
        np.save(file, np.ma.getdata(traces.sum("logprob")))
    path.with_suffix(".tmp").replace(path)


def reference(work: Path, found: Outcome, trained: Sequence[frozenset[str]]) -> Scores:
    """Mean over the rounds of each record's log-probability a token; masked where all rounds trained on it."""
    seen = np.array([[record.id in ids for record in found.records] for ids in trained])
    read_ = np.array([np.load(work / f"{found.setting.cell}-{k + 1}.npy") for k in range(len(trained))])
    mean: Scores = np.ma.masked_array(read_, seen).mean(axis=0) / found.tokens
    return mean


def rescored(found: Outcome, target: NDArray[np.float64], held_against: Scores, attack: str) -> Outcome:
    scores = ATTACKS[attack](np.ma.masked_array(target), held_against)
    end = found.moments[-1]
    return replace(found, moments=(Moment(end.epoch, scores, end.losses),))


def outcomes(study: Plan, cells: Sequence[Cell], work: Path, rounds: int) -> dict[tuple[str, str], list[Outcome]]:
    """Reference and attack to the cells, scored with them."""
    known = {cell.id: outcome(study.folder(cell.id), cell, study.study) for cell in cells}
    members = {name: frozenset(r.id for r in one.records if r.role == "member") for name, one in known.items()}
    others = defaultdict[str, list[frozenset[str]]](list)
    for _, cell, other in siblings(cells, rounds):
        others[cell.id].append(members[other.id])
    found = defaultdict[tuple[str, str], list[Outcome]](list)
    for name, one in known.items():
        target = -one.moments[-1].losses / one.tokens
        told = {"base": np.ma.masked_array(-one.base_losses / one.tokens)}
        told |= {f"{k} other seed{'s' * (k > 1)}": reference(work, one, others[name][:k]) for k in range(1, rounds + 1)}
        for (label, held), attack in ((pair, attack) for pair in told.items() for attack in ATTACKS):
            found[label, attack].append(rescored(one, target, held, attack))
    return found


def area(one: Outcome) -> float:
    """AUC at the end of a cell."""
    sample = stats.Sample.of(one.moments[-1].scores, one.records)
    return once(mean_area(sample), len(sample.members), len(sample.nonmembers))


def rows(label: str, attack: str, same: Sequence[Outcome], study: Plan) -> Iterator[dict[str, str]]:
    """AUC by matrices, mean over the seeds, and all differences between two sets of matrices."""
    rules, by = study.study.rules.decide_by(), defaultdict[str, dict[int, Outcome]](dict)
    for one in same:
        by[one.setting.matrices][one.setting.seed] = one
    names = sorted(by, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    for name in names:
        areas = [area(one) for one in by[name].values()]
        told = _ends(*across(areas, rules.level, limit=1.0)[:2])
        yield _row(label, attack, name.upper(), float(np.mean(areas)), "", told, len(areas))
    bootstrap = Bootstrap.of(same, rules, seed=study.cells[0].seed)
    for first, second in combinations(names, 2):
        both = [seed for seed in by[first] if seed in by[second]]
        found = bootstrap.contrast({seed: (Arm.end(by[first][seed]), Arm.end(by[second][seed])) for seed in both})
        what, told = f"{first.upper()} - {second.upper()}", _ends(found.seed_low, found.seed_high)
        yield _row(label, attack, what, found.value, _ends(found.low, found.high), told, len(found.seeds))


def _row(
    label: str, attack: str, what: str, value: float | None, records: str, told: str, n_seeds: int
) -> dict[str, str]:
    return {
        "reference": label, "score": attack, "AUC": what, "value": "" if value is None else f"{value:.3f}",
        "interval, records": records, "interval, seeds": told, "seeds": str(n_seeds),
    }  # fmt: skip


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, help="folder of a finished study")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    study = plan(Study.model_validate(Run(given.study).manifest["study"]), given.data, given.study)
    cells = [cell for cell in study.cells if cell.training.copies == 1 and cell.id not in set(study.waiting())]
    given.work.mkdir(parents=True, exist_ok=True)
    asked = list(siblings(cells, given.rounds))
    if not all((given.work / f"{cell.id}-{k}.npy").exists() for k, cell, _ in asked):
        bench = Bench(study.study, study.pool, study.run.path(REFERENCE), study.compute())
        for one in asked:
            read(study, bench, given.work, *one)
    found = [row for key, same in outcomes(study, cells, given.work, given.rounds).items()
             for row in rows(*key, same, study)]  # fmt: skip
    for row in found:
        print(*row.values(), sep="  ")
    if given.out:
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
