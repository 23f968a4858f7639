"""Each attack's formula, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope import registry

# d = target - reference = [.5, -.2, .1, -.4, .35]
REFERENCE = [-2.0, -1.0, -3.0, -0.5, -1.5]
TARGET = [-1.5, -1.2, -2.9, -0.9, -1.15]


def score(traces, name, target=TARGET, reference=REFERENCE):
    given = {"target": traces([target]), "reference": traces([reference])}
    return registry.find(name).score(given)[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr_sum", 0.35),  # .5 - .2 + .1 - .4 + .35
        ("lr_diff", 0.07),  # .35 / 5
        ("lr_ratio", 8.0 / 7.65),  # mean losses 8 / 5 and 7.65 / 5
        ("loss", -1.53),  # -(1.5 + 1.2 + 2.9 + .9 + 1.15) / 5
        ("zlib", -1.53 / 23),  # 5 tokens: 8 + 3 * 5 bytes
    ],
)
def test_formula_by_hand(traces, name, expected):
    """The score is the published formula, written so that higher means member."""
    assert score(traces, name) == pytest.approx(expected, abs=1e-6)


def test_the_three_likelihood_ratios_rank_differently(traces):
    """Sum, mean and ratio of losses are three rankings, not three scales of one."""
    # a: 10 tokens, loss 2 -> 1.9: sum 1, diff .1, ratio 1.05; b: 2 tokens, 2 -> 1.8: sum .4, diff .2, ratio 1.11
    # c: 4 tokens, .3 -> .15: sum .6, diff .15, ratio 2
    reference, target = [[-2.0] * 10, [-2.0] * 2, [-0.3] * 4], [[-1.9] * 10, [-1.8] * 2, [-0.15] * 4]
    given = {"target": traces(target), "reference": traces(reference)}
    order = {name: np.argsort(-registry.find(name).score(given)).tolist() for name in ("lr_sum", "lr_diff", "lr_ratio")}
    assert order == {"lr_sum": [0, 2, 1], "lr_diff": [1, 2, 0], "lr_ratio": [2, 1, 0]}


def test_ratio_of_a_text_known_by_heart_is_finite(traces):
    """A loss of 0 in the target gives a score at the top and no warning."""
    top = score(traces, "lr_ratio", target=[0.0] * 5)
    assert np.isfinite(top)
    assert top > 1e30
