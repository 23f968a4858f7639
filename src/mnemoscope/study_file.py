"""What a study may be told, judged at the door; `study_yaml` reads it from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    create_model,
    field_validator,
    model_serializer,
)

from mnemoscope import registry
from mnemoscope.answers import Rules as DecisionRules
from mnemoscope.config import DECODINGS, Compute, Measurement, Training, without_later
from mnemoscope.errors import ConfigError
from mnemoscope.faults import Fault, add_faults, faults_of
from mnemoscope.option_types import SPLIT, Amount, Decodings, Fraction, Positive, Prefixes, ReadOff, spelled

DEFAULT_ATTACKS = (
    "loss", "zlib", "lr_sum", "lr_diff", "lr_ratio", "min_k", "min_k_plus_plus", "min_k_calibrated", "ez",
)  # fmt: skip
"""Need no further pass, and are fitted to nothing."""


_RULES = DecisionRules()


def _cheap(name: str) -> None:
    if name == "all" or not set(registry.find(name).needs) <= {*registry.TRACE_ONLY, "in_domain"}:
        raise ConfigError("needs further passes; a study runs attacks that need none, and in_domain_ratio")


def _comparable(name: str) -> None:
    _cheap(name)
    if registry.find(name).fitted:
        raise ConfigError("is fitted, and is not the same in two cells")


class Part(BaseModel):
    """A part of the study file; each field's docstring is its description in the JSON schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Place(Part):
    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_later(handler(self))


class Data(Part):
    """The records, drawn anew for every seed."""

    source: str | None = None
    """phee, synthetic:N, a folder, a file or a hub set; `--data` on the command line goes before it."""
    share: Annotated[float, Field(gt=0, le=1)] = 1
    """Keep this share of the groups, drawn for each seed."""
    split: Literal["given", "redrawn"] = "redrawn"
    """redrawn: who is a member is drawn anew for each seed, group by group, in the numbers that the data gives. given:
    members are those of the data in every seed, and seeds differ in initialization, order and share alone."""
    text_column: str | None = None
    """As in mnemoscope finetune."""
    id_column: str | None = None
    """As in mnemoscope finetune."""
    group_column: str | None = None
    """As in mnemoscope finetune."""
    split_column: str | None = None
    """As in mnemoscope finetune."""


class Extraction(Part):
    """What is extracted in every cell."""

    prefixes: Prefixes = ("0.5",)
    """Fractions of a record such as 0.5, or token counts such as 25t; the first counts for the answers."""
    decodings: ReadOff = DECODINGS
    """Decodings whose probability to give back a suffix is read off the trace; the first counts for the answers."""
    generations: Amount = "0"
    """Records of each class to really continue, or all; planted ones always where this is not 0."""
    generate_with: Decodings = ("greedy",)
    """Decodings to continue them with."""
    draws: Positive = 1
    """Continuations of each record under each decoding that samples."""


class Resources(Part):
    """What one cell takes; an executor runs as many cells at once as the machines hold."""

    cpus: Annotated[float, Field(gt=0)] = 1
    """CPUs a cell, and its threads."""
    gpus: Annotated[float, Field(ge=0)] = 0
    """GPUs a cell; 0.25 lets four cells share one."""
    retries: Annotated[int, Field(ge=0)] = 3
    """How often a cell is begun again whose machine was lost."""


class Rules(Part):
    """How answers are decided; fixed before the study runs."""

    attack: Annotated[str, spelled(_comparable)] = _RULES.attack
    """The attack whose AUC is compared; lr_ratio is what the paper's code computes."""
    level: Annotated[float, Field(gt=0.5, lt=1)] = _RULES.level
    """Confidence level of every interval; a corrected p-value must be below 1 - level."""
    resamples: Annotated[int, Field(ge=100)] = _RULES.resamples
    """Bootstrap resamples."""
    seeds: Annotated[int, Field(ge=2)] = _RULES.seeds
    """Below so many seeds nothing replicates or fails to: it is not resolved."""
    auc_margin: Fraction = _RULES.auc_margin
    """A difference of AUC that is surely smaller does not replicate; also what "levels off" means."""
    correlation_margin: Fraction = _RULES.correlation_margin
    """The same for a correlation; also how near to 0 "does not predict" means."""
    plateau: Annotated[float, Field(gt=0)] = _RULES.plateau
    """The plateau begins at the rank whose fitted AUC is so near to the fit's limit."""
    equal_parameters: Fraction = _RULES.equal_parameters
    """Cells count as equal in size where their trainable parameters differ by at most this share."""

    def decide_by(self) -> DecisionRules:
        """The same for the statistics."""
        return DecisionRules(**self.model_dump())


def _listed(given: object) -> object:
    return given if given is None or isinstance(given, list | tuple) else [given]


_Seeds = Annotated[
    tuple[int, ...], BeforeValidator(_listed, json_schema_input_type=int | list[int]), Field(min_length=1)
]


def _fields(kind: type[BaseModel], *, several: bool) -> dict[str, Any]:
    """The options of `kind`, all optional, with their checks and help texts; with `several` a list of each."""
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        one: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        many: Any = Annotated[
            list[one], Field(min_length=1), BeforeValidator(_listed, json_schema_input_type=one | list[one])
        ]
        found[name] = ((many if several else one) | None, Field(None, description=field.description))
    return found


Recipe: type[Part] = create_model(
    "Recipe", __base__=Part, __doc__="Options of fine-tuning that all cells share.", **_fields(Training, several=False)
)
Where: type[Part] = create_model(
    "Where", __base__=_Place, __doc__="As in mnemoscope audit.", **_fields(Compute, several=False)
)
Block: type[Part] = create_model(
    "Block",
    __base__=Part,
    __doc__="A part of the grid: every combination of its lists.",
    seeds=(
        _Seeds | None,
        Field(None, description="Seeds of this block; the study's when not given."),
    ),
    every_epoch=(bool, Field(False, description="Measure after every epoch, not only at the end.")),
    generations=(Amount | None, Field(None, description="As in extraction, for this block alone.")),
    **_fields(Training, several=True),
)


class Study(Part):
    """A study: a model, data, a grid of fine-tunings, what is measured in each, and how the answers are decided."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    """Names the folder under runs/ when no --out is given: letters, digits, . _ -"""
    model: str
    """Built-in model, local folder, .gguf file or hub id."""
    data: Data = Data()
    seeds: _Seeds = (13,)
    """Each seed draws members, order and initialization; cells of one seed share members and order."""
    training: Recipe = Recipe()
    """Options of fine-tuning for all cells."""
    rules: Rules = Rules()
    """How answers are decided."""
    grid: Annotated[tuple[Block, ...], Field(min_length=1)]
    """Blocks of cells; a cell that several blocks name is run once."""
    attacks: Annotated[tuple[Annotated[str, spelled(_cheap)], ...], SPLIT] = DEFAULT_ATTACKS
    """Membership attacks of every cell: those that need no further pass, and in_domain_ratio, which trains two more
    adapters in each cell."""
    extraction: Extraction = Extraction()
    """What is extracted in every cell."""
    compute: Where = Where()
    """Where and how numbers are computed."""
    resources: Resources = Resources()
    """What one cell takes."""

    @field_validator("training")
    @classmethod
    def _trains(cls, training: Part) -> Part:
        add_faults(Fault((), None, said) for said in _unfit(_said(training)))
        return training

    @field_validator("grid", mode="wrap")
    @classmethod
    def _combines(cls, raw: Any, judge: ValidatorFunctionWrapHandler, given: ValidationInfo) -> Any:
        try:
            grid, found = judge(raw), list[Fault]()
        except ValidationError as error:  # what the other blocks combine is told as well
            grid, found = (), faults_of(error)
        shared, rules = given.data.get("training"), given.data.get("rules")  # not there where they have faults
        blocks = list(enumerate(grid)) or _right(raw)
        if shared is not None:
            found += [Fault((i,), None, said) for i, block in blocks
                      for one in combinations(shared, block) for said in _unfit(one)]  # fmt: skip
        if rules is not None and rules.attack not in registry.trace_only():
            late = f"leave it out, {rules.attack} is measured at the end alone"
            found += [Fault((i, "every_epoch"), True, late) for i, block in blocks if _said(block)["every_epoch"]]
        add_faults(found)
        return grid

    def compute_options(self) -> Compute:
        """Where and how numbers are computed, with the defaults."""
        return Compute(**_said(self.compute))

    def measurement(self, generations: str) -> Measurement:
        """What is measured in a cell."""
        attacks = tuple(dict.fromkeys((*self.attacks, self.rules.attack)))
        asked = {**self.extraction.model_dump(), "generations": generations, "attacks": attacks}
        asked["in_domain"] = any("in_domain" in registry.find(name).needs for name in attacks)
        return Measurement(**asked, span_sample=0, resamples=self.rules.resamples, level=self.rules.level)


def _said(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(exclude_none=True)


def _right(raw: object) -> list[tuple[int, Part]]:
    """The blocks of a grid that are right by themselves, with their positions."""
    found = list[tuple[int, Part]]()
    for i, one in enumerate(raw if isinstance(raw, list | tuple) else ()):
        with suppress(ValidationError):
            found.append((i, Block.model_validate(one)))
    return found


def combinations(common: BaseModel, block: BaseModel) -> Iterator[dict[str, Any]]:
    """The options of fine-tuning of each combination of a block's lists, with those that all cells share."""
    asked = {name: value for name, value in _said(block).items() if name in Training.model_fields}
    for values in product(*asked.values()):
        yield _said(common) | dict(zip(asked, values, strict=True))


def _unfit(options: dict[str, Any]) -> list[str]:
    try:
        Training(**options)
    except ConfigError as error:
        return [str(error)]
    return []


def schema() -> dict[str, Any]:
    """The JSON schema of a study file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
