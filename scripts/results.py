"""docs/results.md and its pages from committed numbers: docs/results/*.csv (estimates) and *.json (command, machine).

python scripts/results.py --collect RUN NAME --command "mnemoscope …" ...   copy an audit's numbers into docs/results
python scripts/results.py                                                   write the pages
python scripts/results.py --check                                           fail when a page is stale

Studies are copied by study_results.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import audit_results
import benchmark_results
import in_short
import study_results
from leakage_tables import by_copies
from results_summary import audits, benchmarks, questions, ran

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# Results

Fine-tuning on [PHEE](https://arxiv.org/abs/2210.12560), adverse drug events from medical case reports, and what the
built-in model, a quantised SmolLM2-135M-Instruct, remembers of it. Every number is rendered by `scripts/results.py`
from the CSV and JSON files in `docs/results/`; typed by hand are the table on one GPU, which says so, the notes of
studies and audits, the texts on benchmarks, and "In short", whose decisions the script compares with the tables.
Intervals are 95%; the CSV names the method of each: AUC by group bootstrap, TPR by Bayesian group bootstrap, controls
by clustered DeLong, attacks that learn from labels widened for cross-fitting.
"""


def pages(docs: Path) -> dict[Path, str]:
    """Every page under `docs` with its text."""
    folder = docs / "results"
    studies, runs = study_results.studies(folder), audit_results.read(folder)
    measured = benchmark_results.page(folder)
    copies = by_copies({name: rows for name, (_, rows) in runs.items()}, audit_results.told)
    summary = [*questions(studies), *ran(studies), *audits(runs), *copies, *benchmarks(measured)]
    texts = {docs / "results.md": [HEAD, in_short.TEXT, *summary], folder / "benchmarks.md": measured}
    texts |= {folder / one.name / "README.md": study_results.page(one, folder) for one in studies}
    texts |= {folder / f"{name}.md": [audit_results.page(name, *run)] for name, run in runs.items()}
    return {path: "\n".join(lines).rstrip("\n") + "\n" for path, lines in texts.items() if lines}


def stale(docs: Path) -> list[Path]:
    """Pages that are not as they would be written, and pages of what is gone."""
    texts, folder = pages(docs), docs / "results"
    there = {*folder.glob("*.md"), *folder.glob("*/README.md")}
    old = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return sorted({*old, *(there - texts.keys())})


def write(docs: Path) -> None:
    """Write what is stale; a page of what is gone goes."""
    texts = pages(docs)
    for path in stale(docs):
        if path in texts:
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--collect", nargs=2, metavar=("RUN", "NAME"))
    parser.add_argument("--command", action="append", default=[])
    parser.add_argument("--note", default="", help="what a reader should know of the machine or the run")
    given = parser.parse_args()
    if given.collect:
        run, name = given.collect
        audit_results.collect(Path(run), name, given.command, given.note, DOCS / "results")
    if unsaid := in_short.unsaid(study_results.studies(DOCS / "results")):
        sys.exit("'In short' rests on what no longer holds, mend its text: " + "; ".join(unsaid))
    if given.check:
        old = [str(path.relative_to(DOCS)) for path in stale(DOCS)]
        sys.exit(f"{', '.join(old)} stale: run  make docs" if old else None)
    write(DOCS)


if __name__ == "__main__":
    main()
