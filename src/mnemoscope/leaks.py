"""The rows of what came back, beyond the extractions of `records`: plain, frozen, without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Sampled:
    """How probable it is that sampling gives back the whole suffix of a record: read off the trace."""

    id: str
    prefix: str
    model: Literal["target", "reference"]
    decoding: str
    """Label of the decoding, such as "t1-k40"."""
    suffix_tokens: int
    logprob: float
    """Of one query, nats; -inf where the decoding can never emit some token of the suffix."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a language model said when asked whether a continuation tells the same as the suffix."""

    id: str
    prefix: str
    decoding: str
    draw: int
    prompt: str
    """As it was sent: as private as the training text."""
    answer: str
    """As it came back; for a local model the more probable of the two allowed words."""
    same: float | None
    """Probability of "yes" for a local model, 1 or 0 for an endpoint; None where the answer was neither word."""


@dataclass(frozen=True, slots=True)
class SpanLeak:
    """What target and reference know of one sensitive value, given the true text before it."""

    id: str
    start: int
    """First character of the value in the record's text."""
    end: int
    type: str
    tokens: int
    """Tokens that hold a character of the value."""
    greedy: bool
    """Greedy decoding of the target gives back all of them."""
    greedy_reference: bool
    logprob: float
    """Sum over its tokens in the target, nats."""
    logprob_reference: float
    majority: bool
    """It is the value that this type has most often in other groups' members."""
    candidates: int | None
    """Different values of its type that it was ranked among, itself included; None where it was not ranked."""
    rank: float | None
    """Its place among them by log-probability a token in the target, 1 = most probable; ties share their mean."""
    rank_reference: float | None


@dataclass(frozen=True, slots=True)
class Unprompted:
    """One text that the target wrote without being given any part of a record, and what it has in common with them."""

    id: str
    opening: str
    """What it was given: "start" (the start token alone) or "similar" (the first words of a text like the records)."""
    text: str
    """What it wrote, without the opening: as private as the training text."""
    tokens: int
    run: int
    """Longest run of its tokens that stands in a member's text."""
    member: str
    """Id of that member; empty where no run was found."""
    similarity: float
    """1 - normalised edit distance between a member's text and the nearest part of this one, in characters: of that
    member and the five that share most n-grams the highest."""
    heldout_run: int
    """The same for held-out records: what comes back without having been trained on."""
    heldout: str
    heldout_similarity: float


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """What an audit finds of one canary, planted or held out."""

    id: str
    kind: str
    """digits, perplexing or note."""
    included: bool
    """Whether the coin put it into the fine-tuning set."""
    copies: int
    """How often it stands there where it is included; held-out canaries have the copies they would have had."""
    score: float
    """Log-probability of its secret in the target minus the reference, nats: higher = more likely included."""
    verbatim: bool
    """Greedy decoding gives back the whole secret after the text before it."""
    logprob: float
    """Of the secret in the target, nats."""
    exposure: float | None
    """Bits (Carlini et al. 2019); None for kinds without a space of secrets."""
    exposure_method: str
    """"exact rank", "sampled rank" or "skew-normal"; empty without exposure."""
    fit_p_value: float | None
    """Of the Kolmogorov-Smirnov test that the skew-normal fits the candidates."""
