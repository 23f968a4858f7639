"""Estimates of scores that rank records: controls, attacks, and attacks against each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from mnemoscope.folds import group_folds
from mnemoscope.records import Estimate, Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.stats.aggregation import by_group, fold_ranks
from mnemoscope.stats.comparison import Paired, auc_difference, auc_difference_delong
from mnemoscope.stats.crossfit import widened
from mnemoscope.stats.delong import auc_delong, auc_delong_clustered
from mnemoscope.stats.multiplicity import holm
from mnemoscope.stats.one_run import one_run_audit
from mnemoscope.stats.ranking import auc, auc_hanley_mcneil
from mnemoscope.stats.rates import balanced_accuracy, posterior, tpr_at_fpr, tpr_given_threshold, transfer
from mnemoscope.stats.sample import Sample

FPRS = (0.1, 0.01, 0.001)
"""False-positive rates at which the TPR is stated; the first is also that of the transferred threshold."""
GROUP_FPRS = (0.1, 0.01)
"""The same for groups, of which there are fewer."""
BASELINE = "lr_ratio"
"""What attacks are compared with: the paper's attack, fixed beforehand."""

Folds = NDArray[np.int64] | None


class How(TypedDict):
    """What every resampled interval is made with."""

    level: float
    resamples: int
    rng: np.random.Generator


class ScoreEstimates:
    """Level, resamples, seed and prior of an audit; every estimate draws from a generator of its own name."""

    def __init__(self, *, level: float, resamples: int, seed: int, prior: float = 0.5) -> None:
        self.level, self.resamples, self.seed, self.prior = level, resamples, seed, prior

    def _how(self, name: str) -> How:
        return How(level=self.level, resamples=self.resamples, rng=generator(self.seed, "bootstrap", name))

    def controls(
        self, records: Sequence[Record], scores: Mapping[str, Scores], folded: Collection[str] = ()
    ) -> list[Estimate]:
        """AUC of scores that never saw the target, by clustered DeLong; Holm-corrected over all of them.

        `folded` names the scores that were cross-fitted over `folds.group_folds(records)`.
        """
        folds = _folds_of(records, folded)
        samples = {name: Sample.of(values, records, folds=folds(name)) for name, values in scores.items()}
        return holm(
            [auc_delong_clustered(one, f"controls.{name}.auc", level=self.level) for name, one in samples.items()]
        )

    def membership(
        self, records: Sequence[Record], scores: Mapping[str, Scores], folded: Collection[str] = ()
    ) -> list[Estimate]:
        """AUC, TPR at low FPR, and what a threshold from the calibration part does, for every attack.

        `folded` names the attacks that were cross-fitted over `folds.group_folds(records)`: their AUC is the mean
        over folds, its intervals are `widened`, and their thresholds are set on `fold_ranks`. Where some group has
        several records, the attacks on whole groups follow under `group`.
        """
        folds = _folds_of(records, folded)
        judged = [record.group for record in records if record.role != "excluded"]
        found: list[Estimate] = []
        for name, values in scores.items():
            areas = self._areas(f"membership.{name}", Sample.of(values, records, folds=folds(name)))
            found += areas if folds(name) is None else map(widened, areas)
            found += self._rates(f"membership.{name}", records, values, folds(name))
            if len(set(judged)) < len(judged):
                found += self._grouped(f"membership.{name}.group", by_group(values, records, folds(name)))
        return found

    def _areas(self, path: str, sample: Sample) -> list[Estimate]:
        return [
            # one name for all attacks: they see the same resamples, so that their intervals can be compared
            auc(sample, f"{path}.auc", **self._how("membership")),
            auc_delong_clustered(sample, f"{path}.auc_delong_clustered", level=self.level),
            auc_delong(sample, f"{path}.auc_delong", level=self.level),
            auc_hanley_mcneil(sample, f"{path}.auc_hanley_mcneil", level=self.level),
        ]

    def _rates(self, path: str, records: Sequence[Record], values: Scores, folds: Folds) -> list[Estimate]:
        ranked = values if folds is None else fold_ranks(values, records, folds)
        sample = Sample.of(ranked, records)
        found = [tpr_at_fpr(sample, f"{path}.tpr_at_fpr.{x}", fpr=x, **self._how("membership")) for x in FPRS]
        for fpr in FPRS:
            found.append(tpr_given_threshold(sample, f"{path}.tpr_given_threshold.{fpr}", fpr=fpr, level=self.level))
        found += self._transferred(path, records, ranked)
        return found if folds is None else [_ranked(one) for one in found]

    def _transferred(self, path: str, records: Sequence[Record], values: Scores) -> list[Estimate]:
        chosen = Sample.of(values, records, parts=("calibration",))
        judged = Sample.of(values, records, parts=("evaluation",))
        fpr = FPRS[0]
        return [
            transfer(chosen, judged, f"{path}.transfer.{fpr}", fpr=fpr, **self._how("transfer")),
            balanced_accuracy(chosen, judged, f"{path}.balanced_accuracy", **self._how("transfer")),
            posterior(chosen, judged, f"{path}.posterior", fpr=fpr, prior=self.prior, **self._how("transfer")),
        ]

    def _grouped(self, path: str, sample: Sample) -> list[Estimate]:
        return [
            auc(sample, f"{path}.auc", **self._how("membership")),
            auc_delong_clustered(sample, f"{path}.auc_delong_clustered", level=self.level),
            *(tpr_at_fpr(sample, f"{path}.tpr_at_fpr.{x}", fpr=x, **self._how("membership")) for x in GROUP_FPRS),
        ]

    def one_run(
        self, records: Sequence[Record], scores: Mapping[str, Scores], folded: Collection[str] = ()
    ) -> list[Estimate]:
        """`one_run_audit` over groups, each of which a fair coin put in or out, by the attack fixed beforehand.

        Never by an attack in `folded`: a score that learnt from the coins of other groups is no guess from the model.
        """
        allowed = sorted(set(scores) - set(folded))
        if not allowed:
            return []
        name = BASELINE if BASELINE in allowed else allowed[0]
        sample = by_group(scores[name], records)
        values = np.ma.masked_array(np.concatenate((sample.members, sample.nonmembers)))
        included = np.arange(len(values)) < len(sample.members)
        return one_run_audit(values, included, level=self.level, seed=self.seed)

    def comparison(
        self,
        records: Sequence[Record],
        scores: Mapping[str, Scores],
        folded: Collection[str] = (),
        baseline: str = BASELINE,
    ) -> list[Estimate]:
        """AUC of every attack less that of the baseline; clustered DeLong's p-values are Holm-corrected over them.

        The baseline is the first attack by alphabet where the named one was not run: never the best or the worst.
        """
        if len(scores) < 2:
            return []
        second = baseline if baseline in scores else min(scores)
        folds = _folds_of(records, folded)
        found, tested = [], []
        for name in (name for name in scores if name != second):
            pair = Paired.of(scores[name], scores[second], records, first_folds=folds(name), second_folds=folds(second))
            path = f"comparison.{name}"
            crossed = folds(name) is not None or folds(second) is not None
            here = [
                auc_difference(pair, f"{path}.auc", **self._how("membership")),
                auc_difference_delong(pair, f"{path}.auc_delong", level=self.level, clustered=False),
                auc_difference_delong(pair, f"{path}.auc_delong_clustered", level=self.level),
            ]
            here = [widened(one, lowest=-1) for one in here] if crossed else here
            found += here[:2]
            tested.append(here[2])
        return [*found, *holm(tested)]


def _folds_of(records: Sequence[Record], folded: Collection[str]) -> Callable[[str], Folds]:
    shared = group_folds(records) if folded else None
    return lambda name: shared if name in folded else None


def _ranked(estimate: Estimate) -> Estimate:
    """The estimate of a cross-fitted attack's rates, saying what they are rates of."""
    if estimate.method == "none":
        return estimate
    return replace(estimate, method=f"{estimate.method}, of ranks inside folds, fits taken as given")
