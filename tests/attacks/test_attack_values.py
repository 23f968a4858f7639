"""Each attack's formula, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mnemoscope import registry
from mnemoscope.attacks import dc_pdd, wbc
from mnemoscope.traces import Shadows

# d = target - reference = [.5, -.2, .1, -.4, .35]
REFERENCE = [-2.0, -1.0, -3.0, -0.5, -1.5]
TARGET = [-1.5, -1.2, -2.9, -0.9, -1.15]


def score(traces, name, target=TARGET, reference=REFERENCE):
    given = {"target": traces([target]), "reference": traces([reference])}
    return registry.find(name).score(given)[0]


def ask(name, **given):
    """The scores of an attack, as a list."""
    return registry.find(name).score(given).tolist()


def having(traces, **columns):
    """The same traces with other columns."""
    changed = {name: np.array(values, dtype=np.float32) for name, values in columns.items()}
    return replace(traces, columns={**traces.columns, **changed})


def log(*probabilities):
    """Each record one token of this probability."""
    return [[np.log(p)] for p in probabilities]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr_sum", 0.35),  # .5 - .2 + .1 - .4 + .35
        ("lr_diff", 0.07),  # .35 / 5
        ("lr_ratio", 8.0 / 7.65),  # mean losses 8 / 5 and 7.65 / 5
        ("loss", -1.53),  # -(1.5 + 1.2 + 2.9 + .9 + 1.15) / 5
        ("zlib", -1.53 / 23),  # 5 tokens: 8 + 3 * 5 bytes
        ("min_k", -2.9),  # a fifth of 5 tokens is one: the third
        ("min_k_calibrated", 0.1),  # -2.9 + 3
        ("wbc", 0.25),  # windows of 2 only: .3, -.1, -.3, -.05
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


def test_z_scores_by_hand(traces):
    """Min-K%++ of one token is its z-score in its own distribution."""
    # p = (.7, .2, .1): mu = .7 ln .7 + .2 ln .2 + .1 ln .1 = -.801819, sigma = .703126
    made = having(traces(log(0.7, 0.2, 0.1)), mean_logprob=[-0.801819] * 3, std_logprob=[0.703126] * 3)
    assert ask("min_k_plus_plus", target=made) == pytest.approx([0.633092, -1.148612, -2.134419], abs=1e-5)


def test_z_scores_of_a_certain_model_are_finite(traces):
    """Where the deviation is 0 it counts as 1e-4: the certain token gets 0, any other is far below."""
    made = having(traces([[0.0], [-0.001]]), mean_logprob=[0, 0], std_logprob=[0, 0])
    assert ask("min_k_plus_plus", target=made) == pytest.approx([0, -10])


def test_calibration_takes_each_models_own_lowest_tokens(traces):
    """The lowest token of the target need not be the lowest of the reference."""
    target = having(traces([[-1.0, -5.0]]), mean_logprob=[-2, -2], std_logprob=[1, 1])  # z = 1, -3
    reference = having(traces([[-4.0, -2.0]]), mean_logprob=[-2, -2], std_logprob=[2, 1])  # z = -1, 0
    assert ask("min_k_calibrated", target=target, reference=reference) == [-1.0]
    assert ask("min_k_plus_plus_calibrated", target=target, reference=reference) == [-2.0]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({2, 4, 5}, 0.35 / 0.60),  # the published example
        ({2}, 0.0),  # nothing raised, something lowered
        ({1, 3}, 1e12 + 0.6),  # no fall: above every ratio
        ({5}, 1e12 + 0.35),  # the less raised, the lower
        (set(), 2e12 + 0.95),  # no error: at the top, by all that was raised
    ],
)
def test_error_zone_by_hand(traces, wrong, expected):
    """Raised over lowered at the errors; what the target does without error or without loss is at the top."""
    gap = [-1 if place in wrong else 1 for place in range(1, 6)]
    target = having(traces([TARGET]), gap=gap)
    assert ask("ez", target=target, reference=traces([REFERENCE])) == [pytest.approx(expected, rel=1e-15, abs=1e-3)]


def test_error_zone_is_neutral_where_nothing_moved(traces):
    """Equal models give 1, with errors and without, and a tiny fall does not make the ratio infinite."""
    same = having(traces([[-1.0], [-1.0]]), gap=[-1, 1])
    assert ask("ez", target=same, reference=same) == [1, 1]
    moved = having(traces([[-0.5, -1 - 2**-22]]), gap=[-1, -1])
    assert ask("ez", target=moved, reference=traces([[-1.0, -1.0]])) == [pytest.approx(0.5e6, rel=1e-6)]


def test_windows_by_hand():
    """The share of windows with a positive sum, averaged over sizes, not over windows."""
    d = np.array([[0.5, -0.2, 0.1, -0.4, 0.35]])
    assert [wbc.window_shares(d, [w])[0] for w in (1, 2, 3)] == pytest.approx([0.6, 0.25, 2 / 3])
    assert wbc.window_shares(d, [1, 2, 3]) == pytest.approx([0.505556], abs=1e-6)


def test_window_sizes_stay_below_half_the_tokens():
    """Sizes of more than half the tokens are left out; a short record has one size."""
    found = {n: wbc.sizes(n) for n in (1, 2, 3, 4, 5, 36, 1000)}
    assert found == {
        1: [1], 2: [1], 3: [1], 4: [2], 5: [2], 36: [2, 3, 4, 6, 9, 13, 18], 1000: [2, 3, 4, 6, 9, 13, 18, 25, 32, 40],
    }  # fmt: skip


def test_surprise_by_hand(traces):
    """Of the two lowest of ten tokens only the one where the model was sure counts; where none is sure, both do."""
    row = [-1.0] * 8 + [-6.0, -9.0]
    sure = [-0.5] * 8 + [-1.9, -2.1]  # minus the entropy, nats
    target = having(traces([row, row]), mean_logprob=[*sure, *[-2.0] * 10])
    assert ask("surp", target=target) == [-6.0, -7.5]


def test_divergence_by_hand(traces):
    """Frequencies are counted in calibration non-members; a repeated token counts once; each counts .01 at most."""
    # ids 1, 1, 2: three tokens, two kinds and one for all unseen: 3/6, 2/6 and 1/6 for any other
    calibration = registry.Seen(np.array([False, True]), np.array([True, False]), {"target": traces(
        [[-1.0] * 3, [-1.0]], [1, 1, 2, 9])})  # fmt: skip
    target = traces([np.log([0.002, 0.5, 0.001]), [-0.1]], [1, 1, 9, 2])
    table = dc_pdd.rarity(calibration)
    assert table[[1, 2]] == pytest.approx([np.log(2), np.log(3)])
    assert dc_pdd.divergence(target, table).tolist() == pytest.approx(
        [(0.002 * np.log(2) + 0.001 * np.log(6)) / 2, 0.01]
    )


def test_divergence_without_known_nonmembers_is_unscorable(traces):
    """No calibration non-member, or none with a token: nothing to count."""
    for rows, known in (([[-1.0]], False), ([[]], True)):
        seen = registry.Seen(np.array([False]), np.array([known]), {"target": traces(rows)})
        with pytest.raises(registry.Unscorable, match="token frequencies"):
            dc_pdd.dc_pdd(seen, traces([[-1.0]]))


@pytest.mark.parametrize(
    ("name", "others", "expected"),
    [
        ("lowercase", {"lowercase": [[-3.0, -5.0]]}, 2.0),  # 4 / 2
        ("recall", {"nonmember_shots": [[-2.0, -3.0]]}, 1.25),  # 2.5 / 2
        ("con_recall", {"nonmember_shots": [[-2.0, -3.0]], "member_shots": [[-1.5, -1.5]]}, 0.5),  # (2.5 - 1.5) / 2
        ("in_domain_ratio", {"in_domain": [[-2.0, -3.0]]}, 1.25),  # 2.5 / 2
        ("smaller_model", {"second": [[-1.0, -2.0, -3.0]]}, 1.5),  # 6 / 4: totals, not means
    ],
)
def test_ratios_to_other_passes_by_hand(traces, name, others, expected):
    """Losses on changed text, in a context or of another model over the loss of the target, which is 2."""
    made = {need: traces(rows) for need, rows in others.items()}
    assert ask(name, target=traces([[-1.0, -3.0]]), **made) == [pytest.approx(expected)]


def test_neighbourhood_by_hand(traces):
    """Mean loss of the copies minus the loss of the text; a copy without tokens does not count."""
    copies = (traces([[-2.0], [-2.0]]), traces([[-5.0, -3.0], []]))
    assert ask("neighbourhood", target=traces([[-1.0], [-1.0]]), neighbours=copies) == [2.0, 1.0]
    assert ask("neighbourhood", target=traces([[-1.0]]), neighbours=(traces([[]]),)) == [None]


def test_gradient_norm_by_hand():
    """Minus the norm; a record that has none is masked."""
    assert ask("gradient_norm", gradient=np.ma.masked_array([0.5, 2.0], mask=[False, True])) == [-0.5, None]


def test_lira_by_hand(traces):
    """Two normal distributions with a mean for the record and a variance about it."""
    # with it: -1, -1.2: mean -1.1, variance .02; without: -2, -2.4: mean -2.2, variance .08; the target -1.1
    # log N(0; .02) - log N(1.1; .08) = ln(.08 / .02) / 2 + 1.21 / .16
    shadows = Shadows(
        traces=tuple(traces([[value]]) for value in (-1.0, -2.0, -1.2, -2.4)),
        inside=np.array([[True], [False], [True], [False]]), population=np.array([False]), groups=np.array([0]),
    )  # fmt: skip
    assert ask("lira", target=traces([[-1.1]]), shadows=shadows) == [pytest.approx(np.log(4) / 2 + 7.5625, abs=1e-5)]


def test_variances_are_pooled_over_records():
    """The spread between records is no spread of a record."""
    from mnemoscope.attacks.lira import normal

    # about their own means: .01, .01 and .04, .04 with one degree of freedom each; the third record has one value
    phi = np.array([[-1.0, -9.0, -5.0], [-1.2, -9.4, -7.0]])
    mean, sigma = normal(phi, np.array([[True, True, True], [True, True, False]]))
    assert mean == pytest.approx([-1.1, -9.2, -5.0])
    assert sigma**2 == pytest.approx((0.02 + 0.08) / 2)


def test_rmia_by_hand(traces):
    """The share of other groups' known non-members with a lower ratio, ties half."""
    shadows = Shadows(
        traces=(traces(log(0.4, 0.1, 0.3, 0.4, 0.3)), traces(log(0.1, 0.1, 0.1, 0.1, 0.1))),
        inside=np.array([[True] * 5, [False] * 5]),
        population=np.array([False, True, True, True, False]),
        groups=np.array([0, 0, 1, 2, 3]),
    )
    # ratios: .5 over the mean of .4 and .1 = 2; its sibling .9 / .1 = 9; .2 / .2 = 1; then 2 and 1 again
    found = ask("rmia", target=traces(log(0.5, 0.9, 0.2, 0.5, 0.2)), shadows=shadows)
    # 2 beats 1 and ties with 2, the sibling does not count; 9 beats both; 1 beats neither 9 nor 2; 2 beats 1, not 9
    assert found == pytest.approx([1.5 / 2, 1, 0, 1 / 2, 0.5 / 3])  # the last ties with 1 and loses to 9 and 2


def test_rmia_without_strangers_is_unscorable(traces):
    """Known non-members of a single group leave their own siblings without anybody to be compared with."""
    one = traces([[-1.0], [-2.0]])
    for population, groups in (([False, False], [0, 1]), ([True, True], [0, 0])):
        shadows = Shadows((one, one), np.array([[True] * 2, [False] * 2]), np.array(population), np.array(groups))
        with pytest.raises(registry.Unscorable, match="two groups"):
            ask("rmia", target=one, shadows=shadows)


@pytest.mark.parametrize("name", ["lira", "rmia"])
def test_a_record_that_no_shadow_left_out_is_masked(traces, name):
    """A record that all shadows were trained on, or none, has no score, and the reason says so."""
    one = traces([[-1.0], [-2.0], [-3.0], [-1.5]])
    inside = np.array([[True, False, True, True], [True, False, False, False]])
    shadows = Shadows((one, one), inside, np.array([False, True, True, True]), np.arange(4))
    assert [value is None for value in ask(name, target=one, shadows=shadows)] == [True, True, False, False]
    assert (
        registry.find(name).reason() == "needs 1 or more scored tokens, and shadow models with and without the record"
    )


def test_learning_needs_both_classes(traces):
    """Without members, or with members that have no tokens, there is nothing to learn."""
    from mnemoscope.attacks.learned import learned

    made = {"target": traces([[-1.0], []]), "reference": traces([[-2.0], []])}
    for member in ([False, False], [False, True]):
        seen = registry.Seen(np.array(member), np.array([True, False]), made)
        with pytest.raises(registry.Unscorable, match="to learn from"):
            learned(seen, *made.values())
