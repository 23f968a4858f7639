"""What a user may ask for is judged at the door, all faults at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mnemoscope import Columns, Compute, Measurement, Training
from mnemoscope.errors import ConfigError, UserError
from mnemoscope.option_types import split_commas


def refusal(group: Any, **values: Any) -> str:
    """The line with which the values are refused."""
    with pytest.raises(ConfigError) as caught:
        group(**values)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UserError)
    return str(caught.value)


def test_all_faults_in_one_message() -> None:
    """Every fault of a group is in one line, each with its option and what was given."""
    message = refusal(Training, rank=0, epochs=-1, dropout=1, learning_rate="fast", heldout=-3)
    for part in ("--rank 0:", "--epochs -1:", "--dropout 1:", "--learning-rate fast:", "--heldout -3:"):
        assert part in message
    assert message.count(";") == 4


BAD = [
    (Training, {"rank": 1.5}),
    (Training, {"rank": "eight"}),
    (Training, {"alpha": 0}),
    (Training, {"batch_size": 0}),
    (Training, {"micro_batches": 0}),
    (Training, {"copies": 0}),
    (Training, {"planted": 0}),
    (Training, {"save_steps": 0}),
    (Training, {"warmup_steps": -1}),
    (Training, {"dropout": -0.1}),
    (Training, {"learning_rate": 0}),
    (Training, {"learning_rate": float("nan")}),
    (Training, {"epochs": 0}),
    (Training, {"epochs": float("nan")}),
    (Training, {"matrices": 3}),
    (Measurement, {"resamples": 99}),
    (Measurement, {"level": 0.5}),
    (Measurement, {"level": 1}),
    (Measurement, {"level": float("nan")}),
    (Compute, {"max_tokens": 1}),
]


@pytest.mark.parametrize(("group", "values"), BAD, ids=[f"{g.__name__} {v}" for g, v in BAD])
def test_bad_value(group: Any, values: dict[str, Any]) -> None:
    """A value out of bounds or of another type is refused with the name of its option."""
    option = next(iter(values)).replace("_", "-")
    assert f"--{option} " in refusal(group, **values)


@pytest.mark.parametrize("name", ["learning_rate", "epochs"])
def test_infinite_number(name: str) -> None:
    """No option takes infinity."""
    refusal(Training, **{name: float("inf")})


@pytest.mark.parametrize("group", [Columns, Training, Measurement, Compute])
def test_unknown_keys_are_refused(group: Any) -> None:
    """A key that no group knows is refused, never left unread."""
    assert "--rnak 8: " in refusal(group, rnak=8)


@pytest.mark.parametrize("group", [Columns, Training, Measurement, Compute])
def test_options_are_frozen(group: Any) -> None:
    """Options do not change once they were judged."""
    options = group()
    name = next(iter(group.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(options, name, "x")


@pytest.mark.parametrize("group", [Columns, Training, Measurement, Compute])
def test_every_option_is_explained(group: Any) -> None:
    """Every option has a help text, and survives being written down and read again."""
    assert all(field.description for field in group.model_fields.values())
    assert group(**group().model_dump(mode="json")) == group()


@pytest.mark.parametrize(
    ("group", "name", "given", "told"),
    [
        (Training, "matrices", "qz", "--matrices qz: 'z' is no matrix; use any of q k v o gate up down"),
        (Training, "matrices", "", "--matrices: '' is no matrix"),
        (Measurement, "attacks", "loss,los", "--attacks los: unknown attack 'los'. Did you mean 'loss'?"),
        (Measurement, "prefixes", "0.5,2.5", "--prefixes 2.5: prefix '2.5' is not known. Give a fraction"),
        (Measurement, "prefixes", (), "--prefixes: is empty: give a fraction such as 0.5"),
        (Measurement, "decodings", "greedy", "--decodings greedy: decoding 'greedy' has no probability in a trace"),
        (Measurement, "decodings", "t0", "a temperature must be above 0"),
        (Measurement, "decodings", (), "is empty: give a decoding that samples"),
        (Measurement, "generate_with", "t1-p2", "top-p must be above 0 and at most 1"),
        (Measurement, "generate_with", (), "is empty: give a decoding"),
        (Measurement, "unprompted_with", "greedy", "would write one text again and again"),
        (Measurement, "generations", "-5", "--generations -5: is not allowed: give a number, or all"),
        (Measurement, "generations", "\u00b2", "give a number, or all"),
        (Measurement, "generations", True, "--generations True: "),
        (Compute, "device", "banana", "--device banana: is no device: use auto, cpu or cuda"),
        (Compute, "device", "cuda:x", "is no device"),
        (Compute, "dtype", "fp32", "--dtype fp32: input should be 'auto', 'float32', 'bfloat16' or 'float16'"),
        (Compute, "load_in", "int8", "--load-in int8: input should be 'full', '8bit' or '4bit'"),
    ],
)
def test_words_are_judged_where_they_are_read(group: Any, name: str, given: object, told: str) -> None:
    """A word that means nothing is refused by its option, with what it may be."""
    assert told in refusal(group, **{name: given})


def test_words_that_are_right() -> None:
    """Every spelling that another module reads is taken, and stays as it was written."""
    asked = Measurement(attacks="all,loss", prefixes=".50,25t", decodings="T1.0-k40", generations=7)
    assert asked.attacks == ("all", "loss")
    assert asked.prefixes == (".50", "25t")
    assert asked.decodings == ("T1.0-k40",)
    assert asked.generations == "7"
    assert Training(matrices="up,q").roles == ("q", "up")
    assert Compute(device="cuda:1").device == "cuda:1"


def test_all_faults_of_a_group_are_told_together() -> None:
    """Words, ranges and unknown keys in one message."""
    said = refusal(Measurement, attacks="los", prefixes="2.5", resamples=1, wibble=3)
    assert {part.split(" ")[0] for part in said.split("; ")} == {"--attacks", "--prefixes", "--resamples", "--wibble"}


def test_micro_batches_divide_the_batch() -> None:
    """The parts of an effective batch are equal."""
    assert "--micro-batches 3 must divide --batch-size 64" in refusal(Training, micro_batches=3)
    assert Training(batch_size=12, micro_batches=3).micro_batches == 3
    assert Training().micro_batches is None


def test_names_split_at_commas() -> None:
    """An option may be repeated or take a list with commas; blanks are nothing."""
    assert split_commas("a, b,,c ") == ("a", "b", "c")
    assert split_commas(["a,b", "c", " "]) == ("a", "b", "c")
    assert Measurement(attacks="loss,zlib").attacks == ("loss", "zlib")
    assert Measurement(prefixes=["0.5", "25t,50t"]).prefixes == ("0.5", "25t", "50t")


def test_a_single_number_is_a_list_of_one() -> None:
    """One fraction may be given as a number, as it would be in a study file."""
    assert Measurement(prefixes=0.25).prefixes == ("0.25",)


def test_a_cell_is_named_after_its_point() -> None:
    """A cell's name says matrices, rank, copies and seed."""
    assert Training(rank=4, copies=16, matrices="ov").cell(7) == "vo-r4-x16-s7"
