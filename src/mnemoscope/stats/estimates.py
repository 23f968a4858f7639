"""All estimates of an audit, under the names they have in summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Counterfactual, Estimate, Extraction, Record, Scores
from mnemoscope.stats.averages import mean, perplexity, proportion
from mnemoscope.stats.generated import GeneratedEstimates
from mnemoscope.stats.power import detectable_auc
from mnemoscope.stats.sample import Sample, group_codes

Side = Literal["member", "nonmember"]
SIDES: tuple[Side, Side] = ("member", "nonmember")


class Estimator(GeneratedEstimates):
    """Every estimate of an audit: level, resamples, seed, and the prior probability that a record is a member."""

    def extraction(self, records: Sequence[Record], extractions: Sequence[Extraction]) -> list[Estimate]:
        """Share of records that come back verbatim, share of sensitive values given back, mean matched run."""
        known = {record.id: record for record in records}
        found = []
        for prefix in dict.fromkeys(extraction.prefix for extraction in extractions):
            rows = [extraction for extraction in extractions if extraction.prefix == prefix]
            for side in SIDES:
                here = [row for row in rows if known[row.id].role == side]
                target = [row for row in here if row.model == "target"]
                reference = [row for row in here if row.model == "reference"]
                found += self._extracted(f"extraction.{prefix}", side, target, known)
                hits = np.array([row.verbatim for row in reference], dtype=bool)
                path = f"extraction.{prefix}.verbatim.reference_{side}s"
                found.append(self._share(hits, group_codes((row.id for row in reference), known), path, side))
            planted = [row for row in rows if row.model == "target" and known[row.id].copies > 1]
            if planted:
                hits = np.array([row.verbatim for row in planted], dtype=bool)
                found.append(
                    self._share(
                        hits, group_codes((row.id for row in planted), known), f"extraction.{prefix}.planted", "member"
                    )
                )
        return found

    def _extracted(
        self, path: str, side: Side, rows: Sequence[Extraction], known: Mapping[str, Record]
    ) -> list[Estimate]:
        groups = group_codes((row.id for row in rows), known)
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
            found.append(
                self._share(hits, group_codes((row.id for row, _ in spans), known), f"{path}.spans.{side}s", side)
            )
        return found

    def _share(self, hits: NDArray[np.bool_], groups: NDArray[np.int64], name: str, side: Side) -> Estimate:
        return proportion(hits, groups, name, role=side, **self._how(name))

    def perplexity(
        self, records: Sequence[Record], sums: Mapping[str, Scores], tokens: NDArray[np.int64]
    ) -> list[Estimate]:
        """Perplexity of each model on members and on non-members; `sums` are log-probabilities a record, nats."""
        known = {record.id: record for record in records}
        found = []
        for model, total in sums.items():
            for side in SIDES:
                rows = np.array([i for i, record in enumerate(records) if record.role == side], dtype=np.int64)
                name = f"perplexity.{model}.{side}s"
                groups = group_codes((records[i].id for i in rows), known)
                losses = -np.ma.getdata(total)[rows]
                found.append(perplexity(losses, tokens[rows], groups, name, role=side, **self._how(name)))
        return found

    def validity(
        self,
        records: Sequence[Record],
        near: Mapping[str, NDArray[np.bool_]],
        overlap: Mapping[str, Scores],
        control: Scores,
    ) -> list[Estimate]:
        """What the data allow: near duplicates, shared n-grams, and the smallest AUC that could be seen.

        `near`: "across" marks non-members with a near copy among members, "within" records with one in another
        record of their own class. `overlap`: n to each record's share of n-grams found in other groups' members,
        0..1, masked where it has none. `control`: a score that cannot know who is a member. Shapes (n_records,).
        """
        path = "validity.near_duplicates"
        found = [
            self._near(records, near["across"], f"{path}.across", "nonmember"),
            *(self._near(records, near["within"], f"{path}.within_{side}s", side) for side in SIDES),
        ]
        for n, shares in overlap.items():
            found += [self._mean(records, shares, f"validity.overlap.{n}.{side}s", side, ceiling=1) for side in SIDES]
        name = "validity.power.detectable_auc"
        return [*found, detectable_auc(Sample.of(control, records), name, level=self.level)]

    def _near(self, records: Sequence[Record], hits: NDArray[np.bool_], name: str, side: Side) -> Estimate:
        return self._mean(records, np.ma.masked_array(hits, dtype=np.float64), name, side, ceiling=1)

    def _mean(
        self, records: Sequence[Record], values: Scores, name: str, side: Side, ceiling: float | None = None
    ) -> Estimate:
        """Mean over the records of one class that have a value; the others are counted as unscored."""
        masked = np.ma.getmaskarray(values)
        rows = [i for i, record in enumerate(records) if record.role == side]
        kept = [i for i in rows if not masked[i]]
        groups = group_codes((records[i].id for i in kept), {record.id: record for record in records})
        found = mean(np.ma.getdata(values)[kept], groups, name, ceiling=ceiling, role=side, **self._how(name))
        return replace(found, n_unscored=len(rows) - len(kept))

    def counterfactual(self, records: Sequence[Record], rows: Sequence[Counterfactual]) -> list[Estimate]:
        """Mean counterfactual memorization by class; a record without a row is counted as unscored."""
        known = {row.id: row for row in rows}
        missing = np.array([record.id not in known for record in records], dtype=bool)
        found = []
        for what in ("accuracy", "logprob"):
            values = [getattr(known[record.id], what) if record.id in known else 0.0 for record in records]
            scores = np.ma.masked_array(values, missing, dtype=np.float64)
            found += [self._mean(records, scores, f"counterfactual.{what}.{side}s", side) for side in SIDES]
        return found
