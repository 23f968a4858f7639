"""What a user may ask for, validated at the door: every fault in one message, before any time is spent."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from mnemoscope.errors import ConfigError
from mnemoscope.faults import Fault, faults_of
from mnemoscope.matrices import parse_matrices
from mnemoscope.option_types import (
    Amount,
    Attacks,
    Counts,
    Decodings,
    Device,
    Fraction,
    Matrices,
    Positive,
    Prefixes,
    ReadOff,
    Sampling,
)

IN_EXTRACTION = Parameter(group="Extraction")

DECODINGS = ("t1-k40", "t1", "t0.2-k40", "t0.5-k40", "t0.7-k40", "t1.4-k40", "t2-k40")
"""Read off every trace: the setting of (n, p)-discoverable extraction (arXiv:2410.19482), plain sampling, and a grid of
temperatures that share one top-k, so that it costs next to nothing."""


class Options(BaseModel):
    """A group of options; each field's docstring is its help text."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(one_line(error)) from None


def one_line(error: ValidationError) -> str:
    """All faults of a validation, each naming its option.

    >>> Training(rank=0, epochs=-1)
    Traceback (most recent call last):
    mnemoscope.errors.ConfigError: --rank 0: input should be greater than or equal to 1; --epochs -1: input should ...
    """
    return "; ".join(_option(fault) + fault.said for fault in faults_of(error))


def _option(fault: Fault) -> str:
    """The option and what it was given, up to the colon; nothing for what is wrong with several together."""
    if not fault.loc:
        return ""
    got = "" if isinstance(fault.got, list | tuple) or fault.got == "" else f" {fault.got}"
    return f"--{str(fault.loc[0]).replace('_', '-')}{got}: "


@Parameter(name="*", group="Data")
class Columns(Options):
    """Where the fields of a record are (found by their usual names when not given), and how many records to keep."""

    text_column: str | None = None
    """Column with the text (else text, context, content or sentence)."""
    id_column: str | None = None
    """Column with a unique id (else id, else file and row number)."""
    group_column: str | None = None
    """Column with the document or person a record comes from (else group, patient or document, else the id)."""
    split_column: str | None = None
    """Column that says train, dev or test, or member and nonmember (else split)."""
    share: Annotated[float, Field(gt=0, le=1)] = 1
    """Keep this share of the groups, drawn at random among members and among non-members: a quick first look."""
    coin_flip_split: bool = False
    """Pool all records and let a fair coin a group decide whether it is trained on: an audit then bounds epsilon."""


@Parameter(name="*", group="Fine-tuning")
class Training(Options):
    """How to fine-tune. The defaults are those of the study (arXiv:2507.21009)."""

    matrices: Matrices = "qkvo"
    """Weight matrices that get an adapter: any of q k v o gate up down, as in vo or q,v,up; or all."""
    rank: Positive = 8
    """LoRA rank r."""
    alpha: Positive = 16
    """LoRA alpha; the update is scaled by alpha / rank."""
    alpha_rule: Literal["fixed", "proportional", "rslora"] = "fixed"
    """How alpha follows the rank: fixed, as the study has it; proportional, so that the scale is alpha / 8 at every
    rank; rslora, scaled by alpha / sqrt(rank) (arXiv:2312.03732)."""
    dropout: Fraction = 0.05
    """LoRA dropout."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Peak learning rate; linear decay to 0."""
    batch_size: Positive = 64
    """Records an optimizer step (effective batch)."""
    micro_batches: Positive | None = None
    """At most so many parts the effective batch is cut into, a divisor of it; the gradient does not change."""
    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3
    """Passes over the training set."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    """Warm-up steps where that is under half the run, else 10% of it."""
    copies: Positive = 1
    """Plant one record this many times, by overwriting copies - 1 others (which become excluded)."""
    planted: Positive = 1
    """How many records are planted, where copies is above 1."""
    save_steps: Positive = 10
    """Optimizer steps between two checkpoints."""
    heldout: Annotated[int, Field(ge=0)] = 128
    """Held-out records whose perplexity is measured after every epoch; 0 for none."""

    @model_validator(mode="after")
    def _divides(self) -> Training:
        if self.micro_batches is not None and self.batch_size % self.micro_batches:
            raise ValueError(f"--micro-batches {self.micro_batches} must divide --batch-size {self.batch_size}")
        return self

    @property
    def lora_alpha(self) -> float:
        """Alpha as PEFT takes it at this rank."""
        return self.alpha * self.rank / 8 if self.alpha_rule == "proportional" else self.alpha

    @property
    def scale(self) -> float:
        """What the update B A is multiplied by."""
        return self.lora_alpha / (math.sqrt(self.rank) if self.alpha_rule == "rslora" else self.rank)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the matrices that get an adapter."""
        return parse_matrices(self.matrices)

    def cell(self, seed: int) -> str:
        """Name of this point of a study's grid, such as vo-r8-x1-s13."""
        return f"{''.join(self.roles)}-r{self.rank}-x{self.copies}-s{seed}"


@Parameter(name="*", group="Measurement")
class Measurement(Options):
    """What to measure."""

    attacks: Attacks = ()
    """Membership attacks to run, with commas, or all that the other options allow; those that need no further pass when
    not given (see: mnemoscope attacks)."""
    shadows: Annotated[int, Field(ge=0)] = 0
    """Shadow adapters to train on random halves, an even number, for lira, rmia and counterfactual memorization."""
    in_domain: bool = False
    """Train two references like the target, each on half of the non-members, for in_domain_ratio, so that what was
    learned of the domain hides fewer members. Costs a fine-tuning on the non-members and one more pass."""
    second: str | None = None
    """Another model, for smaller_model: built-in, local folder, .gguf file or hub id."""
    shots: Positive = 7
    """Known records in front of each record, for recall and con_recall."""
    neighbours: Positive = 10
    """Changed copies of each record, for neighbourhood."""
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of members among the records that an attacker asks about, for the posterior."""
    canary_candidates: Annotated[int, Field(ge=32), IN_EXTRACTION] = 256
    """Random numbers that a canary's secret number is ranked among, for its exposure."""
    resamples: Annotated[int, Field(ge=100)] = 2000
    """Bootstrap resamples."""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence level of every interval."""

    prefixes: Annotated[Prefixes, IN_EXTRACTION] = ("0.5",)
    """Prefixes for extraction: fractions of a record such as 0.5 or token counts such as 25t, with commas; 0.5."""
    decodings: Annotated[ReadOff, IN_EXTRACTION] = DECODINGS
    """Decodings whose probability to give back a suffix is read off the trace: t1-k40 is temperature 1 with top-k 40, a
    top-p is -p0.9 (slow without a top-k); t1-k40 and t1 when not given, and t0.2, t0.5, t0.7, t1.4, t2 with k40."""
    generations: Annotated[Amount, IN_EXTRACTION] = "100"
    """Records of each class to really continue at the first prefix: a number, or all."""
    generate_with: Annotated[Decodings, IN_EXTRACTION] = ("greedy",)
    """Decodings to continue them with: greedy, or such as t1-k40 or t10to1over20 (a temperature that falls from 10 to 1
    over 20 tokens); greedy."""
    draws: Annotated[Positive, IN_EXTRACTION] = 1
    """Continuations of each record under each decoding that samples."""
    judge: Annotated[str | None, IN_EXTRACTION] = None
    """A model that says whether each continuation tells what the suffix tells, in other words or not: built-in, local
    folder or .gguf file, or URL#NAME of an OpenAI-compatible endpoint, which is then sent the texts."""
    span_sample: Annotated[int, Field(ge=0), IN_EXTRACTION] = 10
    """Sensitive values of each type and class that are ranked among other values of their type; 0 for none."""
    span_candidates: Annotated[int, Field(ge=2), IN_EXTRACTION] = 20
    """Values that each of them is ranked among, itself included."""
    unprompted: Annotated[int, Field(ge=0), IN_EXTRACTION] = 0
    """Texts to let the target write without a prefix, half from the start token alone and half after the first words of
    calibration records, to be ranked and matched against the training set."""
    unprompted_tokens: Annotated[Positive, IN_EXTRACTION] = 64
    """Tokens of each of these texts."""
    unprompted_with: Annotated[Sampling, IN_EXTRACTION] = "t1-k40"
    """Decoding that writes them."""
    match_tokens: Annotated[int, Field(ge=3), IN_EXTRACTION] = 10
    """A text that shares so many tokens in a row with a record has given it back in part."""

    @model_validator(mode="after")
    def _even(self) -> Measurement:
        if self.shadows % 2:
            raise ValueError(f"--shadows {self.shadows}: give an even number, each group is in half of the shadows")
        return self


@Parameter(name="*", group="Canaries")
class Canaries(Options):
    """Which canaries to make."""

    digits: Annotated[int, Field(ge=0)] = 10
    """Canaries with a secret number in an invented sentence; only these have an exposure."""
    perplexing: Annotated[int, Field(ge=0)] = 10
    """Texts that the model draws at a high temperature: the easiest to detect."""
    notes: Annotated[int, Field(ge=0)] = 10
    """Invented case notes: like real records."""
    copies: Counts = (1, 4, 16)
    """How often a canary stands in the training set where its coin puts it there, with commas; 1,4,16 in balance."""
    length: Annotated[int, Field(ge=1, le=18)] = 9
    """Digits of a secret number."""
    tokens: Annotated[int, Field(ge=4)] = 32
    """Tokens of a perplexing text."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.7
    """Temperature that perplexing texts are drawn at."""
    budget: Annotated[float, Field(gt=0)] = 0.05
    """Tokens of the canaries at most, as a share of the training texts' tokens."""


@Parameter(name="*", group="Computation")
class Compute(Options):
    """Where and how numbers are computed."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that the model computes in; auto takes bfloat16 where the hardware is fast at it."""
    device: Device = "auto"
    """auto, cpu or cuda, or one of several as in cuda:1."""
    start_token: str | None = None
    """The token every record starts with; the model's own when not given."""
    max_tokens: Annotated[int, Field(ge=2)] = 1024
    """Longer records lose their end; how many did is reported."""
    load_in: Literal["full", "8bit", "4bit"] | None = None
    """Bits of the base model's weights: 8bit (LLM.int8) or 4bit (nf4) by bitsandbytes (pip install 'mnemoscope[bits]'),
    or full, as they are saved; when not given, as the audited adapter was trained, else full."""

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_later(handler(self))


def without_later(options: dict[str, Any]) -> dict[str, Any]:
    """Compute's options without those that came later and are not given, so that what was begun before goes on."""
    return {name: value for name, value in options.items() if name != "load_in" or value is not None}
