"""The ROC curves of a finished audit, with the band of the headline's attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mnemoscope import registry, reporting, stats
from mnemoscope.folds import group_folds
from mnemoscope.records import Record, RocCurve, Scores
from mnemoscope.seeds import generator

RESAMPLES = 1000
"""Of the band at most: it is drawn, not printed."""


def curves(records: Sequence[Record], scores: Mapping[str, Scores], manifest: Mapping[str, Any]) -> dict[str, RocCurve]:
    """Attack to its ROC curve; the headline's has the band of its intervals.

    The scores of a cross-fitted attack are made comparable by their ranks inside folds. Level, resamples and seed are
    those of the audit.
    """
    folds, known = group_folds(records), registry.attacks()

    def sample(name: str, values: Scores) -> stats.Sample:
        crossed = name in known and known[name].fitted and folds is not None
        return stats.Sample.of(stats.fold_ranks(values, records, folds) if crossed else values, records)

    samples = {name: sample(name, values) for name, values in scores.items()}
    found = {name: stats.roc_curve(sample) for name, sample in samples.items()}
    first = reporting.main_attack(samples)
    if first is not None:
        asked = manifest.get("config", {}).get("measurement", {})
        band = stats.roc_band(
            samples[first],
            level=asked.get("level", 0.95),
            resamples=min(RESAMPLES, asked.get("resamples", RESAMPLES)),
            rng=generator(manifest.get("seed", 0), "roc band", first),
        )
        found[first] = replace(found[first], band=band)
    return found
