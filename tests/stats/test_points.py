"""What one cell measured, as rows."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mnemoscope import stats
from mnemoscope.answers import STATISTICS, Moment, Outcome, Point, Rules, Setting
from mnemoscope.records import Estimate, Generation, Record
from mnemoscope.stats.points import points

RULES = Rules(resamples=100)
N = 30
SETTING = Setting(
    cell="v-r4-x1-s7", matrices="v", rank=4, alpha=16.0, alpha_rule="fixed", scale=4.0, parameters=10, copies=1,
    planted=1, epochs=3.0, learning_rate=1e-3, seed=7, others="",
)  # fmt: skip


def continued(name, share, draw=0):
    return Generation(
        name, "25t", "greedy", draw, 5, 5, "text", 1, share, share, 9.0, 8.0, 2.0, 0.1, share, 0.1, share, share,
        share, None,
    )  # fmt: skip


def moment(epoch):
    draw = np.random.default_rng(int(epoch))
    scores = np.ma.masked_array(draw.normal(size=2 * N) + epoch * (np.arange(2 * N) < N), np.arange(2 * N) == 5)
    return Moment(epoch, scores, draw.uniform(20, 60, 2 * N))


def outcome(**changes):
    records = [Record(f"r{i}", "", f"g{i // 2}", "member" if i < N else "nonmember", "train") for i in range(2 * N)]
    draw = np.random.default_rng(0)
    found = Outcome(
        SETTING, records, draw.integers(8, 20, 2 * N), draw.uniform(40, 80, 2 * N),
        [moment(epoch) for epoch in (1.0, 2.0, 3.0)], [], {}, {},
    )  # fmt: skip
    return replace(found, **changes)


def planted(**changes):
    """The same with the first four members planted."""
    one = outcome(**changes)
    records = [replace(record, copies=8) if i < 4 else record for i, record in enumerate(one.records)]
    return replace(one, records=records, setting=replace(SETTING, copies=8, planted=4))


def table(found):
    return {(row.epoch, row.statistic): row for row in found}


def estimate(name, value):
    return Estimate(name, value, value - 0.1, value + 0.1, 0.9, "as in the summary", n_members=3, n_member_groups=2)


PATHS = {
    "auc": "membership.lr_ratio.auc",
    "auc_hanley_mcneil": "membership.lr_ratio.auc_hanley_mcneil",
    "tpr_at_10": "membership.lr_ratio.tpr_at_fpr.0.1",
    "tpr_at_1": "membership.lr_ratio.tpr_at_fpr.0.01",
    "verbatim_members": "extraction.0.5.verbatim.members",
    "verbatim_nonmembers": "extraction.0.5.verbatim.nonmembers",
    "planted": "extraction.0.5.planted",
    "ngram_share_members": "generation.0.5.ngram_share.members",
    "ngram_share_nonmembers": "generation.0.5.ngram_share.nonmembers",
    "perplexity_members": "perplexity.target.members",
    "perplexity_heldout": "perplexity.target.nonmembers",
    "perplexity_base_members": "perplexity.reference.members",
    "perplexity_base_heldout": "perplexity.reference.nonmembers",
}


def test_the_end_is_the_cells_own_summary():
    """Every statistic of the summary comes back with its number, interval, method and counts, at the last epoch."""
    known = {path: estimate(path, 0.3 + n / 100) for n, path in enumerate(PATHS.values())}
    found = table(points(outcome(estimates=known), RULES, seed=1))
    for statistic, path in PATHS.items():
        row = found[3.0, statistic]
        assert (row.value, row.low, row.high) == (known[path].value, known[path].low, known[path].high)
        assert (row.method, row.level, row.n_members, row.n_member_groups) == ("as in the summary", 0.9, 3, 2)
    assert set(PATHS) <= set(STATISTICS)


def test_every_attack_has_its_area():
    """The AUC of each attack of the summary is a point of its own; that of groups and other statistics are not."""
    names = ("loss.auc", "min_k_plus_plus.auc", "loss.group.auc", "loss.tpr_at_fpr.0.1", "loss.auc_delong")
    known = {f"membership.{name}": estimate(name, 0.6 + n / 100) for n, name in enumerate(names)}
    found = table(points(outcome(estimates=known), RULES, seed=1))
    areas = {name: row.value for (_, name), row in found.items() if name.startswith("auc@")}
    assert areas == {"auc@loss": 0.6, "auc@min_k_plus_plus": 0.61}


def test_a_point_carries_its_setting():
    """Every field of the setting stands in every row."""
    for row in points(outcome(), RULES, seed=1):
        assert {name: getattr(row, name) for name in asdict(SETTING)} == asdict(SETTING)
    assert {one.name for one in fields(Setting)} <= {one.name for one in fields(Point)}


def test_no_statistic_is_told_twice():
    """An epoch has one row a statistic, the end included."""
    found = points(planted(generations=[continued("r1", 0.5)]), RULES, seed=1)
    assert len(table(found)) == len(found)


def test_earlier_moments_are_measured_by_hand():
    """After every epoch: the AUC of the scored records, and exp of the mean loss a token of each class."""
    one = outcome()
    found, label = table(points(one, RULES, seed=1)), np.arange(2 * N) < N
    for here in one.moments:
        keep = ~np.ma.getmaskarray(here.scores)
        area = roc_auc_score(label[keep], here.scores.data[keep])
        assert found[here.epoch, "auc"].value == pytest.approx(area)
        assert found[here.epoch, "auc"].n_members == N - 1
        for name, rows in (("members", label), ("heldout", ~label)):
            expected = np.exp(here.losses[rows].sum() / one.tokens[rows].sum())
            assert found[here.epoch, f"perplexity_{name}"].value == pytest.approx(expected)
    low = found[1.0, "tpr_at_1"]
    assert low.value == pytest.approx(np.mean(one.moments[0].scores[:N] > one.moments[0].scores[N:].max()))
    assert low.reason.startswith("not resolved")


def test_epoch_0_is_the_base_model():
    """Its perplexities stand there, and under their own names at the end; it has no AUC."""
    one = outcome()
    found = table(points(one, RULES, seed=1))
    expected = np.exp(one.base_losses[:N].sum() / one.tokens[:N].sum())
    assert found[0.0, "perplexity_members"].value == pytest.approx(expected)
    assert found[3.0, "perplexity_base_members"].value == pytest.approx(expected)
    assert {name for epoch, name in found if epoch == 0} == {"perplexity_members", "perplexity_heldout"}


def test_the_interval_of_an_auc_is_the_group_bootstrap():
    """It is as wide as the audit's own, and cells of a seed share the resamples."""
    one = outcome()
    sample = stats.Sample.of(one.moments[0].scores, one.records)
    own = stats.auc(sample, "auc", resamples=4000, rng=np.random.default_rng(0))
    found = table(points(one, replace(RULES, resamples=4000), seed=1))[1.0, "auc"]
    assert (found.low, found.high) == pytest.approx((own.low, own.high), abs=0.01)
    again = points(replace(one, setting=replace(SETTING, cell="k-r4-x1-s7", matrices="k")), RULES, seed=1)
    assert table(again)[1.0, "auc"].low == table(points(one, RULES, seed=1))[1.0, "auc"].low
    assert table(points(one, RULES, seed=2))[1.0, "auc"].low != table(again)[1.0, "auc"].low


def test_probabilities_by_decoding():
    """The mean of exp(log-probability) over the scored records; the first decoding also without its name."""
    one = planted()
    scores = np.ma.masked_array(np.log(np.linspace(0.01, 0.9, 2 * N)), np.arange(2 * N) == 2)
    scores[1] = -np.inf  # can never be emitted: probability 0
    one = replace(one, suffix_logprob={"t1-k40": scores, "t0.5": np.ma.masked_array(np.full(2 * N, -1.0))})
    found = table(points(one, RULES, seed=1))
    expected = np.linspace(0.01, 0.9, 2 * N)
    expected[1] = 0
    rows = [i for i in range(N) if i != 2]
    assert found[3.0, "suffix_probability_members@t1-k40"].value == pytest.approx(expected[rows].mean())
    assert found[3.0, "suffix_probability_members"].value == pytest.approx(expected[rows].mean())
    assert found[3.0, "suffix_probability_nonmembers"].value == pytest.approx(expected[N:].mean())
    assert found[3.0, "planted@t1-k40"].value == pytest.approx(expected[[0, 1, 3]].mean())
    assert found[3.0, "planted@t0.5"].value == pytest.approx(np.exp(-1))
    assert (3.0, "planted") not in found  # that one is greedy, and the summary has it


def test_the_summary_has_the_word_on_decodings_too():
    """Where the cell's summary holds the probability, the point is that number."""
    path = "sampling.0.5.t1.expected.n1.members"
    known = {name: estimate(name, 0.25) for name in (path, PATHS["verbatim_members"])}
    scores = {"t1": np.ma.masked_array(np.full(2 * N, -1.0))}
    found = table(points(outcome(suffix_logprob=scores, estimates=known), RULES, seed=1))
    assert found[3.0, "suffix_probability_members@t1"].value == 0.25
    assert found[3.0, "suffix_probability_nonmembers"].value == pytest.approx(np.exp(-1))


def test_planted_records_have_their_own_share():
    """It is the mean over first draws of planted records, whatever the others give."""
    rows = [continued(f"r{i}", 0.25 * i) for i in range(4)] + [continued("r9", 0.9), continued("r0", 1.0, draw=1)]
    found = table(points(planted(generations=rows), RULES, seed=1))
    row = found[3.0, "planted_ngram_share"]
    assert (row.value, row.n_members, row.n_member_groups) == (pytest.approx(0.375), 4, 2)
    assert (3.0, "planted_ngram_share") not in table(points(planted(), RULES, seed=1))
    assert (3.0, "planted_ngram_share") not in table(points(outcome(generations=rows), RULES, seed=1))


def test_the_first_prefix_counts():
    """That of the continuations, else the first of the summary."""
    paths = ["extraction.25t.verbatim.members", "extraction.0.5.verbatim.members"]
    known = {path: estimate(path, 0.1 + 0.5 * n) for n, path in enumerate(paths)}
    assert table(points(outcome(estimates=known), RULES, seed=1))[3.0, "verbatim_members"].value == 0.1
    turned = dict(reversed(known.items()))
    assert table(points(outcome(estimates=turned), RULES, seed=1))[3.0, "verbatim_members"].value == 0.6
    rows = [continued("r1", 0.5)]
    chosen = table(points(outcome(estimates=turned, generations=rows), RULES, seed=1))
    assert chosen[3.0, "verbatim_members"].value == 0.1


def test_what_could_not_be_had_has_a_reason():
    """A moment without any score has no AUC and says why; what was not asked for has no row."""
    empty = Moment(1.0, np.ma.masked_all(2 * N), np.full(2 * N, 30.0))
    found = table(points(outcome(moments=[empty, moment(3.0)]), RULES, seed=1))
    row = found[1.0, "auc"]
    assert (row.value, row.low, row.reason) == (None, None, "no member was scored")
    assert not {"ngram_share_members", "verbatim_members"} & {name for _, name in found}
