"""What sampling gives back after N queries, and what greedy decoding gives back from a prefix of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.decoding import Decoding, parse_decoding
from mnemoscope.leaks import Sampled
from mnemoscope.records import Estimate, Extraction, Record
from mnemoscope.stats.averages import excess, means
from mnemoscope.stats.queries import chance_within, queries_needed
from mnemoscope.stats.sample import group_codes
from mnemoscope.stats.score_estimates import ScoreEstimates

QUERIES = tuple(10**k for k in range(7))
"""Queries an attacker makes: 1, 10, … a million."""
CHANCES = (0.1, 0.5, 0.9)
"""The p of (n, p)-discoverable extraction: with at least this chance the record is among the answers."""
KNOWN = tuple(round(0.1 * k, 1) for k in range(1, 10))
"""Shares of a record that are known, for the curve over prefix lengths."""
TEMPERATURE_QUERIES = (1, 1_000, 1_000_000)

Side = Literal["member", "nonmember"]
Rows = dict[str, tuple[Side, list[int]]]
"""Name of a set of records to its class and its rows."""


class CurveEstimates(ScoreEstimates):
    """Curves over queries, temperatures and prefix lengths; one draw of groups serves a whole curve."""

    def sampling(self, records: Sequence[Record], sampled: Sequence[Sampled]) -> list[Estimate]:
        """Expected share of records given back after N queries, (n, p)-discoverable share, minimum temperature.

        For members, held-out records, planted records, and members minus held-out records (excess). The (n, p) curve
        and what the reference gives back (names beginning with reference_) are of the first decoding only.
        """
        found: list[Estimate] = []
        for prefix, rows in _by(sampled, "prefix"):
            by_decoding = dict(_by(rows, "decoding"))
            for n, (decoding, some) in enumerate(by_decoding.items()):
                found += self._curves(f"sampling.{prefix}.{decoding}", records, some, whole=n == 0)
            found += self._temperatures(f"sampling.{prefix}.minimum_temperature", records, by_decoding)
        return found

    def _curves(self, path: str, records: Sequence[Record], rows: Sequence[Sampled], *, whole: bool) -> list[Estimate]:
        found: list[Estimate] = []
        for name, (side, logprob, groups) in _sets(records, rows).items():
            if name.startswith("reference_") and not whole:
                continue
            values = np.stack([chance_within(logprob, n) for n in QUERIES], axis=1)
            labels = [f"{path}.expected.n{n}.{name}" for n in QUERIES]
            found += means(values, groups, labels, ceiling=1, role=side, **self._how(f"{path}.{name}"))
            if whole:
                found += self._discoverable(path, name, side, logprob, groups)
        known = {one.name: one for one in found}
        for where in (f"{path}.expected.n{n}" for n in QUERIES):
            found.append(excess(known[f"{where}.members"], known[f"{where}.nonmembers"], f"{where}.excess"))
        return found

    def _discoverable(
        self, path: str, name: str, side: Side, logprob: NDArray[np.float64], groups: NDArray[np.int64]
    ) -> list[Estimate]:
        cells = [(p, n) for p in CHANCES for n in QUERIES]
        hits = np.stack([queries_needed(logprob, p) <= n for p, n in cells], axis=1).astype(np.float64)
        labels = [f"{path}.discoverable.p{p:g}.n{n}.{name}" for p, n in cells]
        return means(hits, groups, labels, ceiling=1, role=side, **self._how(f"{path}.discoverable.{name}"))

    def _temperatures(
        self, path: str, records: Sequence[Record], rows: Mapping[str, Sequence[Sampled]]
    ) -> list[Estimate]:
        """Each record at its most dangerous temperature, of those declared, at or above the least one that is allowed.

        The probability is not monotone in the temperature: a token that is not the most probable one first gains from
        a higher one. So a lower bound on the temperature protects only as far as its maximum over all above it does.
        """
        found: list[Estimate] = []
        for family, decodings in _families(rows):
            tables = {label: _sets(records, rows[label]) for label in decodings}
            for least in decodings.values():
                kept = [label for label, one in decodings.items() if one.temperature >= least.temperature]
                for name in ("members", "nonmembers"):
                    side, _, groups = tables[kept[0]][name]
                    worst = np.max([tables[label][name][1] for label in kept], axis=0)
                    values = np.stack([chance_within(worst, n) for n in TEMPERATURE_QUERIES], axis=1)
                    where = f"{path}.{family}.t{least.temperature:g}"
                    labels = [f"{where}.n{n}.{name}" for n in TEMPERATURE_QUERIES]
                    found += means(values, groups, labels, ceiling=1, role=side, **self._how(f"{where}.{name}"))
        return found

    def prefix_length(self, records: Sequence[Record], extractions: Sequence[Extraction]) -> list[Estimate]:
        """Share of records whose rest greedy decoding gives back, over the share of the record that is known.

        A record's prefix has at least one token, and something must be left to give back.
        """
        known = {record.id: record for record in records}
        first = next((row.prefix for row in extractions), None)
        rows = [row for row in extractions if row.prefix == first]
        found: list[Estimate] = []
        for name, (side, picked) in _rows(records, rows).items():
            total = np.array([rows[i].prefix_tokens + rows[i].suffix_tokens for i in picked], dtype=np.int64)
            shortest = np.array([rows[i].shortest_prefix for i in picked], dtype=np.int64)
            cuts = np.maximum(1, np.floor(np.outer(total, KNOWN) + 1e-9)).astype(np.int64)
            hits = ((cuts >= shortest[:, None]) & (cuts < total[:, None])).astype(np.float64)
            labels = [f"prefix_length.{share:g}.{name}" for share in KNOWN]
            groups = group_codes((rows[i].id for i in picked), known)
            found += means(hits, groups, labels, ceiling=1, role=side, **self._how(f"prefix_length.{name}"))
        return found


def _by(rows: Sequence[Sampled], field: str) -> Iterator[tuple[str, list[Sampled]]]:
    """Rows that share a field, in the order of its first appearance."""
    order = {value: n for n, value in enumerate(dict.fromkeys(getattr(row, field) for row in rows))}
    ranked = sorted(rows, key=lambda row: order[getattr(row, field)])
    for value, some in groupby(ranked, key=lambda row: getattr(row, field)):
        yield value, list(some)


def _rows(records: Sequence[Record], rows: Sequence[Sampled | Extraction]) -> Rows:
    """Rows by what is compared; planted ones appear where there are some."""
    known = {record.id: record for record in records}
    found: Rows = {}
    sides: tuple[Side, Side] = ("member", "nonmember")
    for model, before in (("target", ""), ("reference", "reference_")):
        for side in sides:
            picked = [i for i, row in enumerate(rows) if row.model == model and known[row.id].role == side]
            found[f"{before}{side}s"] = side, picked
        planted = [i for i, row in enumerate(rows) if row.model == model and known[row.id].copies > 1]
        if planted:
            found[f"{before}planted"] = "member", planted
    return found


def _sets(
    records: Sequence[Record], rows: Sequence[Sampled]
) -> dict[str, tuple[Side, NDArray[np.float64], NDArray[np.int64]]]:
    """Name to class, log-probabilities and group codes."""
    known = {record.id: record for record in records}
    return {
        name: (
            side,
            np.array([rows[i].logprob for i in picked], dtype=np.float64),
            group_codes((rows[i].id for i in picked), known),
        )
        for name, (side, picked) in _rows(records, rows).items()
    }


def _families(rows: Mapping[str, Sequence[Sampled]]) -> Iterator[tuple[str, dict[str, Decoding]]]:
    """Decodings that differ in temperature alone, coolest first, where there are at least two."""
    families: dict[str, dict[str, Decoding]] = {}
    for label in rows:
        one = parse_decoding(label)
        limits = [f"k{one.top_k}"] * bool(one.top_k) + [f"p{one.top_p:g}"] * (one.top_p < 1)
        families.setdefault("-".join(limits) or "unlimited", {})[label] = one
    for family, decodings in families.items():
        if len(decodings) > 1:
            yield family, dict(sorted(decodings.items(), key=lambda item: item[1].temperature))
