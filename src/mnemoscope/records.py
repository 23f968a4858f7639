"""The rows that cross rooms: plain, frozen, without behaviour.

A row type with only scalar fields is written to parquet as it stands, one column a field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["member", "nonmember", "excluded"]
Part = Literal["train", "calibration", "evaluation"]

Scores = np.ma.MaskedArray[Any, np.dtype[np.float64]]
"""One attack's number for each record, shape (n_records,); higher = more likely a member.

A record that cannot be scored is masked. It is never NaN and never 0.
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A sensitive value inside a record's text."""

    start: int
    """First character, counted from 0."""
    end: int
    """One past the last character."""
    type: str
    """What the value is, such as "age", "drug" or "name"."""


@dataclass(frozen=True, slots=True)
class Record:
    """One text of the data set."""

    id: str
    """Unique over the whole data set."""
    text: str
    group: str
    """The document or person the text comes from; intervals resample groups. The id where none is given."""
    role: Role
    """member: was in the fine-tuning set. excluded: was meant to be, and was overwritten by a planted record."""
    part: Part
    """train for members; thresholds are chosen on calibration non-members and judged on evaluation ones."""
    spans: tuple[Span, ...] = ()
    copies: int = 1
    """How often the record stands in the fine-tuning set: 0 for non-members and excluded ones."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """What was read, for the reader to check against what was meant."""

    source: str
    """The name of the source, without its folder."""
    sha256: str
    """Hash of all ids, texts, groups, roles and parts, in order."""
    n_records: Mapping[str, int]
    """Records by role."""
    n_groups: Mapping[str, int]
    """Groups by role."""
    length_quantiles: Mapping[str, Mapping[str, float]]
    """Characters a record, by role: min, q25, median, q75, max."""
    duplicates_within: Mapping[str, int]
    """Records whose text another record of the same role has too, by role."""
    duplicates_across: int
    """Non-member records whose exact text is also a member's."""
    groups_across: int
    """Groups that have members and non-members."""
    findings: tuple[str, ...] = ()
    """What a reader should know, one sentence each, without any text of a record."""


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One optimizer step, or one evaluation."""

    step: int
    epoch: float
    loss: float | None
    """Mean cross-entropy over the tokens of the effective batch, nats."""
    learning_rate: float | None
    heldout_perplexity: float | None
    """Perplexity of the calibration non-members; None where it was not measured."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the trace says about one record cut at one prefix: no generation needed."""

    id: str
    prefix: str
    """How the prefix was asked for: "0.5" (a fraction of the tokens) or "25t" (a number of tokens)."""
    model: Literal["target", "reference"]
    prefix_tokens: int
    suffix_tokens: int
    matched_tokens: int
    """Length of the run of suffix tokens, from the cut on, that greedy decoding gives back."""
    verbatim: bool
    """The whole suffix comes back."""
    shortest_prefix: int
    """Tokens of the shortest prefix from which greedy decoding gives back all the rest; all of them where the last
    token never comes back."""
    rechecked: bool
    """The trace left the verdict open (a near tie in 16-bit arithmetic), so generation decided it."""
    spans_hit: int
    """Sensitive values that begin in the suffix and lie wholly in the matched run."""
    spans_in_suffix: int
    """Sensitive values that begin in the suffix."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One continuation of one record's prefix by the target, and how near it comes to the suffix.

    What is called a similarity is 0..1, higher = nearer.
    """

    id: str
    prefix: str
    decoding: str
    """Label of the decoding, such as "greedy" or "t1-k40"."""
    draw: int
    """Which continuation of this prefix under this decoding, counted from 0."""
    prefix_tokens: int
    suffix_tokens: int
    text: str
    """The generated continuation: as private as the training text."""
    matched_tokens: int
    """Leading tokens equal to the suffix."""
    ngram_share: float
    """Longest common run of tokens of the generated part and the suffix, over the suffix length; 0..1."""
    ngram_share_paper: float
    """The published code's variant: the run is searched in prefix + generated part and divided by the prefix length."""
    perplexity_base: float
    """Perplexity of the record in the reference."""
    perplexity_target: float
    """Perplexity of the record in the target."""
    perplexity_generated: float
    """Perplexity of the generated part in the target, given the prefix."""
    ngram_share_other: float
    """Like `ngram_share`, for the best of all members of other groups: what it gives back of somebody else's text."""
    substring_share: float
    """Longest common substring of generated part and suffix, in characters over the shorter of the two."""
    bleu: float
    """BLEU of the generated part against the suffix, 0..1."""
    edit_similarity: float
    """1 - Levenshtein distance over the longer of the two, in characters."""
    rouge_l: float
    """F1 of the longest common subsequence of words."""
    tfidf: float
    """Cosine of the TF-IDF vectors."""
    keyword: float | None
    """Share of the suffix's sensitive values that stand in the generated part; None where it has none."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """How much better models predict a record when they were trained on it (Zhang et al. 2021, arXiv:2112.12938)."""

    id: str
    accuracy: float
    """Share of tokens that greedy decoding would emit: mean over shadows with the record minus over those without."""
    accuracy_error: float
    """Standard error of `accuracy`."""
    logprob: float
    """The same for the mean log-probability, nats a token."""
    logprob_error: float
    n_in: int
    """Shadows that were trained on the record."""
    n_out: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with all that is needed to judge it."""

    name: str
    """Dotted path in summary.json, such as "membership.lr_ratio.auc"."""
    value: float | None
    low: float | None
    high: float | None
    level: float
    """Confidence level of the interval, 0..1."""
    method: str
    """How the interval was made, such as "group bootstrap (percentile, 2000 resamples)"."""
    n_members: int = 0
    n_nonmembers: int = 0
    n_member_groups: int = 0
    n_nonmember_groups: int = 0
    n_unscored: int = 0
    fpr: float | None = None
    """The false-positive rate that was asked for, where the statistic is a TPR."""
    achieved_fpr: float | None = None
    threshold: float | None = None
    """A record is called a member when its score is strictly above."""
    reason: str | None = None
    """Why the value or its interval is missing, or "not resolved: …"."""
    p_value: float | None = None
    """Two-sided, of the hypothesis that nothing is there: an AUC of .5, or a difference of 0."""
    p_adjusted: float | None = None
    """The same after Holm's correction over all estimates of its family."""


@dataclass(frozen=True, slots=True)
class RocBand:
    """The interval of the TPR at each of some FPRs, one by one: it does not hold the whole curve at once."""

    fpr: NDArray[np.float64]
    """Rising, shape (n,)."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    """Confidence level of each interval, 0..1."""
    method: str


@dataclass(frozen=True, slots=True)
class RocCurve:
    """The empirical ROC curve, without interpolation."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    band: RocBand | None = None
    """None where it was not computed, or no FPR is resolved."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a report is made of; all sequences that are per record follow `records`."""

    records: Sequence[Record]
    """Members and non-members that were audited."""
    data: DataReport
    scores: Mapping[str, Scores]
    """Attack name to scores, aligned to `records`."""
    curves: Mapping[str, RocCurve]
    extractions: Sequence[Extraction]
    generations: Sequence[Generation]
    estimates: Sequence[Estimate]
    training: Sequence[TrainingStep]
    """Empty where the adapter was not trained by mnemoscope."""
    manifest: Mapping[str, Any]
    timings: Mapping[str, Any] = field(default_factory=dict)
