"""A statistic over seeds that draw from one pool."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mnemoscope.answers import Rules
from mnemoscope.stats.averages import weighted_mean
from mnemoscope.stats.intervals import group_counts
from mnemoscope.stats.pooled import Panel, pooled
from mnemoscope.stats.spreads import Left

RULES = Rules(resamples=300)


def rng():
    return np.random.default_rng(4)


def panel(seed, values, groups, **counts):
    values = np.asarray(values, dtype=float)
    return Panel(seed, tuple(groups), weighted_mean(values), counts.get("n", len(values)))


def test_a_group_has_one_weight_in_all_seeds():
    """Draw the pool's groups once, repeat every seed's records as often as their group was drawn, average the means."""
    draw = np.random.default_rng(1)
    seeds = {s: (draw.normal(s, 1, 12), [f"g{k}" for k in draw.integers(0, 9, 12)]) for s in (3, 8)}
    found = pooled([panel(s, *one) for s, one in seeds.items()], RULES, rng())
    names = sorted({name for _, groups in seeds.values() for name in groups})
    slow = []
    for row in group_counts(len(names), RULES.resamples, rng()):
        times = dict(zip(names, row, strict=True))
        written = [np.repeat(values, [times[name] for name in groups]) for values, groups in seeds.values()]
        slow.append(np.mean([one.mean() for one in written]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert found.value == pytest.approx(np.mean([values.mean() for values, _ in seeds.values()]))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.value) / np.std(slow, ddof=1)))
    assert (found.n_groups, found.n_members, found.seeds) == (len(names), 12, (3, 8))


def test_shared_groups_widen_the_interval():
    """Seeds that hold the same documents are no independent evidence: five copies of a seed say as much as one."""
    values, groups = np.random.default_rng(2).normal(size=40), [f"g{k}" for k in range(40)]
    one = pooled([panel(1, values, groups)], RULES, rng())
    five = pooled([panel(s, values, groups) for s in range(5)], RULES, rng())
    apart = pooled([panel(s, values, [f"{s}{name}" for name in groups]) for s in range(5)], RULES, rng())
    assert (five.low, five.high) == pytest.approx((one.low, one.high))
    assert (apart.high - apart.low) < 0.6 * (one.high - one.low)


def test_seeds_by_hand():
    """Of the values 1, 2, 3: mean 2, t = 2 / (1 / sqrt 3) = 3.4641 on 2 degrees, half width 4.302653 / sqrt 3."""
    found = pooled([panel(s, [s, s + 1e-9], ["a", "b"]) for s in (1, 2, 3)], RULES, rng(), bounded=False)
    reach = 4.302653 / np.sqrt(3)
    assert (found.seed_low, found.seed_high) == pytest.approx((2 - reach, 2 + reach), abs=1e-6)
    assert found.seed_p_value == pytest.approx(0.0741799, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_bounded_ends_at_its_bound_across_seeds_too(sign):
    """Of .9, .95, 1: mean .95, half width 4.302653 * .05 / sqrt 3 = .124207, so the high end would be 1.074207."""
    panels = [panel(s, [sign * x] * 2, ["a", "b"]) for s, x in enumerate((0.9, 0.95, 1))]
    found, free = pooled(panels, RULES, rng()), pooled(panels, RULES, rng(), bounded=False)
    assert sorted([found.seed_low * sign, found.seed_high * sign]) == pytest.approx([0.825793, 1], abs=1e-6)
    assert sorted([free.seed_low * sign, free.seed_high * sign]) == pytest.approx([0.825793, 1.074207], abs=1e-6)
    assert found.seed_p_value == free.seed_p_value


def test_each_seed_has_its_own_interval():
    """With one seed its own interval is the whole one."""
    values, groups = np.random.default_rng(3).normal(size=20), [f"g{k}" for k in range(20)]
    found = pooled([panel(7, values, groups)], RULES, rng())
    assert (found.values, found.lows, found.highs) == ((found.value,), (found.low,), (found.high,))
    assert (found.seed_low, found.seed_high, found.seed_p_value) == (None, None, None)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_never_changes_keeps_a_width_where_it_is_bounded(sign):
    """A mean of 1 over G groups has the low end 2 (alpha / 2)^(1 / G) - 1, and -1 mirrors it."""
    # .025 ** (1 / 12) = .7353515; 2 * .7353515 - 1 = .470703
    panels = [panel(1, np.full(12, sign), [f"g{k}" for k in range(12)])]
    found, free = pooled(panels, RULES, rng()), pooled(panels, RULES, rng(), bounded=False)
    assert sorted([found.low * sign, found.high * sign]) == pytest.approx([0.470703, 1], abs=1e-6)
    assert (free.low, free.high, free.method) == (None, None, "none")
    assert free.reason


def test_seeds_that_cannot_say_anything_are_named():
    """A seed that is left out has its reason in the answer; with no seed at all there is no value."""
    gone, same = Left(5, "too few"), Panel(6, ("a", "b"), lambda w: np.full(len(w), np.nan), 2)
    found = pooled([gone, same, panel(7, [1.0, 2], "ab")], RULES, rng())
    assert found.seeds == (7,)
    assert "seed 5 left out: too few" in found.reason
    assert "seed 6 left out" in found.reason
    nothing = pooled([gone], RULES, rng())
    assert (nothing.value, nothing.reason, nothing.seeds) == (None, "too few", ())


def test_a_seed_that_a_resample_empties_drops_out_of_it():
    """Seeds with a single group each: a resample's mean is over the seeds whose group was drawn."""
    found = pooled([panel(1, [0.0], ["a"]), panel(2, [1.0], ["b"])], RULES, rng())
    drawn = group_counts(2, RULES.resamples, rng()) > 0
    slow = (drawn * [0.0, 1.0]).sum(axis=1) / drawn.sum(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
