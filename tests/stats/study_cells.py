"""Finished cells of an invented study, small enough to count by hand."""

from __future__ import annotations

import numpy as np

from mnemoscope.answers import Moment, Outcome, Setting
from mnemoscope.records import Record


def draw_records(seed, *, groups=40, size=3):
    """Records of `groups` documents, of which every seed makes another half members."""
    member = set(np.random.default_rng(1000 + seed).permutation(groups)[: groups // 2].tolist())
    return [
        Record(f"{g}-{k}", "", f"g{g:03}", *(("member", "train") if g in member else ("nonmember", "evaluation")))
        for g in range(groups)
        for k in range(1 + (g + k_of(g)) % size)
    ]


def k_of(group):
    """Some variety in the sizes of groups."""
    return group // 7


def cell(records, scores, *, matrices="v", rank=4, seed=13, epochs=3.0, losses=None, base=None, tokens=None, **others):
    """An outcome; `scores` has one row a moment, shape (n_moments, n_records) or (n_records,), and so has `losses`."""
    rows = np.ma.atleast_2d(np.ma.masked_array(scores, dtype=np.float64))
    tokens = np.full(len(records), 2) if tokens is None else np.asarray(tokens)
    losses = np.ones((len(rows), len(records))) if losses is None else np.atleast_2d(losses)
    at = np.linspace(epochs / len(rows), epochs, len(rows))
    facts = {"alpha_rule": "fixed", "scale": 16 / rank, "parameters": 100 * rank * len(matrices), "copies": 1}
    facts |= {"learning_rate": 1e-3, "others": "", "planted": 0, "alpha": 16.0} | others
    name = f"{matrices}-r{rank}-s{seed}-{epochs:g}-{facts['alpha_rule']}-{facts['others']}"
    return Outcome(
        Setting(cell=name, matrices=matrices, rank=rank, epochs=epochs, seed=seed, **facts),
        records,
        tokens,
        np.full(len(records), 2.0) if base is None else np.asarray(base, dtype=np.float64),
        [Moment(float(e), row, loss) for e, row, loss in zip(at, rows, losses, strict=True)],
        (),
        {},
        {},
    )


def noisy(records, shift, rng, *, icc=0.4, shared=None):
    """Normal scores with intra-group correlation `icc`, members `shift` higher; `shared` is added to all."""
    codes = np.unique([record.group for record in records], return_inverse=True)[1]
    member = np.array([record.role == "member" for record in records])
    noise = np.sqrt(icc) * rng.normal(size=codes.max() + 1)[codes] + np.sqrt(1 - icc) * rng.normal(size=len(records))
    return noise + shift * member + (0 if shared is None else shared)


def area(records, scores):
    """AUC, pair by pair."""
    members = [s for r, s in zip(records, scores, strict=True) if r.role == "member"]
    nonmembers = [s for r, s in zip(records, scores, strict=True) if r.role == "nonmember"]
    return np.mean([[(a > b) + 0.5 * (a == b) for b in nonmembers] for a in members])
