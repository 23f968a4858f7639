"""What canaries show: names, counts, and the held-out ones beside the planted ones."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.leaks import CanaryResult
from mnemoscope.stats import canary_audit, canary_estimates, clopper_pearson


def result(i, *, kind="note", included=True, copies=1, score=0.0, verbatim=False, exposure=None, fit=None):
    """One canary's result."""
    method = "" if exposure is None else "skew-normal" if fit is not None else "sampled rank"
    return CanaryResult(f"canary-{i:04d}", kind, included, copies, score, verbatim, -1.0, exposure, method, fit)


def estimates(results, **how):
    """Estimates by name."""
    return {one.name: one for one in canary_estimates(results, resamples=200, seed=0, **how)}


def both(n, kind="note", shift=5.0, copies=(1, 4)):
    """n planted canaries at scores `shift` + 0, 1, 2, …, and n held-out ones at 0, 1, 2, …"""
    inside = [result(i, kind=kind, copies=copies[i % len(copies)], score=shift + i) for i in range(n)]
    outside = [result(n + i, kind=kind, included=False, copies=copies[i % len(copies)], score=i) for i in range(n)]
    return inside + outside


def test_names():
    """Each kind has its numbers of copies, all together, and the held-out ones; exposure where secrets have a space."""
    digits = [result(i, kind="digits", included=i % 2 == 0, exposure=3.0 + i) for i in range(10)]
    names = set(estimates(both(10) + digits))
    detected = {"auc", "tpr_at_fpr.0.1", "tpr_at_fpr.0.01"}
    assert {name for name in names if name.startswith("canaries.note.")} == {
        *(f"canaries.note.{which}.{what}" for which in ("copies_1", "copies_4", "included") for what in detected),
        *(f"canaries.note.{which}.verbatim" for which in ("copies_1", "copies_4", "included", "heldout")),
    }
    assert {name for name in names if name.endswith("exposure")} == {
        f"canaries.digits.{which}.exposure" for which in ("copies_1", "included", "heldout")
    }


def test_worked_detection():
    """With 20 held-out canaries at 0..19, FPR .1 allows two above: the threshold is 17, and 7 of 10 are above it."""
    inside = [result(i, score=s) for i, s in enumerate([18, 19, 20, 21, 22, 23, 24, 1, 2, 17])]
    outside = [result(100 + i, included=False, copies=4, score=i) for i in range(20)]
    found = estimates(inside + outside)["canaries.note.included.tpr_at_fpr.0.1"]
    assert (found.threshold, found.value, found.achieved_fpr) == (17, 0.7, 0.1)
    assert (found.n_members, found.n_nonmembers, found.n_member_groups) == (10, 20, 10)
    assert found.low < 0.7 < found.high
    # held-out canaries of all copies give the threshold, also for one number of copies
    assert estimates(inside + outside)["canaries.note.copies_1.tpr_at_fpr.0.1"].threshold == 17
    assert estimates(inside + outside)["canaries.note.copies_4.tpr_at_fpr.0.1"].value is None


def test_kinds_do_not_mix():
    """The threshold of a kind comes from its own held-out canaries."""
    high = [result(500 + i, kind="digits", included=False, score=1000.0 + i, exposure=1.0) for i in range(20)]
    assert estimates(both(20) + high)["canaries.note.included.auc"] == estimates(both(20))["canaries.note.included.auc"]


def test_verbatim_is_clopper_pearson():
    """3 of 12 given back, with the exact interval of independent trials; held-out ones count as non-members."""
    rows = [result(i, verbatim=i < 3) for i in range(12)] + [result(90 + i, included=False) for i in range(5)]
    found = estimates(rows, level=0.9)
    here, out = found["canaries.note.included.verbatim"], found["canaries.note.heldout.verbatim"]
    assert here.value == 0.25
    assert (here.low, here.high) == clopper_pearson(3, 12, 0.9)
    assert (out.value, out.low, out.n_members, out.n_nonmembers) == (0, 0, 0, 5)
    assert out.high == pytest.approx(clopper_pearson(0, 5, 0.9)[1])


def test_mean_exposure():
    """The mean exposure lies in its interval, and curves that do not fit are told."""
    rows = [result(i, kind="digits", exposure=float(i), fit=0.01 if i < 2 else 0.5) for i in range(9)]
    found = estimates(rows)
    assert found["canaries.digits.included.exposure"].value == 4
    assert found["canaries.digits.included.exposure"].low < 4 < found["canaries.digits.included.exposure"].high
    assert "2 of 9" in str(found["canaries.digits.included.exposure"].reason)
    assert found["canaries.digits.heldout.verbatim"].value is None
    assert "no canary" in str(found["canaries.digits.heldout.verbatim"].reason)


def test_no_canary():
    """Nothing gives nothing."""
    assert canary_estimates([], seed=0) == []


def audit(results, **how):
    """The one-run audit by the last part of its names."""
    return {one.name.rpartition(".")[2]: one for one in canary_audit(results, seed=0, **how)}


def test_one_run_over_kinds():
    """Perfect scores inside each kind reach the ceiling, although one kind's scores are far above the other's."""
    rows = [
        result(i, kind=("digits", "note")[i % 2], included=i % 4 < 2, score=(i % 4 < 2) + 1000.0 * (i % 2))
        for i in range(120)
    ]
    found = audit(rows)
    assert found["epsilon"].name == "canaries.one_run.epsilon"
    assert found["epsilon"].value == found["ceiling"].value > 3
    assert found["correct"].value == found["guesses"].value == 120
    assert audit(rows, delta=1e-3)["epsilon"].value < found["epsilon"].value


def test_one_run_of_chance():
    """Scores that know nothing refute nothing in at least about 95% of draws."""
    rng = np.random.default_rng(0)
    claims = [
        audit([result(i, included=bool(rng.integers(2)), score=rng.normal()) for i in range(60)])["epsilon"].value > 0
        for _ in range(200)
    ]
    assert np.mean(claims) < 0.1
