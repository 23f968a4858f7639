"""Estimates of generated text: n-gram share, and discriminators with a threshold from held-out records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from mnemoscope.leaks import Judgement
from mnemoscope.records import Estimate, Generation, Record, Scores
from mnemoscope.stats.association import correlation
from mnemoscope.stats.averages import mean, proportion
from mnemoscope.stats.curves import CurveEstimates
from mnemoscope.stats.rates import transfer
from mnemoscope.stats.sample import Sample, group_codes

Side = Literal["member", "nonmember"]
SIDES: tuple[Side, Side] = ("member", "nonmember")
SIMILARITIES = ("ngram_share", "substring_share", "bleu", "edit_similarity", "rouge_l", "tfidf", "keyword")
"""What a generation says of its own nearness to the suffix, as Generation names it."""
ALARM = 0.1
"""The false-alarm rate a discriminator's threshold is set to (the rule of arXiv:2203.03929)."""


class GeneratedEstimates(CurveEstimates):
    """Estimates of continuations."""

    def generation(self, records: Sequence[Record], generations: Sequence[Generation]) -> list[Estimate]:
        """Mean n-gram share by class, and its rank correlation with perplexity over members that were not planted.

        Of the first decoding, and its first draw.
        """
        known = {record.id: record for record in records}
        found = []
        for prefix, decodings in _tree(generations).items():
            first = next(iter(decodings.values()))
            rows = [row for row in first if row.draw == 0 and known[row.id].copies <= 1]
            for side in SIDES:
                here = [row for row in rows if known[row.id].role == side]
                shares = np.array([row.ngram_share for row in here])
                name = f"generation.{prefix}.ngram_share.{side}s"
                found.append(
                    mean(
                        shares,
                        group_codes((row.id for row in here), known),
                        name,
                        ceiling=1,
                        role=side,
                        **self._how(name),
                    )
                )
            members = [row for row in rows if known[row.id].role == "member"]
            found += self._correlations(f"generation.{prefix}.correlation", members, known)
        return found

    def _correlations(self, path: str, rows: Sequence[Generation], known: Mapping[str, Record]) -> list[Estimate]:
        shares, groups = np.array([row.ngram_share for row in rows]), group_codes((row.id for row in rows), known)
        found = []
        for what in ("perplexity_base", "perplexity_target"):
            x = np.array([getattr(row, what) for row in rows], dtype=np.float64)
            name = f"{path}.{what}"
            found.append(correlation(x, shares, groups, name, **self._how(name)))
        return found

    def discriminators(
        self, records: Sequence[Record], generations: Sequence[Generation], judgements: Sequence[Judgement]
    ) -> list[Estimate]:
        """Share of members that a discriminator calls given back, at a threshold set on calibration records.

        A record counts with its nearest draw, on both sides alike. `tpr` carries the threshold, and `fpr` is the
        false-alarm rate on evaluation records, which did not set it. `other` is the mean n-gram share of the best match
        in any other group's suffix.
        """
        said = {(row.id, row.prefix, row.decoding, row.draw): row.same for row in judgements}
        found = []
        for prefix, decodings in _tree(generations).items():
            for decoding, rows in decodings.items():
                path = f"discriminators.{prefix}.{decoding}"
                scores = {name: _nearest(records, rows, [getattr(row, name) for row in rows]) for name in SIMILARITIES}
                if judgements:
                    values = [said.get((row.id, row.prefix, row.decoding, row.draw)) for row in rows]
                    scores["judge"] = _nearest(records, rows, values)
                for name, values_of in scores.items():
                    found += self._judged(f"{path}.{name}", records, values_of)
                found += self._other(f"{path}.ngram_share_other", records, rows)
        return found

    def _judged(self, path: str, records: Sequence[Record], scores: Scores) -> list[Estimate]:
        chosen = Sample.of(scores, records, parts=("calibration",))
        judged = Sample.of(scores, records, parts=("evaluation",))
        tpr = transfer(chosen, judged, f"{path}.tpr", fpr=ALARM, **self._how("discriminators"))
        if tpr.threshold is None:
            return [tpr]
        alarms = judged.nonmembers > tpr.threshold
        name = f"{path}.fpr"
        return [tpr, proportion(alarms, judged.nonmember_groups, name, role="nonmember", **self._how(name))]

    def _other(self, path: str, records: Sequence[Record], rows: Sequence[Generation]) -> list[Estimate]:
        known, found = {record.id: record for record in records}, []
        for side in SIDES:
            here = [row for row in rows if known[row.id].role == side and row.draw == 0]
            values = np.array([row.ngram_share_other for row in here], dtype=np.float64)
            name, groups = f"{path}.{side}s", group_codes((row.id for row in here), known)
            found.append(mean(values, groups, name, ceiling=1, role=side, **self._how(name)))
        return found


def _tree(generations: Sequence[Generation]) -> dict[str, dict[str, list[Generation]]]:
    """Rows by prefix and decoding, in the order of their first appearance."""
    found: dict[str, dict[str, list[Generation]]] = {}
    for row in generations:
        found.setdefault(row.prefix, {}).setdefault(row.decoding, []).append(row)
    return found


def _nearest(records: Sequence[Record], rows: Sequence[Generation], values: Sequence[float | None]) -> Scores:
    """Each record's highest value over its draws; masked where it has none, and where it was planted."""
    best: dict[str, float] = {}
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            best[row.id] = max(value, best.get(row.id, 0.0))
    missing = [record.id not in best or record.copies > 1 for record in records]
    return np.ma.masked_array([best.get(record.id, 0.0) for record in records], missing, dtype=np.float64)
