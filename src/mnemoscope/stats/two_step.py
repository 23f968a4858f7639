"""Estimates of two-step extraction: how many of the texts that rank first give a record back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mnemoscope.leaks import Unprompted
from mnemoscope.records import Estimate, Record, Scores
from mnemoscope.stats.intervals import clopper_pearson

NEAR = 0.9
"""Similarity from which a record counts as given back approximately: a normalised edit distance of at most .1."""
RANKS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
"""Texts that are looked at, from the highest score on."""


def two_step(
    records: Sequence[Record],
    texts: Sequence[Unprompted],
    scores: Mapping[str, Scores],
    *,
    match_tokens: int,
    level: float = 0.95,
) -> list[Estimate]:
    """Precision at rank for every attack, with what the same texts share with held-out records as the floor.

    A text is a hit when `match_tokens` of its tokens in a row stand in one record. A record counts once: a lower-ranked
    text that gives back a record (or a text) that was already there is left out, from hits and from trials. The texts
    are independent draws and the ranking is taken as given, so the intervals are Clopper-Pearson.

    `unprompted.found` is the share of all texts that are hits, `unprompted.near` the share that holds a whole record
    but for a tenth of its characters, `unprompted.records` the share of members that some text gives back. Each
    stands beside that of held-out records, which is not scaled to their smaller number: `unprompted.records`
    has the counts.
    """
    if not texts:
        return []
    sides = {
        "members": [(row.member if row.run >= match_tokens else "") for row in texts],
        "heldout": [(row.heldout if row.heldout_run >= match_tokens else "") for row in texts],
    }
    members = sum(record.role == "member" for record in records)
    heldout = sum(record.role == "nonmember" and record.part == "evaluation" for record in records)
    counts = {"members": members, "heldout": heldout}
    found = []
    for side, hits in sides.items():
        near = [row.similarity if side == "members" else row.heldout_similarity for row in texts]
        found.append(_share(f"unprompted.found.{side}", sum(map(bool, hits)), len(texts), level))
        found.append(_share(f"unprompted.near.{side}", sum(one >= NEAR for one in near), len(texts), level))
        distinct = len(set(filter(None, hits)))
        found.append(_counted(_share(f"unprompted.records.{side}", distinct, counts[side], level), counts[side], side))
        for name, values in scores.items():
            kept = _walk(texts, hits, values)
            ranks = [k for k in RANKS if k < len(kept)] + [len(kept)]
            for k in ranks if kept else ():
                found.append(_share(f"unprompted.{name}.precision.{k}.{side}", sum(kept[:k]), k, level))
    return found


def _walk(texts: Sequence[Unprompted], hits: Sequence[str], scores: Scores) -> list[bool]:
    """Whether each text is a hit, from the highest score on; what came before in a higher place is left out."""
    values = np.where(np.ma.getmaskarray(scores), -np.inf, np.ma.getdata(scores))
    seen: set[tuple[str, str]] = set()
    kept = []
    for i in np.argsort(-values, kind="stable").tolist():
        keys = {("text", texts[i].text), *({("record", hits[i])} if hits[i] else ())}
        if not keys & seen:
            kept.append(bool(hits[i]))
        seen |= keys
    return kept


def _share(name: str, k: int, n: int, level: float) -> Estimate:
    if not n:
        return Estimate(name, None, None, None, level, "none", reason="there is nothing to count")
    low, high = clopper_pearson(k, n, level)
    return Estimate(name, k / n, low, high, level, f"Clopper-Pearson on {n} independent texts")


def _counted(estimate: Estimate, n: int, side: str) -> Estimate:
    """Over records and not texts: which were found depends on the texts that were written."""
    method = estimate.method.replace("independent texts", "records, the texts taken as given")
    if side == "members":
        return replace(estimate, method=method, n_members=n)
    return replace(estimate, method=method, n_nonmembers=n)
