"""Seconds, bytes and loading time of the report on made-up audits of many records: one CSV line a size.

    OMP_NUM_THREADS=1 python benchmarks/page.py [--records 1000 10000 100000] [--browser chromium] [--out page.csv]

A record has 20 to 60 tokens, two sensitive values in a hundred tokens and no text worth keeping. Building counts what
`reporting.page` does, figures and all, and not the reading of the run folder. Bytes a record are those of the table's
data block. Ready is the time from the browser's start until it has the page with the table running, less that of
an empty page: an upper bound, since the browser then also writes the whole page out.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mnemoscope import reporting, stats
from mnemoscope.leaks import SpanLeak
from mnemoscope.records import DataReport, Estimate, Evidence, Extraction, Record, Span
from mnemoscope.seeds import generator
from mnemoscope.traces import Traces

ATTACKS = ("loss", "lr_diff", "lr_ratio", "min_k", "zlib")
HEAD = ("records", "build_s", "page_bytes", "data_bytes", "bytes_a_record", "ready_s")


def records(n: int) -> list[Record]:
    """Two members to one held-out record, three to a group."""
    return [
        Record(
            id=f"record-{i}",
            text=f"Record {i} " + "word " * (20 + i % 40),
            group=f"group-{i // 3}",
            role="nonmember" if i // 3 % 3 == 2 else "member",
            part="evaluation" if i // 3 % 3 == 2 else "train",
            spans=(Span(7, 8, "number"),),
            copies=0 if i // 3 % 3 == 2 else 1,
        )
        for i in range(n)
    ]


def traces(rows: Sequence[Record], name: str) -> Traces:
    """The columns that the page reads; a token is five characters."""
    rng, lengths = generator(0, "page", name), np.array([len(row.text) // 5 for row in rows])
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ends = 5 * (np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + 1)
    columns = {
        "char_end": ends.astype(np.int32),
        "logprob": -rng.gamma(0.8, 3.5, offsets[-1]).astype(np.float32),
    }
    return Traces(tuple(row.id for row in rows), offsets, columns, 5 * lengths, 5 * lengths)


def audit(rows: Sequence[Record], target: Traces) -> Evidence:
    """Scores, curves and extractions of these records; the estimates are few, as in any audit."""
    rng = generator(0, "page", "audit")
    member = np.array([row.role == "member" for row in rows])
    scores = {name: np.ma.masked_array(rng.normal(member * 1.0, 1.0)) for name in ATTACKS}
    lengths = target.lengths.tolist()
    runs = {"target": rng.geometric(np.where(member, 0.2, 0.5)), "reference": rng.geometric(0.5, len(rows))}
    extractions = [
        Extraction(row.id, "0.5", model, n // 2, n - n // 2, run, run == n - n // 2, n, False, 0, 1)
        for model in ("target", "reference")
        for row, n, run in zip(rows, lengths, np.minimum(runs[model] - 1, target.lengths // 2).tolist(), strict=True)
    ]
    count = {role: sum(row.role == role for row in rows) for role in ("member", "nonmember")}
    quantiles = {"min": 110.0, "q25": 150.0, "median": 200.0, "q75": 250.0, "max": 310.0}
    return Evidence(
        records=rows,
        data=DataReport("made up", "0" * 64, count, count, dict.fromkeys(count, quantiles), {}, 0, 0),
        scores=scores,
        curves={name: stats.roc_curve(stats.Sample.of(values, rows)) for name, values in scores.items()},
        extractions=extractions,
        generations=[],
        estimates=[Estimate(f"membership.{name}.auc", 0.76, 0.74, 0.78, 0.95, "made up") for name in ATTACKS],
        training=[],
        manifest={"verdict": {"validity": "valid", "reason": "made up"}},
    )


def built(n: int) -> tuple[float, str]:
    """Seconds that the page of n records takes to build, and the page."""
    rows = records(n)
    target, reference = traces(rows, "target"), traces(rows, "reference")
    known = [SpanLeak(row.id, 7, 8, "number", 1, False, False, -1.0, -2.0, False, None, None, None) for row in rows]
    evidence = audit(rows, target)
    summary = reporting.summary(evidence)
    begun = time.perf_counter()
    page = reporting.page(evidence, summary, show_text=False, target=target, reference=reference, spans=known)
    return time.perf_counter() - begun, page


def seconds(browser: str, page: Path, profile: Path) -> float:
    """Wall time of a browser that loads the page, runs its scripts and writes out what became of it."""
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}")
    command = [browser, *quiet, "--dump-dom", page.as_uri()]
    begun = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    return time.perf_counter() - begun


def ready(browser: str, page: str) -> float:
    """Seconds for this page more than for an empty one, the middle of three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.html").write_text(page, encoding="utf-8")
        (folder / "empty.html").write_text("<!doctype html><title>empty</title>", encoding="utf-8")
        pages = [folder / "empty.html", folder / "page.html"]
        found = [[seconds(browser, one, folder / "profile") for _ in range(3)] for one in pages]
    empty, full = (float(np.median(times)) for times in found)
    return full - empty


def line(n: int, browser: str) -> list[str]:
    taken, page = built(n)
    data = page[page.index('id="records-data">') :]
    data = data[data.index(">") + 1 : data.index("</script>")]
    size = len(data.encode())
    known = f"{ready(browser, page):.2f}" if browser else ""
    return [str(n), f"{taken:.2f}", str(len(page.encode())), str(size), f"{size / n:.1f}", known]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--browser", default="", help="such as chromium; without one no loading time is measured")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [HEAD]
    for n in given.records:
        lines.append(tuple(line(n, given.browser)))
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines[-1:])
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


if __name__ == "__main__":
    main()
