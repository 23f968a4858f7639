"""A plausible audit, built from named draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mnemoscope.records import (
    DataReport,
    Estimate,
    Evidence,
    Extraction,
    Generation,
    Record,
    RocCurve,
    Scores,
    Span,
    TrainingStep,
)
from mnemoscope.seeds import generator

MEMBERS, NONMEMBERS = 300, 200
SHIFTS = {
    "loss": 0.6, "lr_diff": 1.3, "lr_ratio": 1.4, "lr_sum": 1.2, "zlib": 0.7, "min_k": 0.55, "min_k_plus_plus": 0.65,
    "loss_calibrated": 1.35, "min_k_calibrated": 1.1, "min_k_plus_plus_calibrated": 1.5, "ez": 1.6, "wbc": 1.45,
    "surp": 0.4, "dc_pdd": 0.5, "learned": 1.9,
}  # fmt: skip
CONTROLS = {
    "length": 0.491, "zlib_length": 0.512, "blind_words": 0.523, "blind_ngrams": 0.488, "reference_loss": 0.507,
    "reference_zlib": 0.509, "reference_min_k": 0.503, "reference_min_k_plus_plus": 0.497, "reference_surp": 0.5,
}  # fmt: skip
SECRET = "a 54-year-old woman took lamotrigine"


def build_records() -> list[Record]:
    def one(i: int) -> Record:
        member = i < MEMBERS
        text = f"Patient number {i}: {SECRET} for {i % 9 + 1} weeks and recovered fully after it was stopped."
        return Record(
            id=f"pubmed-{9_000_000 + i}",
            text=text,
            group=f"doc-{i // 3}" if member else f"doc-{1000 + i // 2}",
            role="member" if member else "nonmember",
            part="train" if member else ("calibration" if i % 2 else "evaluation"),
            spans=(Span(text.index("54"), text.index("54") + 11, "age"),),
            copies=(8 if i < 4 else 1) if member else 0,
        )

    return [one(i) for i in range(MEMBERS + NONMEMBERS)]


def build_scores() -> dict[str, Scores]:
    scores = {}
    for name, shift in SHIFTS.items():
        rng = generator(1, "scores", name)
        values = rng.normal(size=MEMBERS + NONMEMBERS) * 0.2
        values[:MEMBERS] += 0.2 * shift
        scores[name] = np.ma.masked_array(values, mask=np.arange(len(values)) == 7)
    return scores


def curve(scores: Scores) -> RocCurve:
    labels = np.arange(len(scores)) < MEMBERS
    order = np.argsort(-scores.filled(-9.0), kind="stable")
    hits = labels[order]
    tpr = np.concatenate(([0.0], np.cumsum(hits) / MEMBERS))
    fpr = np.concatenate(([0.0], np.cumsum(~hits) / NONMEMBERS))
    return RocCurve(fpr=fpr, tpr=tpr)


def auc(roc: RocCurve) -> float:
    return float(np.trapezoid(roc.tpr, roc.fpr))


def estimate(name: str, value: float | None, half: float = 0.03, **more: object) -> Estimate:
    bounds = (None, None) if value is None else (max(0.0, value - half), value + half)
    given = Estimate(
        name=name,
        value=value,
        low=bounds[0],
        high=bounds[1],
        level=0.95,
        method="group bootstrap (percentile, 2000 resamples)",
        n_members=MEMBERS,
        n_nonmembers=NONMEMBERS,
        n_member_groups=100,
        n_nonmember_groups=100,
        n_unscored=1,
    )
    return replace(given, **more)  # type: ignore[arg-type]


def build_estimates(curves: dict[str, RocCurve]) -> list[Estimate]:
    made = [*build_validity(), *build_comparisons(curves)]
    for name, roc in curves.items():
        made += build_membership(name, roc)
    for prefix, hits in (("0.5", 12), ("25t", 5)):
        root = f"extraction.{prefix}"
        made += [
            estimate(f"{root}.verbatim.members", hits / MEMBERS, 0.012),
            estimate(f"{root}.verbatim.nonmembers", 0.0, 0.0, high=0.018),
            estimate(f"{root}.verbatim.reference_members", 0.0, 0.0, high=0.012),
            estimate(f"{root}.verbatim.reference_nonmembers", 0.0, 0.0, high=0.018),
            estimate(f"{root}.spans.members", 0.083),
            estimate(f"{root}.spans.nonmembers", 0.011, 0.01),
            estimate(f"{root}.matched_tokens.members", 3.4137, 0.4),
            estimate(f"{root}.matched_tokens.nonmembers", 1.0211, 0.2),
            estimate(f"{root}.planted", 0.75, 0.2, n_members=4, n_nonmembers=0),
        ]
    made += [
        estimate("generation.0.5.ngram_share.members", 0.271),
        estimate("generation.0.5.ngram_share.nonmembers", 0.114),
        estimate("generation.0.5.correlation.perplexity_target", -0.412, 0.08, low=-0.49, high=-0.33),
        estimate("generation.0.5.correlation.perplexity_base", -0.051, 0.09, low=-0.14, high=0.04),
        estimate("perplexity.target.members", 8.21, 0.3),
        estimate("perplexity.target.nonmembers", 14.9, 0.6),
        estimate("perplexity.reference.members", 27.33, 1.1),
        estimate("perplexity.reference.nonmembers", 27.61, 1.3),
        *build_leaks(),
        estimate("counterfactual.accuracy.members", 0.0412, 0.006),
        estimate("counterfactual.accuracy.nonmembers", -0.0004, low=-0.0031, high=0.0024),
        estimate("counterfactual.logprob.members", 0.2213, 0.02),
        estimate("counterfactual.logprob.nonmembers", -0.0012, low=-0.011, high=0.009),
    ]
    return made


def build_leaks() -> list[Estimate]:
    """Curves, discriminators, sensitive values, unprompted texts, canaries and a coin a group."""
    made = [
        estimate(f"prefix_length.{k / 10:g}.{who}", share * k / 10, 0.01)
        for k in range(1, 10)
        for who, share in (("members", 0.2), ("nonmembers", 0.02), ("reference_members", 0.01), ("planted", 0.8))
    ]
    for decoding in ("t1-k40", "t0.7-k40"):
        for n in (10**k for k in range(7)):
            sides = {"members": 0.04, "nonmembers": 0.002, "planted": 0.3, "excess": 0.038, "reference_members": 0.001}
            for who, share in sides.items():
                made.append(estimate(f"sampling.0.5.{decoding}.expected.n{n}.{who}", share * (1 + n / 10**6), 0.001))
                if decoding == "t1-k40" and who != "excess":
                    made.append(estimate(f"sampling.0.5.{decoding}.discoverable.p0.5.n{n}.{who}", share, 0.001))
    for least in ("0.7", "1"):
        for n in (1, 1000, 1_000_000):
            path = f"sampling.0.5.minimum_temperature.k40.t{least}.n{n}"
            made += [estimate(f"{path}.members", 0.11), estimate(f"{path}.nonmembers", 0.013, 0.01)]
    for name in ("ngram_share", "substring_share", "bleu", "edit_similarity", "rouge_l", "tfidf", "keyword"):
        path = f"discriminators.0.5.greedy.{name}"
        made += [
            estimate(f"{path}.tpr", 0.231, threshold=0.412, achieved_fpr=0.09, fpr=0.1),
            estimate(f"{path}.fpr", 0.09),
        ]
    for side in ("members", "nonmembers"):
        made.append(estimate(f"discriminators.0.5.greedy.ngram_share_other.{side}", 0.061, 0.01))
        for kind in ("all", "age", "drug"):
            for what, value in (("greedy", 0.13), ("top1", 0.41), ("lift_reference", 0.19), ("lift_majority", 0.07)):
                made.append(estimate(f"spans.{kind}.{what}.{side}", value))
            made.append(estimate(f"spans.{kind}.logprob_gain.{side}", 1.234, 0.2))
    made += [estimate(f"spans.{kind}.greedy.excess", 0.083, low=0.02, high=0.14) for kind in ("all", "age", "drug")]
    for side in ("members", "heldout"):
        made += [estimate(f"unprompted.found.{side}", 0.043), estimate(f"unprompted.records.{side}", 0.011, 0.01)]
        made += [estimate(f"unprompted.{a}.precision.{k}.{side}", 0.3) for a in ("loss", "lr_ratio") for k in (10, 100)]
    for which, n in (("copies_1", 6), ("copies_16", 7), ("included", 13), ("heldout", 17)):
        counts = {"n_members": 0 if which == "heldout" else n, "n_nonmembers": n if which == "heldout" else 17}
        path = f"canaries.digits.{which}"
        made += [estimate(f"{path}.verbatim", 0.25, **counts), estimate(f"{path}.exposure", 12.345, 2.0, **counts)]
        if which != "heldout":
            made += [estimate(f"{path}.auc", 0.812, **counts), estimate(f"{path}.tpr_at_fpr.0.1", 0.54, **counts)]
    for path in ("canaries.one_run", "one_run"):
        made += [
            estimate(f"{path}.epsilon", 0.731, low=0.731, high=None, method="one-run audit"),
            *(
                estimate(f"{path}.{what}", value)
                for what, value in (("ceiling", 3.49), ("guesses", 100), ("correct", 81))
            ),
        ]
    return made


def build_validity() -> list[Estimate]:
    made = [
        estimate(f"controls.{name}.auc", value, method="clustered DeLong", p_value=0.2, p_adjusted=0.9)
        for name, value in CONTROLS.items()
    ]
    return [
        *made,
        estimate("validity.near_duplicates.across", 0.005, 0.003, n_members=0, n_member_groups=0),
        estimate("validity.near_duplicates.within_members", 0.0312, 0.01),
        estimate("validity.near_duplicates.within_nonmembers", 0.0289, 0.01),
        estimate("validity.overlap.7.members", 0.0123, 0.004),
        estimate("validity.overlap.7.nonmembers", 0.0131, 0.004),
        estimate("validity.power.detectable_auc", 0.5412, low=None, high=None, reason="a property of the design"),
    ]


def build_membership(name: str, roc: RocCurve) -> list[Estimate]:
    root, area = f"membership.{name}", auc(roc)
    plain = "ignores groups"
    few = {"reason": "not resolved: FPR 0.001 of 100 non-member groups is less than 2 groups"}
    return [
        estimate(f"{root}.auc", area),
        estimate(f"{root}.auc_delong_clustered", area, 0.028, method="clustered DeLong"),
        estimate(f"{root}.auc_delong", area, 0.022, method=f"DeLong, {plain}"),
        estimate(f"{root}.auc_hanley_mcneil", area, 0.02, method=f"Hanley-McNeil, {plain}"),
        *(at(name, roc, rate) for rate in (0.1, 0.01)),
        at(name, roc, 0.001, **few),
        *(at(name, roc, rate, "tpr_given_threshold", method="Clopper-Pearson") for rate in (0.1, 0.01, 0.001)),
        at(name, roc, 0.1, "transfer"),
        estimate(f"{root}.balanced_accuracy", 0.5 + area / 4),
        estimate(f"{root}.posterior", 0.91, 0.02, method="group bootstrap, prior 0.5"),
        estimate(f"{root}.group.auc", min(area + 0.08, 0.99), 0.01),
        *(at(name, roc, rate, "group.tpr_at_fpr") for rate in (0.1, 0.01)),
    ]


def build_comparisons(curves: dict[str, RocCurve]) -> list[Estimate]:
    made = []
    for name, roc in curves.items():
        if name != "lr_ratio":
            more = auc(roc) - auc(curves["lr_ratio"])
            p = float(np.exp(-200 * abs(more)))
            tested = {"method": "clustered DeLong", "p_value": p, "p_adjusted": min(1.0, 14 * p)}
            made.append(estimate(f"comparison.{name}.auc", more, low=more - 0.02, high=more + 0.02))
            made.append(estimate(
                f"comparison.{name}.auc_delong_clustered", more, low=more - 0.021, high=more + 0.021, **tested
            ))  # fmt: skip
    return made


def at(name: str, roc: RocCurve, rate: float, kind: str = "tpr_at_fpr", **more: object) -> Estimate:
    i = int((roc.fpr <= rate).nonzero()[0][-1])
    return estimate(
        f"membership.{name}.{kind}.{rate}",
        float(roc.tpr[i]),
        0.04,
        fpr=rate,
        achieved_fpr=float(roc.fpr[i]),
        threshold=0.123456,
        **more,
    )


def build_extractions(records: Sequence[Record]) -> list[Extraction]:
    rng = generator(1, "extractions")
    rows = []
    for i, record in enumerate(records):
        for model in ("target", "reference"):
            mean = 3.0 if record.role == "member" and model == "target" else 1.0
            run = 18 if i < 12 and model == "target" else min(17, int(rng.geometric(1 / (1 + mean)) - 1))
            for prefix, cut in (("0.5", 18), ("25t", 25)):
                run = min(run, 36 - cut)
                rows.append(Extraction(
                    record.id, prefix, model, cut, 36 - cut, run, run == 36 - cut, 36 - run, i == 3, int(run > 12), 1,
                ))  # fmt: skip
    return rows


def build_generations(records: Sequence[Record]) -> list[Generation]:
    rng = generator(1, "generations")
    rows = []
    for record in [*records[:100], *records[MEMBERS : MEMBERS + 60]]:
        base = float(np.exp(rng.normal(3.3, 0.5)))
        target = base * float(np.exp(rng.normal(-1.2 if record.role == "member" else -0.6, 0.3)))
        share = float(np.clip(rng.beta(1.3, 4) + 0.5 / target, 0, 1))
        rows.append(Generation(
            record.id, "0.5", "greedy", 0, 18, 18, f"{SECRET} (as generated)", 4, share, share, base, target,
            target * 0.6, share / 2, share, share, share, share, share, share,
        ))  # fmt: skip
    return rows


def build_manifest() -> dict[str, object]:
    return {
        "config": {
            "members": "/home/ann/clinic/train.jsonl",
            "prefixes": ["0.5", "25t"],
            "lora": {"matrices": "vo", "rank": 8, "alpha": 16, "dropout": 0.05, "learning_rate": 1e-3},
        },
        "model": {
            "name": "/home/ann/models/tiny",
            "weights_sha256": "ab" * 32,
            "dtype": "bfloat16",
            "dtype_reason": "the CPU computes bfloat16 in hardware",
            "start_token": True,
            "parameters": 134_515_008,
        },
        "reference": "base (adapter switched off)",
        "adapter": {
            "name": "vo-r8",
            "matrices": "vo",
            "rank": 8,
            "alpha": 16,
            "trainable_parameters": 460_800,
            "verified": True,
        },
        "seed": 13,
        "versions": {"numpy": "2.4.6", "torch": "2.9.0"},
        "commit": "0123abc",
        "device": "cpu",
        "threads": 2,
        "verdict": {"validity": "valid", "reason": "all controls are at chance"},
        "findings": ["Members are 1.02 times as long as non-members."],
    }


def build_evidence() -> Evidence:
    """300 members, 200 non-members, everything filled."""
    records = build_records()
    scores = build_scores()
    curves = {name: curve(values) for name, values in scores.items()}
    # by name, as a manifest on the disk has them
    quantiles = {"max": 111.0, "median": 93.5, "min": 71.0, "q25": 80.0, "q75": 99.0}
    return Evidence(
        records=records,
        data=DataReport(
            source="train.jsonl",
            sha256="cd" * 32,
            n_records={"member": MEMBERS, "nonmember": NONMEMBERS},
            n_groups={"member": 100, "nonmember": 100},
            length_quantiles={"member": quantiles, "nonmember": quantiles},
            duplicates_within={"member": 3, "nonmember": 0},
            duplicates_across=0,
            groups_across=2,
            findings=("2 groups have members and non-members.",),
        ),
        scores=scores,
        curves=curves,
        extractions=build_extractions(records),
        generations=build_generations(records),
        estimates=build_estimates(curves),
        training=[
            TrainingStep(i, i / 20, 3.2 - 0.02 * i + 0.05 * (i % 3), 1e-3, 28.0 - 0.2 * i if i % 10 == 0 else None)
            for i in range(1, 61)
        ],
        manifest=build_manifest(),
        timings={"trace": {"seconds": 12.34, "tokens_per_second": 5210.0}, "host": "somewhere"},
    )


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    """The whole audit; frozen, so tests share it."""
    return build_evidence()
