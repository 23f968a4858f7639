"""How often the shipped 95% intervals hold the truth, on samples drawn from a population that is known.

    python benchmarks/coverage.py [--draws 4000] [--out docs/results/coverage.csv] [--workers 1] [--only NAME]

A record's score is sqrt(icc) * its group's normal + sqrt(1 - icc) * its own, and members have sqrt(2) * Phi^-1(AUC)
more. Groups hold 1 to 6 records, 2.6 on average, as the abstracts of PHEE do. A second attack sees the same records
with a correlation of .8 and .8 of the members' advantage. Every statistic is the shipped function. Rows are appended
cell by cell; a rerun goes on where the last one stopped, and `--only` gives the rows that the whole run gives.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mnemoscope import seeds, stats
from mnemoscope.records import Estimate
from mnemoscope.stats.rates import tpr_given_threshold

SEED = 1
RESAMPLES = 400
"""Resamples of one interval; few, so that many samples can be drawn."""
SIZES = (0.24, 0.30, 0.22, 0.13, 0.07, 0.04)
"""Share of groups with 1, 2, … 6 records."""
LIKE = 0.8
"""Correlation of the two attacks, and what the second has of the first's advantage."""
GOAL = (0.93, 0.97)
FEW = 200
"""Groups of the smaller class from which on the goal is required."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A population and the number of groups drawn from each class."""

    auc: float
    icc: float
    member_groups: int
    nonmember_groups: int

    @property
    def name(self) -> str:
        return f"auc {self.auc} icc {self.icc} groups {self.member_groups}/{self.nonmember_groups}"

    @property
    def shift(self) -> float:
        """What members have more, in standard deviations of a score."""
        return float(np.sqrt(2) * norm.ppf(self.auc))


POPULATIONS = [(auc, icc) for auc in (0.5, 0.75, 0.95) for icc in (0.0, 0.3)] + [(0.85, 0.15)]
CELLS = [Cell(*what, 200, 200) for what in POPULATIONS]
CELLS += [Cell(auc, 0.3, 25, 20) for auc in (0.5, 0.95)]
CELLS += [Cell(auc, 0.3, 400, 300) for auc in (0.5, 0.75, 0.95)]


@dataclass(frozen=True, slots=True)
class Statistic:
    """An interval under test."""

    estimate: Callable[..., Estimate]
    """Takes the two attacks' samples and a generator."""
    truth: Callable[[Cell], float]
    required: bool = False
    fpr: float | None = None


def area(cell: Cell) -> float:
    return cell.auc


def difference(cell: Cell) -> float:
    return float(cell.auc - norm.cdf(LIKE * cell.shift / np.sqrt(2)))


def tpr(cell: Cell, fpr: float) -> float:
    return float(norm.sf(norm.isf(fpr) - cell.shift))


def paired(first: stats.Sample, second: stats.Sample, rng: np.random.Generator) -> Estimate:
    return stats.auc_difference(stats.Paired(first, second), "x", resamples=RESAMPLES, rng=rng)


STATISTICS = {
    "AUC, group bootstrap": Statistic(
        lambda one, _, rng: stats.auc(one, "x", resamples=RESAMPLES, rng=rng), area, True
    ),
    "AUC difference, paired group bootstrap": Statistic(paired, difference, True),
    "AUC, clustered DeLong": Statistic(lambda one, *_: stats.auc_delong_clustered(one, "x"), area, True),
    "AUC, DeLong": Statistic(lambda one, *_: stats.auc_delong(one, "x"), area),
    "AUC, Hanley-McNeil": Statistic(lambda one, *_: stats.auc_hanley_mcneil(one, "x"), area),
}
for rate in (0.1, 0.01):
    STATISTICS |= {
        f"TPR at FPR {rate:g}, group bootstrap": Statistic(
            lambda one, _, rng, fpr=rate: stats.tpr_at_fpr(one, "x", fpr=fpr, resamples=RESAMPLES, rng=rng),
            partial(tpr, fpr=rate),
            True,
            rate,
        ),
        f"TPR at FPR {rate:g}, Clopper-Pearson": Statistic(
            lambda one, *_, fpr=rate: tpr_given_threshold(one, "x", fpr=fpr), partial(tpr, fpr=rate), fpr=rate
        ),
    }
COLUMNS = ["statistic", "auc", "icc", "member_groups", "nonmember_groups", "fpr", "draws", "coverage", "mean_width"]
COLUMNS += ["truth_below", "truth_above", "missing", "truth", "required", "ms"]


def one_class(cell: Cell, groups: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Non-member scores of both attacks, shape (2, n), and group codes, shape (n,)."""
    codes = np.repeat(np.arange(groups), rng.choice(np.arange(1, 7), size=groups, p=SIZES))
    shared, own = rng.normal(size=(2, groups)), rng.normal(size=(2, len(codes)))
    for noise in (shared, own):
        noise[1] = LIKE * noise[0] + np.sqrt(1 - LIKE**2) * noise[1]
    return np.sqrt(cell.icc) * shared[:, codes] + np.sqrt(1 - cell.icc) * own, codes


def draw(cell: Cell, rng: np.random.Generator) -> tuple[stats.Sample, stats.Sample]:
    """The two attacks' scores of one sample of records."""
    members, member_codes = one_class(cell, cell.member_groups, rng)
    nonmembers, nonmember_codes = one_class(cell, cell.nonmember_groups, rng)
    # the codes of both classes are of one list, and no group has both
    groups = member_codes, cell.member_groups + nonmember_codes
    first = stats.Sample(members[0] + cell.shift, nonmembers[0], *groups, n_unscored=0)
    return first, stats.Sample(members[1] + LIKE * cell.shift, nonmembers[1], *groups, n_unscored=0)


def measure(cell: Cell, names: list[str], draws: int) -> list[dict[str, Any]]:
    """One row a statistic; all see the same samples, and each has its own resamples."""
    tallies = {name: Tally(name, cell) for name in names}
    for i in range(draws):
        samples = draw(cell, seeds.generator(SEED, "coverage", cell.name, str(i)))
        for name, tally in tallies.items():
            tally.add(*samples, seeds.generator(SEED, "coverage", cell.name, str(i), name))
    return [tally.row() for tally in tallies.values()]


class Tally:
    """Where the truth lay in the intervals so far."""

    def __init__(self, name: str, cell: Cell) -> None:
        self.name, self.cell, self.what = name, cell, STATISTICS[name]
        self.truth = self.what.truth(cell)
        self.ends: list[tuple[float, float]] = []
        self.missing, self.seconds = 0, 0.0

    def add(self, first: stats.Sample, second: stats.Sample, rng: np.random.Generator) -> None:
        start = time.process_time()
        found = self.what.estimate(first, second, rng)
        self.seconds += time.process_time() - start
        if found.low is None or found.high is None:
            self.missing += 1
        else:
            self.ends.append((found.low, found.high))

    def row(self) -> dict[str, Any]:
        """A missing interval holds nothing."""
        low, high = np.array(self.ends).reshape(-1, 2).T
        draws = len(low) + self.missing
        below, above = float((self.truth < low).sum()) / draws, float((self.truth > high).sum()) / draws
        cell, missing = self.cell, self.missing / draws
        required = self.what.required and min(cell.member_groups, cell.nonmember_groups) >= FEW
        fpr = "" if self.what.fpr is None else self.what.fpr
        values = (self.name, cell.auc, cell.icc, cell.member_groups, cell.nonmember_groups, fpr, draws)
        width = float((high - low).mean()) if len(low) else ""
        shares = [round(x, 5) for x in (1 - below - above - missing, width or 0.0, below, above, missing, self.truth)]
        spent = round(1000 * self.seconds / draws, 1)
        return dict(zip(COLUMNS, (*values, *shares, "yes" if required else "no", spent), strict=True))


def key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        str(row[column]) for column in ("statistic", "auc", "icc", "member_groups", "nonmember_groups", "draws")
    )


def todo(done: set[tuple[str, ...]], names: list[str], draws: int) -> Iterator[tuple[Cell, list[str]]]:
    """Cells and the statistics that they still lack."""
    for cell in CELLS:
        where = {"auc": cell.auc, "icc": cell.icc, "draws": draws}
        where |= {"member_groups": cell.member_groups, "nonmember_groups": cell.nonmember_groups}
        if lacking := [name for name in names if key(where | {"statistic": name}) not in done]:
            yield cell, lacking


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def off_goal(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Required rows outside 93 to 97%."""
    return [row for row in rows if row["required"] == "yes" and not GOAL[0] <= float(row["coverage"]) <= GOAL[1]]


def measured(
    left: list[tuple[Cell, list[str]]], draws: int, workers: int
) -> Iterator[tuple[Cell, list[dict[str, Any]]]]:
    """Cells as they are finished."""
    if workers == 1:
        for cell, names in left:
            yield cell, measure(cell, names, draws)
        return
    with ProcessPoolExecutor(workers) as pool:
        jobs = {pool.submit(measure, cell, names, draws): cell for cell, names in left}
        for job in as_completed(jobs):
            yield jobs[job], job.result()


def run(path: Path, names: list[str], draws: int, workers: int) -> None:
    left, start = list(todo({key(row) for row in read(path)}, names, draws)), time.perf_counter()
    for n, (cell, rows) in enumerate(measured(left, draws, workers), start=1):
        append(path, rows)
        cost, spent = sum(row["ms"] for row in rows), (time.perf_counter() - start) / 60
        rest = spent / n * (len(left) - n)
        print(f"{n}/{len(left)} {cell.name}: {cost:.0f} ms a draw; {spent:.1f} min, {rest:.1f} left", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/coverage.csv"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", choices=STATISTICS, metavar="NAME", help=", ".join(STATISTICS))
    given = parser.parse_args()
    names = [given.only] if given.only else list(STATISTICS)
    run(given.out, names, given.draws, given.workers)
    rows = [row for row in read(given.out) if int(row["draws"]) == given.draws]
    for row in rows:
        print("{statistic:<40} {auc:>5} {icc:>5} {member_groups:>4}/{nonmember_groups:<4} {coverage:>8}".format(**row))
    print(f"{len(off_goal(rows))} of the required rows are outside {GOAL[0]:.0%} to {GOAL[1]:.0%}")
    for row in off_goal(rows):
        print("outside: {statistic}, AUC {auc}, ICC {icc}, {member_groups}/{nonmember_groups}".format(**row))


if __name__ == "__main__":
    main()
