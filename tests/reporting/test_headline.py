"""The sentences: validity first, right numbers, right grammar, never "safe"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from mnemoscope.records import Estimate, Evidence
from mnemoscope.reporting import headline
from mnemoscope.reporting.wording import estimate, interval, p_value, percent

VERBATIM = "extraction.0.5.verbatim."


def changed(evidence: Evidence, change: Callable[[Estimate], Estimate | None]) -> list[str]:
    estimates = [after for e in evidence.estimates if (after := change(e)) is not None]
    return headline(replace(evidence, estimates=estimates))


def updated(evidence: Evidence, changes: Mapping[str, Mapping[str, object]]) -> Evidence:
    """The audit with some fields of the named estimates changed."""
    after = [replace(e, **changes.get(e.name, {})) for e in evidence.estimates]  # type: ignore[arg-type]
    return replace(evidence, estimates=after)


def hits(evidence: Evidence, members: int, of: int, others: int, of_others: int) -> str:
    def change(e: Estimate) -> Estimate:
        if e.name == f"{VERBATIM}members":
            return replace(e, value=members / of, n_members=of)
        if e.name == f"{VERBATIM}nonmembers":
            return replace(e, value=others / of_others, n_nonmembers=of_others)
        return e

    return next(s for s in changed(evidence, change) if "word for word" in s)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (
            (12, 2898, 0, 1929),
            "12 of 2,898 training records come back word for word from their first half by greedy decoding; "
            "none of 1,929 held-out records does.",
        ),
        (
            (0, 300, 0, 200),
            "None of 300 training records comes back word for word from its first half by greedy decoding; "
            "none of 200 held-out records does.",
        ),
        (
            (1, 300, 1, 200),
            "1 of 300 training records comes back word for word from its first half by greedy decoding; "
            "1 of 200 held-out records does.",
        ),
        (
            (300, 300, 3, 200),
            "All 300 training records come back word for word from their first half by greedy decoding; "
            "3 of 200 held-out records do.",
        ),
        (
            (1, 1, 0, 1),
            "The one training record comes back word for word from its first half by greedy decoding; "
            "none of 1 held-out record does.",
        ),
    ],
)
def test_counts_read_as_a_person_would_write_them(
    evidence: Evidence, counts: tuple[int, int, int, int], sentence: str
) -> None:
    """None, one, some and all have their own words, and the verb agrees."""
    assert hits(evidence, *counts) == sentence


def test_validity_comes_first(evidence: Evidence) -> None:
    """The first sentence is about the audit itself, in every state of the verdict."""
    begins = {
        "valid": "This audit is valid: scores blind to the fine-tuned model do no better than chance (AUC at most",
        "doubtful": "This audit is doubtful: the lengths differ; every number below",
        "not resolvable": "This audit cannot resolve what the model remembers: the lengths differ.",
    }
    for validity, begin in begins.items():
        verdict = {"validity": validity, "reason": "the lengths differ."}
        assert headline(replace(evidence, manifest={"verdict": verdict}))[0].startswith(begin)
    named = {"validity": "doubtful", "reason": "The control controls.blind_words.auc differs"}
    assert headline(replace(evidence, manifest={"verdict": named}))[0].startswith(
        "This audit is doubtful: The control blind words differs;"
    )
    unchecked = headline(replace(evidence, estimates=[]))[0]
    assert unchecked.startswith("This audit is called valid without a check: no score")
    assert headline(replace(evidence, manifest={}))[0] == "Whether this audit is valid was not judged."


def test_valid_is_not_said_to_be_chance_where_an_interval_excludes_it(evidence: Evidence) -> None:
    """A control whose interval excludes 0.5 is "hardly better than chance", not "no better"."""
    first = changed(
        evidence, lambda e: replace(e, low=0.501, p_adjusted=None) if e.name.startswith("controls.r") else e
    )[0]
    assert "hardly better than chance" in first


def test_membership_names_the_fixed_attack(evidence: Evidence) -> None:
    """The headline takes the paper's attack, also where another one does better."""

    def change(e: Estimate) -> Estimate:
        if e.name == "membership.lr_ratio.tpr_at_fpr.0.01":
            return replace(e, value=0.314, low=0.27, high=0.35)
        return replace(e, value=0.999) if e.name.startswith("membership.lr_diff") else e

    assert (
        "An attacker who can see token probabilities recognises 31% [27, 35] of training records at 1% false alarms "
        "(lr_ratio; guessing recognises 1%)."
    ) in changed(evidence, change)


def strongest(evidence: Evidence) -> list[str]:
    return [s for s in headline(evidence) if "picking the best" in s or s.startswith("None of the")]


def test_the_best_of_many_is_never_told_as_if_fixed(evidence: Evidence) -> None:
    """The strongest attack is named with the number it was picked from, its difference, and what picking does."""
    learned, baseline = (next(e for e in evidence.estimates if e.name == f"membership.{n}.auc") for n in PAIR)
    gap = f"{(learned.value or 0) - (baseline.value or 0):.3f}"
    (sentence,) = strongest(evidence)
    assert sentence.startswith("The strongest of 15 attacks by point estimate, learned, orders the records better than")
    assert f"lr_ratio by {gap} [" in sentence
    assert sentence.endswith("in AUC (Holm-corrected p < .001); picking the best of several flatters it.")


PAIR = ("learned", "lr_ratio")


@pytest.mark.parametrize(("p", "said"), [(0.049, False), (0.05, True), (0.31, True), (None, True)])
def test_a_difference_counts_by_its_corrected_p(evidence: Evidence, p: float | None, said: bool) -> None:
    """At p of 1 - level and above, or without p, the difference is called not resolved whatever its interval."""
    changes = {f"comparison.{a}.auc_delong_clustered": {"p_adjusted": p} for a in evidence.scores}
    (sentence,) = strongest(updated(evidence, changes))
    assert ("not resolved" in sentence) == said
    assert ("no other attack is resolved to lie above it" in sentence) == said


def test_a_weaker_attack_that_is_resolved_is_named(evidence: Evidence) -> None:
    """Where the strongest is not resolved and another is, the sentence says which."""
    changes = {f"comparison.{a}.auc_delong_clustered": {"p_adjusted": 0.5} for a in evidence.scores if a != "ez"}
    (sentence,) = strongest(updated(evidence, changes))
    assert "which is not resolved (Holm-corrected p = .50), while ez is resolved to lie above it;" in sentence


def test_no_other_attack_is_stronger(evidence: Evidence) -> None:
    """Where the fixed attack has the highest AUC that is said, and no other is praised."""
    best = updated(evidence, {"membership.lr_ratio.auc": {"value": 0.99}})
    assert strongest(best) == ["None of the 14 other attacks has a higher AUC than lr_ratio."]


def test_the_baseline_is_the_fixed_attack_also_where_the_papers_was_not_run(evidence: Evidence) -> None:
    """Without lr_ratio the first attack by name is what the others are compared to, in words too."""
    kept = [e for e in evidence.estimates if not e.name.startswith(("membership.lr_ratio.", "comparison.dc_pdd."))]
    (sentence,) = strongest(replace(evidence, estimates=kept))
    assert sentence.startswith(
        "The strongest of 14 attacks by point estimate, learned, orders the records better than dc_"
    )


def test_attacks_that_were_not_compared_are_not_ranked(evidence: Evidence) -> None:
    """Without comparisons no sentence names a strongest attack."""
    old = replace(evidence, estimates=[e for e in evidence.estimates if not e.name.startswith("comparison.")])
    assert not strongest(old)


def test_power_is_told_after_validity(evidence: Evidence) -> None:
    """The second sentence is the smallest AUC that the audit can see."""
    assert headline(evidence)[1] == "This audit would detect an AUC of 0.541 or more 80% of the time."


def test_a_control_off_chance_by_its_corrected_p(evidence: Evidence) -> None:
    """The corrected p-value decides whether controls are at chance; an interval does where there is none."""
    off = updated(evidence, {"controls.length.auc": {"p_adjusted": 0.01}})
    assert "hardly better than chance" in headline(off)[0]
    assert "smallest Holm-corrected p = .010" in headline(off)[0]


def test_shadows_close_a_gap(evidence: Evidence) -> None:
    """An attack with models of its own is no longer listed as not tested once it was run."""
    with_lira = replace(
        evidence, estimates=[*evidence.estimates, replace(evidence.estimates[-1], name="membership.lira.auc")]
    )
    assert "train models on similar text" in headline(evidence)[-1]
    assert "train models on similar text" not in headline(with_lira)[-1]


def test_not_resolved_is_said(evidence: Evidence) -> None:
    """A rate that could not be resolved is named with its reason, and the next rate is given."""

    def change(e: Estimate) -> Estimate:
        if e.name.endswith("tpr_at_fpr.0.01"):
            return replace(e, value=None, low=None, high=None, reason="not resolved: 100 groups allow 1 false alarm")
        return e

    text = " ".join(changed(evidence, change))
    assert "at 1% and 0.1% false alarms is not resolved (lr_ratio): 100 groups allow 1 false alarm; FPR" in text
    assert "of training records at 10% false alarms" in text


def test_rates_that_are_not_resolved_share_a_sentence(evidence: Evidence) -> None:
    """Reasons that differ in their numbers only are told once; others all."""
    few = {
        f"membership.lr_ratio.tpr_at_fpr.{rate}": {"reason": f"not resolved: FPR {rate} of 44 groups"}
        for rate in ("0.1", "0.01", "0.001")
    }
    (sentence,) = (s for s in headline(updated(evidence, few)) if "false alarms is not resolved" in s)
    assert "at 10%, 1% and 0.1% false alarms is not resolved (lr_ratio): FPR 0.1 of 44 groups." in sentence
    few["membership.lr_ratio.tpr_at_fpr.0.001"] = {"reason": "not resolved: other"}
    (sentence,) = (s for s in headline(updated(evidence, few)) if "false alarms is not resolved" in s)
    assert sentence.endswith("(lr_ratio): FPR 0.1 of 44 groups; other.")


def test_sensitive_values_are_told_both_ways(evidence: Evidence) -> None:
    """What comes back in the continued rest, and one by one after the true text, training beside held out."""
    text = " ".join(headline(evidence))
    assert "Of the sensitive values in the rest of training records, 8.3% [5.3, 11.3] lie wholly in" in text
    assert "greedy decoding writes 13% [10, 16] of the sensitive values of training records and 13% [10, 16]" in text


def test_a_value_that_too_few_groups_carry_is_no_headline(evidence: Evidence) -> None:
    """A rate with a value and a reason is told as not resolved, and the next higher rate is stated instead."""

    def change(e: Estimate) -> Estimate:
        return replace(e, reason="not resolved: few groups") if e.name.endswith("tpr_at_fpr.0.01") else e

    text = " ".join(changed(evidence, change))
    assert "at 1% and 0.1% false alarms is not resolved (lr_ratio): few groups; FPR" in text
    assert "of training records at 10% false alarms" in text


def test_all_none_still_speaks(evidence: Evidence) -> None:
    """Estimates without values give sentences without numbers."""
    sentences = changed(evidence, lambda e: replace(e, value=None, low=None, high=None, reason=None))
    assert sum("not resolved" in sentence for sentence in sentences) >= 4
    assert not any("None" in sentence for sentence in sentences)


def test_nothing_measured_is_said(evidence: Evidence) -> None:
    """What was left out is named."""
    bare = replace(evidence, estimates=[], generations=[])
    sentences = headline(bare)
    assert "Membership was not tested." in sentences
    assert "Extraction was not tested." in sentences
    assert "near but not word for word" in sentences[-1]


def test_there_is_no_safe_sentence(evidence: Evidence) -> None:
    """Also where nothing was found, the last sentence is about what was not tested, and none says "safe"."""
    zeros = changed(evidence, lambda e: replace(e, value=0.0, low=0.0))
    assert zeros[-1].startswith("Not tested: ")
    assert not any(word in " ".join(zeros).lower() for word in ("safe", "secure", "no risk", "no leak"))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"), (1.0, "100%"), (0.314, "31%"), (0.0213, "2.1%"), (0.0041, "0.41%"), (0.00001, "<0.01%"),
        (0.996, "99.6%"), (0.99999, ">99.9%"), (-0.0041, "-0.41%"), (-0.00001, ">-0.01%"),
    ],
)  # fmt: skip
def test_percent_rounds_neither_to_none_nor_to_all(share: float, text: str) -> None:
    """What is not 0 never reads 0%, and what is not all never reads 100%."""
    assert percent(share) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "p < .001"), (0.000999, "p < .001"), (0.0021, "p = .002"), (0.0499, "p = .050"), (0.213, "p = .21"),
        (0.99, "p = .99"), (0.996, "p > .99"), (1.0, "p = 1"),
    ],
)  # fmt: skip
def test_p_values_never_read_zero(p: float, text: str) -> None:
    """A p-value is told with its relation, and neither end is rounded to certainty."""
    assert p_value(p) == text


def test_differences_carry_their_sign() -> None:
    """A difference shows its sign in value and interval, and none where it reads zero; other numbers never do."""
    leaf = {"value": 0.0312, "low": -0.01, "high": 0.0504}
    assert estimate("comparison.ez.auc", leaf) == "+0.031 [-0.010, +0.050]"
    assert estimate("counterfactual.accuracy.members", leaf) == "+3.1% [-1.0, +5.0]"
    assert estimate("comparison.ez.auc", {"value": -0.0001, "low": None, "high": None}) == "0.000"
    assert estimate("membership.ez.auc", leaf) == "0.031 [-0.010, 0.050]"


def test_a_small_bound_is_not_called_smaller_than_it_is() -> None:
    """A bound that rounds to nothing is below the last digit shown, not below a finer one."""
    assert interval("validity.overlap.7.members", {"value": 0.31, "low": 0.003, "high": 0.6}) == "[<1, 60]"
