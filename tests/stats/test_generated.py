"""Discriminators on generated text: threshold from calibration records, alarms on others."""

from __future__ import annotations

import numpy as np
import pytest

from mnemoscope.leaks import Judgement
from mnemoscope.records import Generation, Record
from mnemoscope.stats import Estimator

BY = Estimator(level=0.95, resamples=100, seed=3)
RECORDS = [
    *(Record(f"m{i}", "", f"m{i}", "member", "train") for i in range(10)),
    *(Record(f"c{i}", "", f"c{i}", "nonmember", "calibration") for i in range(20)),
    *(Record(f"e{i}", "", f"e{i}", "nonmember", "evaluation") for i in range(5)),
]


def generation(name, value, *, draw=0, decoding="greedy", keyword=None):
    near = dict.fromkeys(("ngram_share", "substring_share", "bleu", "edit_similarity", "rouge_l", "tfidf"), value)
    return Generation(
        id=name, prefix="0.5", decoding=decoding, draw=draw, prefix_tokens=5, suffix_tokens=5, text="",
        matched_tokens=0, ngram_share_paper=value, perplexity_base=5.0, perplexity_target=4.0, perplexity_generated=3.0,
        ngram_share_other=value / 2, keyword=keyword, **near,
    )  # fmt: skip


def named(estimates):
    found = {one.name: one for one in estimates}
    assert len(found) == len(estimates)
    return found


def values():
    """Calibration from 0 to .19, two evaluation records and three members above .18."""
    return {
        **{f"c{i}": i / 100 for i in range(20)},
        **{f"e{i}": 0.9 if i < 2 else 0.0 for i in range(5)},
        **{f"m{i}": 0.9 if i < 3 else 0.1 for i in range(10)},
    }


def test_threshold_and_alarms_by_hand():
    """At 10% of 20 calibration records two may pass: the threshold is the third highest, .17."""
    found = named(BY.discriminators(RECORDS, [generation(name, value) for name, value in values().items()], []))
    tpr, fpr = (found[f"discriminators.0.5.greedy.bleu.{what}"] for what in ("tpr", "fpr"))
    assert (tpr.threshold, tpr.value, tpr.achieved_fpr) == pytest.approx((0.17, 0.3, 0.4))
    assert (fpr.value, fpr.n_nonmembers) == (0.4, 5)
    assert found["discriminators.0.5.greedy.ngram_share_other.members"].value == pytest.approx(
        (3 * 0.45 + 7 * 0.05) / 10
    )


def test_a_record_counts_with_its_nearest_draw():
    rows = [generation(name, 0.0, draw=0) for name in values()]
    rows += [generation(name, value, draw=1) for name, value in values().items()]
    found = named(BY.discriminators(RECORDS, rows, []))
    assert found["discriminators.0.5.greedy.rouge_l.tpr"].value == pytest.approx(0.3)


def test_records_without_sensitive_values_are_unscored():
    """A keyword that nobody could give back is no miss."""
    rows = [generation(name, value, keyword=value if name != "m9" else None) for name, value in values().items()]
    found = named(BY.discriminators(RECORDS, rows, []))
    assert found["discriminators.0.5.greedy.keyword.tpr"].value == pytest.approx(3 / 9)
    assert found["discriminators.0.5.greedy.keyword.tpr"].n_unscored == 1


def test_the_judge_is_one_discriminator_more():
    rows = [generation(name, 0.0) for name in values()]
    said = [Judgement(name, "0.5", "greedy", 0, "", "yes", value) for name, value in values().items()]
    found = named(BY.discriminators(RECORDS, rows, said))
    assert found["discriminators.0.5.greedy.judge.tpr"].value == pytest.approx(0.3)
    assert not any(".judge." in name for name in named(BY.discriminators(RECORDS, rows, [])))


def test_the_share_by_class_is_of_the_first_decoding_and_draw():
    rows = [generation(name, value) for name, value in values().items()]
    more = [generation(name, 1.0, draw=1) for name in values()]
    more += [generation(name, 1.0, decoding="t1-k40") for name in values()]
    found = named(BY.generation(RECORDS, rows + more))
    assert found["generation.0.5.ngram_share.members"].value == pytest.approx((3 * 0.9 + 7 * 0.1) / 10)
    assert "discriminators.0.5.t1-k40.bleu.tpr" in named(BY.discriminators(RECORDS, rows + more, []))


def test_no_attack_that_learnt_from_coins_guesses_them():
    """The one-run bound takes an attack that saw no label, or none."""
    scores = {name: np.ma.masked_array(np.arange(35.0)) for name in ("dc_pdd", "loss")}
    assert BY.one_run(RECORDS, scores, folded=("dc_pdd", "loss")) == []
    assert BY.one_run(RECORDS, scores, folded=("dc_pdd",)) == BY.one_run(RECORDS, {"loss": scores["loss"]})
