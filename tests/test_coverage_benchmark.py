"""The simulation that proves the intervals draws what it says and goes on where it stopped."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "coverage.py"
FAST = ["AUC, Hanley-McNeil", "TPR at FPR 0.01, Clopper-Pearson"]


@pytest.fixture(name="bench", scope="module")
def bench_module():
    """The benchmark under a name that hides no package."""
    spec = importlib.util.spec_from_file_location("coverage_benchmark", FILE)
    module = sys.modules["coverage_benchmark"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["coverage_benchmark"]


def test_a_large_sample_has_the_population_s_truth(bench):
    """Group sizes, correlations, AUC, AUC difference and TPR of a large sample are those that the cell names."""
    cell = bench.Cell(0.75, 0.3, 12000, 12000)
    first, second = bench.draw(cell, np.random.default_rng(0))
    assert len(first.members) / 12000 == pytest.approx(2.6, abs=0.05)
    one, two = bench.stats.auc_hanley_mcneil(first, "x").value, bench.stats.auc_hanley_mcneil(second, "x").value
    assert one == pytest.approx(0.75, abs=0.02)
    assert one - two == pytest.approx(bench.difference(cell), abs=0.02)
    for fpr in (0.1, 0.01):
        found = bench.tpr_given_threshold(first, "x", fpr=fpr)
        assert found.value == pytest.approx(bench.tpr(cell, fpr), abs=0.02)
    assert first.nonmembers.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(first.nonmembers, second.nonmembers)[0, 1] == pytest.approx(0.8, abs=0.02)
    near = first.nonmember_groups[1:] == first.nonmember_groups[:-1]
    assert np.corrcoef(first.nonmembers[1:][near], first.nonmembers[:-1][near])[0, 1] == pytest.approx(0.3, abs=0.03)
    assert not set(first.member_groups) & set(first.nonmember_groups)


def test_a_row_counts_where_the_truth_lay(bench):
    """Coverage and both kinds of misses add up to 1, and a missing interval holds nothing."""
    tally = bench.Tally(FAST[0], bench.CELLS[0])
    tally.ends, tally.missing = [(0.4, 0.6), (0.6, 0.7), (0.3, 0.4), (0.5, 0.5)], 1  # the truth is .5
    row = tally.row()
    shares = [row[column] for column in ("coverage", "truth_below", "truth_above", "missing", "mean_width")]
    assert shares == pytest.approx([0.4, 0.2, 0.2, 0.2, 0.1])


def test_a_rerun_goes_on_where_it_stopped(bench, tmp_path, monkeypatch):
    """A run that lost its last cell, or had one statistic alone, ends with the rows of the whole run."""
    monkeypatch.setattr(bench, "CELLS", [bench.Cell(0.75, 0.3, 12, 10), bench.Cell(0.5, 0.0, 12, 10)])
    whole, torn, alone = (tmp_path / name for name in ("whole.csv", "torn.csv", "alone.csv"))

    def rows(path):
        return sorted([bench.key(row), row["coverage"], row["mean_width"]] for row in bench.read(path))

    bench.run(whole, FAST, 5, 1)
    assert len(rows(whole)) == 4
    torn.write_text("".join(whole.read_text().splitlines(keepends=True)[:3]))  # the header and the first cell
    bench.run(alone, FAST[1:], 5, 1)
    for path in (torn, alone):
        bench.run(path, FAST, 5, 1)
        assert rows(path) == rows(whole)
    before = whole.read_text()
    bench.run(whole, FAST, 5, 1)
    assert whole.read_text() == before


def test_only_required_rows_can_be_off_the_goal(bench):
    """93 and 97% are inside; what is there to show a failure is not counted as one."""
    rows = [{"required": "yes", "coverage": x} for x in ("0.929", "0.93", "0.97", "0.971")]
    rows.append({"required": "no", "coverage": "0.5"})
    assert bench.off_goal(rows) == [rows[0], rows[3]]
    tally = bench.Tally("AUC, clustered DeLong", bench.Cell(0.5, 0.3, 25, 20))
    tally.ends = [(0.4, 0.6)]
    assert tally.row()["required"] == "no"
