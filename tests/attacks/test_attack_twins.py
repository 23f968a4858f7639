"""Every attack against its plain twin, on ragged traces with ties."""

from __future__ import annotations

import numpy as np
import pytest
import twins
from evidence import evidence, labels, make_traces, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemoscope import registry
from mnemoscope.attacks import dc_pdd, learned
from mnemoscope.traces import Shadows

ATTACKS = registry.attacks()
PLAIN = [name for name, one in ATTACKS.items() if not one.fitted]
CLOSE = {"rel": 1e-6, "abs": 1e-6}

lengths = st.lists(st.integers(0, 45), min_size=1, max_size=6)
seeds = st.integers(0, 2**32 - 1)
grids = st.sampled_from([1, 8, 4096])
"""Log-probabilities are whole multiples of 1/grid: the coarser, the more ties, and texts known by heart."""


def ragged(lengths, seed, grid, needs):
    """Evidence without any plan: every model has its own log-probabilities, some records no shadow on one side."""
    rng, n = np.random.default_rng(seed), len(lengths)
    sure = rng.choice([0, 0.5, 1], n)  # share of tokens with log-probability 0

    def passed():
        rows = [-rng.integers(0, 9 * grid, m) / grid * (rng.random(m) >= s) for m, s in zip(lengths, sure, strict=True)]
        return make_traces(rows, np.random.default_rng(seed).integers(0, 9, sum(lengths)))

    made = {need: passed() for need in needs}
    if "neighbours" in made:
        made["neighbours"] = (passed(), make_traces([[]] * n), passed())
    if "gradient" in made:
        made["gradient"] = -passed().mean("logprob")
    if "shadows" in made:
        population, groups = rng.random(n) < 0.7, rng.integers(0, 4, n)
        made["shadows"] = Shadows(tuple(passed() for _ in range(4)), rng.random((4, n)) < 0.5, population, groups)
    return made


def expected(name, made):
    held = made.get("target", made.get("gradient"))
    present = held.lengths > 0 if name != "gradient_norm" else ~np.ma.getmaskarray(held)
    return [getattr(twins, name)(made, i) if present[i] else None for i in range(len(held))]


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=25, deadline=None)
@given(lengths, seeds, grids)
def test_an_attack_is_its_twin(name, lengths, seed, grid):
    """The vectorised score of every record is the formula worked out token by token."""
    made = ragged(lengths, seed, grid, ATTACKS[name].needs)
    try:
        scores = ATTACKS[name].score(made).tolist()
    except registry.Unscorable:
        scored = [
            i for i in range(len(lengths)) if made["shadows"].population[i] and twins.relative(made, i) is not None
        ]
        assert len({made["shadows"].groups[i] for i in scored}) < 2
        return
    for found, plain in zip(scores, expected(name, made), strict=True):
        assert found == (None if plain is None else pytest.approx(plain, **CLOSE))


@settings(max_examples=25, deadline=None)
@given(lengths, seeds, grids)
def test_divergence_is_its_twin(lengths, seed, grid):
    """Rarity from one set of records and divergence of another, token by token; unseen ids included."""
    made = ragged(lengths, seed, grid, ("target", "reference"))
    known = make_traces([[-1.0] * 4] * 3, [1, 1, 2, 50, 1, 3, 3, 0, 4, 4, 4, 4])
    seen = registry.Seen(np.zeros(3, dtype=bool), np.array([True, False, True]), {"target": known})
    found = dc_pdd.divergence(made["target"], dc_pdd.rarity(seen)).tolist()
    ids = [1, 1, 2, 50, 4, 4, 4, 4]
    plain = [twins.dc_pdd(made["target"], i, ids) if n else None for i, n in enumerate(lengths)]
    assert found == [None if one is None else pytest.approx(one, **CLOSE) for one in plain]


@settings(max_examples=25, deadline=None)
@given(lengths, seeds, grids)
def test_features_are_their_twin(lengths, seed, grid):
    """Every column that the learned attack weighs is the formula worked out token by token."""
    made = ragged(lengths, seed, grid, ("target", "reference"))
    found = learned.features(made["target"], made["reference"])
    for row, n in zip(found, lengths, strict=True):
        assert np.isfinite(row).all()
        assert n or not row.any()
    for i in np.flatnonzero(lengths):
        assert found[i].tolist() == [pytest.approx(one, **CLOSE) for one in twins.learned(made, i)]


def test_every_attack_has_a_twin():
    """No attack is registered without its plain twin."""
    assert [name for name in ATTACKS if not hasattr(twins, name)] == []


@pytest.mark.parametrize("name", PLAIN)
def test_twins_agree_on_records_as_they_are(name):
    """Attack and twin agree where models learnt members and records have the lengths of sentences."""
    made = evidence(texts(24), labels(24), ATTACKS[name].needs)
    assert ATTACKS[name].score(made).tolist() == [pytest.approx(one, **CLOSE) for one in expected(name, made)]
