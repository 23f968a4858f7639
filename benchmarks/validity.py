"""How often the verdict calls a valid audit doubtful, and how often it lets a wrong one pass.

    python benchmarks/validity.py --data phee [--traces runs/a/reference/traces.parquet] [--draws 200]
                                  [--scenario NAME ...] [--workers 1] [--out docs/results/validity.csv]

Valid: the groups of a real set are dealt anew at random, as many to members as there were, so nothing can tell the
classes apart. Wrong: the same, and then one class is changed the way badly chosen sets differ. Every draw runs the
shipped controls, checks and verdict. With --traces the single-model scores of the reference, which are made once and
do not depend on the labels, are controls too; changed texts have no traces, so wrong sets are judged by text alone,
which can only make them harder to catch. Goal: at most 5% of valid audits doubtful, no wrong one valid.
"""

from __future__ import annotations

import argparse
import csv
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from mnemoscope import data, registry, seeds, stats
from mnemoscope.records import Estimate, Record, Scores
from mnemoscope.stats.validity import TOLERANCE
from mnemoscope.tables import read_traces

SEED = 1
LEVEL = 0.95
SMALL = 200
"""Groups a class of the small scenarios."""
FOLDED = ("blind_words", "blind_ngrams")
DRUGS = ("thalidomide", "phenacetin", "reserpine", "digoxin", "warfarin", "lithium", "imatinib", "apixaban")
"""From old to new: older texts draw from the first five, newer ones from the last five."""

Spoil = Callable[[Sequence[Record], np.random.Generator], list[Record]]


def valid(records: Sequence[Record], _: np.random.Generator) -> list[Record]:
    return list(records)


def older(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """Members of 1990-2009 and non-members of 2000-2019, with the drugs of their time."""

    def dated(record: Record) -> Record:
        first, drugs = (1990, DRUGS[:5]) if record.role == "member" else (2000, DRUGS[-5:])
        return replace(record, text=f"{record.text} ({rng.choice(drugs)}, {first + rng.integers(20)})")

    return [dated(record) for record in records]


def longer(records: Sequence[Record], _: np.random.Generator) -> list[Record]:
    """Non-members lack the last 30% of their words."""

    def cut(text: str) -> str:
        words = text.split(" ")
        return " ".join(words[: max(1, round(0.7 * len(words)))])

    return [record if record.role == "member" else replace(record, text=cut(record.text)) for record in records]


def template(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """Half of the members open with words that no non-member opens with."""
    marked = rng.random(len(records)) < 0.5
    return [
        replace(record, text=f"Case report: {record.text}") if mark and record.role == "member" else record
        for record, mark in zip(records, marked, strict=True)
    ]


def copies(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """One non-member in ten is a member's text with one word changed."""
    members = [record.text for record in records if record.role == "member"]

    def copied(record: Record) -> Record:
        if record.role == "member" or rng.random() >= 0.1:
            return record
        words = str(rng.choice(members)).split(" ")
        words[rng.integers(len(words))] = "unchanged"
        return replace(record, text=" ".join(words))

    return [copied(record) for record in records]


def few(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """15 members and 15 non-members."""
    mixed = [records[i] for i in rng.permutation(len(records))]
    return [record for role in ("member", "nonmember") for record in [r for r in mixed if r.role == role][:15]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to a random deal of the groups, and how many each class gets (None: as many as it had)."""

    spoil: Spoil
    groups: int | None = None
    good: bool = False


SCENARIOS = {
    "valid": Scenario(valid, good=True),
    f"valid, {SMALL} groups a class": Scenario(valid, SMALL, good=True),
    "members older": Scenario(older),
    f"members older, {SMALL} groups a class": Scenario(older, SMALL),
    "members longer": Scenario(longer),
    f"members longer, {SMALL} groups a class": Scenario(longer, SMALL),
    "a template in half of the members": Scenario(template),
    f"a template in half of the members, {SMALL} groups a class": Scenario(template, SMALL),
    "10% of non-members near copies of members": Scenario(copies),
    f"10% of non-members near copies of members, {SMALL} groups a class": Scenario(copies, SMALL),
    "30 records in all": Scenario(few),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one draw came to."""

    verdict: str
    off: tuple[str, ...]
    """The controls that lay off chance."""


@cache
def source(name: str) -> tuple[Record, ...]:
    return tuple(record for record in data.read(name) if record.role != "excluded")


@cache
def reference_scores(name: str, path: Path) -> dict[str, dict[str, float]]:
    """Attack to record id to score, unscored ones left out. A fitted attack learns from labels: it is no control."""
    traces = read_traces(path)
    missing = {record.id for record in source(name)} - set(traces.ids)
    if missing:
        raise SystemExit(f"{path} lacks {len(missing)} of the records of {name}. Give the traces of a run over them.")
    single = [one for one in registry.attacks().values() if one.needs == ("target",) and not one.fitted]
    scored = {one.name: one.score({"target": traces}) for one in single}
    return {
        attack: {traces.ids[i]: float(scores[i]) for i in np.flatnonzero(~np.ma.getmaskarray(scores))}
        for attack, scores in scored.items()
    }


def dealt(records: Sequence[Record], groups: int | None, rng: np.random.Generator) -> list[Record]:
    """The records with their groups dealt at random to members, calibration and evaluation non-members."""
    names = sorted({record.group for record in records})
    n_members = len({record.group for record in records if record.role == "member"})
    sizes = (n_members, len(names) - n_members) if groups is None else (groups, groups)
    if sum(sizes) > len(names):
        raise SystemExit(f"{sum(sizes)} groups are needed, the data has {len(names)}. Give a larger set.")
    drawn = [names[i] for i in rng.permutation(len(names))[: sum(sizes)]]
    place = dict.fromkeys(drawn[: sizes[0]], ("member", "train"))
    for i, name in enumerate(drawn[sizes[0] :]):
        place[name] = ("nonmember", ("calibration", "evaluation")[i % 2])
    found = [(record, *place[record.group]) for record in records if record.group in place]
    return [replace(r, role=role, part=part, copies=int(role == "member")) for r, role, part in found]


def text_controls(records: Sequence[Record]) -> dict[str, Scores]:
    length = [float(len(record.text)) for record in records]
    packed = [float(len(zlib.compress(record.text.encode()))) for record in records]
    return {
        "length": np.ma.masked_array(length),
        "zlib_length": np.ma.masked_array(packed),
        "blind_words": data.blind_words(records),
        "blind_ngrams": data.blind_ngrams(records),
    }


def picked(known: Mapping[str, float], records: Sequence[Record]) -> Scores:
    values = [known.get(record.id) for record in records]
    return np.ma.masked_array([value or 0.0 for value in values], mask=[value is None for value in values])


def draw(number: int, *, name: str, given: str, traces: Path | None) -> Outcome:
    """One deal of the groups, spoilt as the scenario says, and what the verdict makes of it."""
    scenario, rng = SCENARIOS[name], seeds.generator(SEED, "validity", name, str(number))
    records = scenario.spoil(dealt(source(given), scenario.groups, rng), rng)
    scores = text_controls(records)
    if traces is not None and scenario.good:
        known = reference_scores(given, traces)
        scores |= {f"reference_{attack}": picked(values, records) for attack, values in known.items()}
    estimator = stats.Estimator(level=LEVEL, resamples=100, seed=SEED)
    found = estimator.controls(records, scores, folded=FOLDED)
    near, shared = data.near_duplicates(records), {str(n): data.overlap(records, n) for n in (7, 13)}
    verdict, _ = stats.verdict([*found, *estimator.validity(records, near, shared, scores["length"])])
    return Outcome(verdict, tuple(one.name for one in found if off_chance(one)))


def off_chance(control: Estimate) -> bool:
    """The verdict's own rule; a p-value may be 0, so a missing one is told by None alone."""
    if control.value is None or control.p_adjusted is None:
        return False
    return abs(control.value - 0.5) > TOLERANCE and control.p_adjusted < 1 - LEVEL


def row(name: str, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """One line of the table; the interval is that of the error: doubtful for a valid set, valid for a wrong one."""
    n, counts = len(outcomes), Counter(one.verdict for one in outcomes)
    error = "doubtful" if SCENARIOS[name].good else "valid"
    low, high = stats.clopper_pearson(counts[error], n, LEVEL)
    off = Counter(control for one in outcomes for control in one.off)
    return {
        "scenario": name,
        "draws": n,
        **{verdict: f"{counts[verdict] / n:.4f}" for verdict in ("doubtful", "not resolvable", "valid")},
        "error": error,
        "error_low": f"{low:.4f}",
        "error_high": f"{high:.4f}",
        "off_chance": "; ".join(f"{control} {count / n:.3f}" for control, count in sorted(off.items())),
    }


def outcomes_of(work: Callable[[int], Outcome], draws: int, workers: int) -> Iterable[Outcome]:
    if workers == 1:
        return map(work, range(draws))
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(work, range(draws)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for name in given.scenario:
        start = time.perf_counter()
        work = partial(draw, name=name, given=given.data, traces=given.traces)
        found = list(outcomes_of(work, given.draws, given.workers))
        rows.append(row(name, found))
        print(*rows[-1].values(), f"{(time.perf_counter() - start) / given.draws:.1f} s a draw", sep=" | ", flush=True)
        if given.out:  # after every scenario, so that a stopped run keeps what it has
            with given.out.open("w", newline="") as file:
                table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                table.writeheader()
                table.writerows(rows)


if __name__ == "__main__":
    main()
