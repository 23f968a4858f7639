"""Samples by hand and at random."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.stats import Sample


def make_sample(members, nonmembers, member_groups=None, nonmember_groups=None):
    """A sample; without groups every record is its own."""
    apart = len(members) + np.arange(len(nonmembers))
    return Sample(
        members=np.array(members, dtype=np.float64),
        nonmembers=np.array(nonmembers, dtype=np.float64),
        member_groups=np.arange(len(members)) if member_groups is None else np.array(member_groups),
        nonmember_groups=apart if nonmember_groups is None else np.array(nonmember_groups),
        n_unscored=0,
    )


@pytest.fixture(name="sample")
def sample_maker():
    """The function that makes a sample."""
    return make_sample


@pytest.fixture(name="clustered")
def clustered_maker():
    """A function that draws a sample with intra-group correlation `icc` and AUC Phi(shift / sqrt 2)."""

    def draw(rng, *, groups=(60, 60), size=4, icc=0.3, shift=0.0, digits=6):
        scores, codes = [], []
        for n in groups:
            shared = np.repeat(rng.normal(size=n), size) * np.sqrt(icc)
            scores.append(np.round(shared + rng.normal(size=n * size) * np.sqrt(1 - icc), digits))
            codes.append(np.repeat(np.arange(n), size))
        return make_sample(scores[0] + shift, scores[1], codes[0], codes[1])

    return draw
