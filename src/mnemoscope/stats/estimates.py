"""All estimates of an audit, under the names they have in summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate, Extraction, Generation, Record, Scores
from mnemoscope.seeds import generator
from mnemoscope.stats.association import correlation
from mnemoscope.stats.averages import mean, perplexity, proportion
from mnemoscope.stats.ranking import auc, auc_hanley_mcneil
from mnemoscope.stats.rates import tpr_at_fpr, transfer
from mnemoscope.stats.sample import Sample

FPRS = (0.1, 0.01)
"""False-positive rates at which the TPR is stated; the first is also the one of the transferred threshold."""


class How(TypedDict):
    """What every interval is made with."""

    level: float
    resamples: int
    rng: np.random.Generator


Side = Literal["member", "nonmember"]


class Estimator:
    """Level, resamples and seed of an audit; every estimate draws from a generator of its own name."""

    def __init__(self, *, level: float, resamples: int, seed: int) -> None:
        self.level, self.resamples, self.seed = level, resamples, seed

    def _how(self, name: str, level: float | None = None) -> How:
        return How(level=level or self.level, resamples=self.resamples, rng=generator(self.seed, "bootstrap", name))

    def controls(self, records: Sequence[Record], scores: Mapping[str, Scores]) -> list[Estimate]:
        """AUC of scores that never saw the target; their intervals are Bonferroni-corrected over the controls."""
        level = 1 - (1 - self.level) / max(1, len(scores))
        names = {f"controls.{name}.auc": values for name, values in scores.items()}
        return [auc(Sample.of(values, records), name, **self._how(name, level)) for name, values in names.items()]

    def membership(self, records: Sequence[Record], scores: Mapping[str, Scores]) -> list[Estimate]:
        """AUC, TPR at low FPR, and TPR at a threshold carried over from the calibration part, for every attack."""
        found = []
        for name, values in scores.items():
            found += self._attack(f"membership.{name}", records, values)
        return found

    def _attack(self, path: str, records: Sequence[Record], values: Scores) -> list[Estimate]:
        sample = Sample.of(values, records)
        calibration = Sample.of(values, records, parts=("calibration",))
        evaluation = Sample.of(values, records, parts=("evaluation",))
        # one name for all attacks: they see the same resamples, so that their intervals can be compared
        found = [
            auc(sample, f"{path}.auc", **self._how("membership")),
            auc_hanley_mcneil(sample, f"{path}.auc_hanley_mcneil", level=self.level),
        ]
        for fpr in FPRS:
            name = f"{path}.tpr_at_fpr.{fpr}"
            found.append(tpr_at_fpr(sample, name, fpr=fpr, **self._how("membership")))
        name = f"{path}.transfer.{FPRS[0]}"
        found.append(transfer(calibration, evaluation, name, fpr=FPRS[0], **self._how("transfer")))
        return found

    def extraction(self, records: Sequence[Record], extractions: Sequence[Extraction]) -> list[Estimate]:
        """Share of records that come back verbatim, share of sensitive values given back, mean matched run."""
        known = {record.id: record for record in records}
        found = []
        for prefix in dict.fromkeys(extraction.prefix for extraction in extractions):
            rows = [extraction for extraction in extractions if extraction.prefix == prefix]
            for side in ("member", "nonmember"):
                here = [row for row in rows if known[row.id].role == side]
                target = [row for row in here if row.model == "target"]
                reference = [row for row in here if row.model == "reference"]
                found += self._extracted(f"extraction.{prefix}", side, target, known)
                hits = np.array([row.verbatim for row in reference], dtype=bool)
                path = f"extraction.{prefix}.verbatim.reference_{side}s"
                found.append(self._share(hits, _groups(reference, known), path, side))
            planted = [row for row in rows if row.model == "target" and known[row.id].copies > 1]
            if planted:
                hits = np.array([row.verbatim for row in planted], dtype=bool)
                found.append(self._share(hits, _groups(planted, known), f"extraction.{prefix}.planted", "member"))
        return found

    def _extracted(
        self, path: str, side: Side, rows: Sequence[Extraction], known: Mapping[str, Record]
    ) -> list[Estimate]:
        groups = _groups(rows, known)
        verbatim = np.array([row.verbatim for row in rows], dtype=bool)
        matched = np.array([row.matched_tokens for row in rows], dtype=np.float64)
        name = f"{path}.matched_tokens.{side}s"
        longest = max((row.suffix_tokens for row in rows), default=1)
        found = [
            self._share(verbatim, groups, f"{path}.verbatim.{side}s", side),
            mean(matched, groups, name, ceiling=longest, role=side, **self._how(name)),
        ]
        spans = [
            (row, hit)
            for row in rows
            for hit in [True] * row.spans_hit + [False] * (row.spans_in_suffix - row.spans_hit)
        ]
        if spans:
            hits = np.array([hit for _, hit in spans], dtype=bool)
            found.append(self._share(hits, _groups([row for row, _ in spans], known), f"{path}.spans.{side}s", side))
        return found

    def _share(self, hits: NDArray[np.bool_], groups: NDArray[np.int64], name: str, side: Side) -> Estimate:
        return proportion(hits, groups, name, role=side, **self._how(name))

    def generation(self, records: Sequence[Record], generations: Sequence[Generation]) -> list[Estimate]:
        """Mean n-gram share by class, and its rank correlation with perplexity over members that were not planted."""
        known = {record.id: record for record in records}
        found = []
        for prefix in dict.fromkeys(generation.prefix for generation in generations):
            rows = [row for row in generations if row.prefix == prefix and known[row.id].copies <= 1]
            for side in ("member", "nonmember"):
                here = [row for row in rows if known[row.id].role == side]
                shares = np.array([row.ngram_share for row in here])
                name = f"generation.{prefix}.ngram_share.{side}s"
                found.append(mean(shares, _groups(here, known), name, ceiling=1, role=side, **self._how(name)))
            members = [row for row in rows if known[row.id].role == "member"]
            found += self._correlations(f"generation.{prefix}.correlation", members, known)
        return found

    def _correlations(self, path: str, rows: Sequence[Generation], known: Mapping[str, Record]) -> list[Estimate]:
        shares, groups = np.array([row.ngram_share for row in rows]), _groups(rows, known)
        found = []
        for what in ("perplexity_base", "perplexity_target"):
            x = np.array([getattr(row, what) for row in rows], dtype=np.float64)
            name = f"{path}.{what}"
            found.append(correlation(x, shares, groups, name, **self._how(name)))
        return found

    def perplexity(
        self, records: Sequence[Record], sums: Mapping[str, Scores], tokens: NDArray[np.int64]
    ) -> list[Estimate]:
        """Perplexity of each model on members and on non-members; `sums` are log-probabilities a record, nats."""
        known = {record.id: record for record in records}
        found = []
        for model, total in sums.items():
            for side in ("member", "nonmember"):
                rows = np.array([i for i, record in enumerate(records) if record.role == side], dtype=np.int64)
                name = f"perplexity.{model}.{side}s"
                groups = _groups([records[i] for i in rows], known)
                losses = -np.ma.getdata(total)[rows]
                found.append(perplexity(losses, tokens[rows], groups, name, role=side, **self._how(name)))
        return found


def _groups(rows: Sequence[Extraction | Generation | Record], known: Mapping[str, Record]) -> NDArray[np.int64]:
    """Integer group codes of the rows' records."""
    codes = {name: code for code, name in enumerate(sorted({record.group for record in known.values()}))}
    return np.array([codes[known[row.id].group] for row in rows], dtype=np.int64)
