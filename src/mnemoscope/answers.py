"""The rows of a study: what was set in a cell, what came out, and what that says about a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.records import Estimate, Generation, Record, RocCurve, Scores

Decision = Literal["replicates", "does not replicate", "not resolved"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers are decided; fixed before the study runs."""

    attack: str = "lr_ratio"
    """The attack whose AUC is compared; lr_ratio is what the paper's code computes."""
    level: float = 0.95
    """Confidence level of every interval; a corrected p-value must be below 1 - level."""
    resamples: int = 2000
    """Bootstrap resamples."""
    seeds: int = 5
    """Below so many seeds nothing replicates or fails to: it is not resolved."""
    auc_margin: float = 0.02
    """A difference of AUC that is surely smaller than this does not replicate; also what "levels off" means."""
    correlation_margin: float = 0.1
    """The same for a correlation; also how near to 0 "does not predict" means."""
    plateau: float = 0.005
    """The plateau begins at the rank whose fitted AUC is so near to the fit's limit."""
    equal_parameters: float = 0.02
    """Cells count as equal in size where their trainable parameters differ by at most this share."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One cell of the grid: everything that two cells may differ in."""

    cell: str
    """Its name, such as vo-r8-x1-s13."""
    matrices: str
    """Roles of the adapted matrices, such as "vo"."""
    rank: int
    alpha: float
    alpha_rule: str
    """How alpha follows the rank: fixed, proportional or rslora."""
    scale: float
    """What the update is multiplied by: alpha / rank, or alpha / sqrt(rank) under rslora."""
    parameters: int
    """Trainable parameters."""
    copies: int
    planted: int
    """Records that stand `copies` times in the training set; 1 copy means none was planted."""
    epochs: float
    learning_rate: float
    seed: int
    others: str
    """Further training options that differ from the study's, as in "dropout=0.1"; "" where there are none."""


@dataclass(frozen=True, slots=True)
class Point(Setting):
    """One statistic of one cell after some epochs of its training, with its interval; the rows of points.csv.

    `statistic` is one of STATISTICS.
    """

    epoch: float
    """Epochs trained when this was measured; `epochs` at the end, 0 is the base model."""
    statistic: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n_members: int
    n_nonmembers: int
    n_member_groups: int
    n_nonmember_groups: int
    reason: str | None
    """Why the value or its interval is missing."""


STATISTICS: Mapping[str, str] = {
    "auc": "ROC AUC of the study's attack",
    "auc_hanley_mcneil": "the same with the interval the paper prints",
    "tpr_at_10": "TPR at 10% FPR",
    "tpr_at_1": "TPR at 1% FPR",
    "verbatim_members": "share of training records given back word for word from their first half, greedily",
    "verbatim_nonmembers": "the same of held-out records",
    "planted": "the same of planted records",
    "planted_ngram_share": "mean n-gram share of planted records' continuations",
    "ngram_share_members": "mean n-gram share of training records' continuations",
    "ngram_share_nonmembers": "mean n-gram share of held-out records' continuations",
    "suffix_probability_members": "mean probability that one sampled continuation is the whole suffix",
    "suffix_probability_nonmembers": "the same of held-out records",
    "memorization": "mean counterfactual memorization, nats a token: what training on a record adds to its likelihood",
    "perplexity_members": "perplexity of training records",
    "perplexity_heldout": "perplexity of held-out records",
    "perplexity_base_members": "perplexity of training records in the base model",
    "perplexity_base_heldout": "perplexity of held-out records in the base model",
}
"""What a point may be of, in words. A share by decoding is planted@DECODING, suffix_probability_members@DECODING; the
AUC of another attack is auc@ATTACK."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A cell's target after some epochs, on the records of its cell."""

    epoch: float
    scores: Scores
    """Of the study's attack, shape (n_records,); higher = more likely a member."""
    losses: NDArray[np.float64]
    """Minus the log-probability of each record, nats, shape (n_records,)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished cell gives to the answers; arrays follow `records`."""

    setting: Setting
    records: Sequence[Record]
    """Members and non-members that were audited; the same, in the same order, in all cells of a seed with equal
    copies."""
    tokens: NDArray[np.int64]
    """Tokens a record, shape (n_records,)."""
    base_losses: NDArray[np.float64]
    """Minus the log-probability of each record in the base model, nats."""
    moments: Sequence[Moment]
    """By epoch, the end last. Only the end where the cell was not evaluated at every epoch."""
    generations: Sequence[Generation]
    """Greedy continuations at the first prefix; empty where none were made."""
    suffix_logprob: Mapping[str, Scores]
    """Decoding to the log-probability that one sampled continuation is the whole suffix, nats, shape (n_records,)."""
    estimates: Mapping[str, Estimate]
    """The cell's own estimates by name, as in its summary.json."""
    verbatim: Mapping[str, bool] = field(default_factory=dict)
    """Record to whether greedy decoding gives back its whole suffix, at the first prefix."""
    prefix_losses: Mapping[str, Scores] = field(default_factory=dict)
    """"target" and "base" to the mean loss of each record's first prefix, nats a token, shape (n_records,): what a
    model knows of the text before the suffix. Masked where a record is too short to be cut."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One claim, what the data say of it within seeds and across seeds, and the decision by the study's rules."""

    question: str
    """matrices, perplexity, rank, copies, epochs."""
    claim: str
    """In words, as in "V gives a larger AUC than Q at rank 4"."""
    family: str
    """Claims of one family are corrected together (Holm)."""
    statistic: str
    """What `value` is, as in "difference of AUC"."""
    paper: str
    """What the paper reports, in few words; "" where it says nothing."""
    value: float | None
    """Mean over the seeds."""
    low: float | None
    """Interval from the records, given these seeds."""
    high: float | None
    method: str
    p_value: float | None
    p_adjusted: float | None
    seed_low: float | None
    """Interval across seeds (t); None below two seeds."""
    seed_high: float | None
    seed_p_value: float | None
    seed_p_adjusted: float | None
    n_seeds: int
    level: float
    decision: Decision
    reason: str
    """Why, in one sentence."""
    n_members: int = 0
    n_nonmembers: int = 0
    n_groups: int = 0
    seeds: tuple[int, ...] = ()
    seed_values: tuple[float, ...] = ()
    seed_lows: tuple[float, ...] = ()
    """Each seed's own interval: paired group bootstrap on its records."""
    seed_highs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """One record's perplexities and what came back of it, for the scatter plots; holds no text and no id."""

    cell: str
    role: str
    copies: int
    tokens: int
    perplexity_base: float
    perplexity_target: float
    ngram_share: float
    suffix_logprob: float | None
    """Under the study's first decoding, nats."""


@dataclass(frozen=True, slots=True)
class Canaried:
    """One continuation of a planted record: a row of the paper's Table A.1."""

    cell: str
    copies: int
    rank: int
    matrices: str
    decoding: str
    longest: int
    """Tokens of the longest run shared with the suffix."""
    perplexity_base: float
    """Of the record in the base model."""
    perplexity_generated: float
    """Of the continuation in the fine-tuned model."""
    ngram_share: float
    text: str | None
    """What was generated: private, None in a redacted page."""


@dataclass(frozen=True, slots=True)
class StudyEvidence:
    """Everything a study's page is made of."""

    name: str
    points: Sequence[Point]
    answers: Sequence[Answer]
    marks: Sequence[Marked]
    curves: Mapping[str, RocCurve]
    """Cell to the ROC curve of the study's attack."""
    texts: Sequence[Canaried]
    """Planted records and what came back of them; with text only where that was asked for."""
    cells: Mapping[str, str]
    """Cell to done, failed or waiting."""
    pages: Mapping[str, str]
    """Cell to the place of its own page, relative to the study's folder."""
    manifest: Mapping[str, Any]
    """The study file as it was read (study), data (audited records and groups), model, versions, commit, seed …"""
    timings: Mapping[str, Any]
    """seconds, machine, cells: a cell's seconds and tokens."""
