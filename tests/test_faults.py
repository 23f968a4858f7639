"""What is wrong with what was given."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mnemoscope.faults import Fault, add_faults, faults_of


class Inner(BaseModel):
    """A part with a number or a list of them."""

    model_config = ConfigDict(extra="forbid")
    size: int | list[int] | None = None


class Outer(BaseModel):
    """A whole whose parts are judged together as well."""

    name: str
    parts: tuple[Inner, ...]

    @field_validator("parts")
    @classmethod
    def _together(cls, parts: tuple[Inner, ...]) -> tuple[Inner, ...]:
        sizes = [part.size for part in parts]
        add_faults(
            Fault((i, "size"), size, "Is there before, {as it is}")
            for i, size in enumerate(sizes) if size in sizes[:i]
        )  # fmt: skip
        return parts


def faults(given: object) -> list[Fault]:
    """What is wrong with an Outer."""
    with pytest.raises(ValidationError) as error:
        Outer.model_validate(given)
    return faults_of(error.value)


def test_places_by_hand() -> None:
    """Positions stand in brackets, keys after a dot; what a union adds is left out, and so are repeats."""
    found = faults({"parts": [{"size": 1}, {"size": ["x", 2]}, {"colour": 3}]})
    assert {fault.place for fault in found} == {"name", "parts[1].size", "parts[1].size[0]", "parts[2].colour"}
    assert {fault.place: fault.kind for fault in found}["parts[2].colour"] == "extra_forbidden"
    assert len(found) == len(set(map(str, found)))


def test_an_unknown_key_is_told_as_it_was_written() -> None:
    """Also where it is no name, or the name of a type."""
    found = faults({"name": "a", "parts": [{"foo-bar": 1, "int": 2, "": 3}]})
    assert {fault.place for fault in found} == {"parts[0].foo-bar", "parts[0].int", "parts[0]."}


def test_added_faults_stand_among_the_others() -> None:
    """Each has the place of its part, its value and its words as they are, braces and all."""
    found = faults({"parts": [{"size": 1}, {"size": 2}, {"size": 1}, {"size": 2}]})
    assert [(fault.place, fault.got) for fault in found] == [("name", {"parts": [{"size": s} for s in (1, 2, 1, 2)]}),
                                                            ("parts[2].size", 1), ("parts[3].size", 2)]  # fmt: skip
    assert found[1].said == "is there before, {as it is}"


def test_no_faults_add_nothing() -> None:
    """A validator that finds nothing raises nothing."""
    add_faults([])
    assert Outer(name="a", parts=(Inner(size=1), Inner(size=2))).parts[1].size == 2
