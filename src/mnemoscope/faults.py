"""What pydantic finds wrong with what a user gave, and what is added to it: each fault with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

SCALARS = ("int", "float", "str", "bool")
"""What pydantic adds to a path where a value may be of several types."""


class Fault(NamedTuple):
    """One fault."""

    loc: tuple[int | str, ...]
    """Where it is: keys and positions from the outside in."""
    got: object
    said: str
    """What is wrong, beginning in lower case."""
    kind: str = "value_error"
    """pydantic's name for it, such as missing or extra_forbidden."""

    @property
    def place(self) -> str:
        """Its path, as in grid[0].rank[1].

        >>> Fault(("grid", 0, "rank", 1, "int"), "x", "input should be a valid integer").place
        'grid[0].rank[1]'
        """
        whole = self.kind in ("extra_forbidden", "invalid_key")  # ends with a key as the user wrote it
        last = len(self.loc) - 1
        own = [part for i, part in enumerate(self.loc) if not _added(part) or (whole and i == last)]
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in own).removeprefix(".")

    def __str__(self) -> str:
        """As in "grid[0].rank[1] 0: input should be greater than or equal to 1"."""
        silent = self.got is None or self.kind in ("missing", "extra_forbidden")
        return f"{self.place}{'' if silent else f' {self.got!r}'}: {self.said}"


def _added(part: int | str) -> bool:
    """Whether pydantic added it to the path: the name of a type, as in int or list[int]."""
    return isinstance(part, str) and (part in SCALARS or not part.isidentifier())


def faults_of(error: ValidationError) -> list[Fault]:
    """All faults that pydantic found, each once."""
    found = {}
    for one in error.errors(include_url=False, include_context=False):
        said = one["msg"].removeprefix("Value error, ")
        fault = Fault(one["loc"], one["input"], f"{said[0].lower()}{said[1:]}", one["type"])
        found[fault.place, str(fault.got), fault.said] = fault
    return list(found.values())


def add_faults(faults: Iterable[Fault]) -> None:
    """Raise what a validator found, if anything; pydantic tells it with all else, each in its place.

    Raises:
        ValidationError: there are faults; their places are relative to what the validator judges.
    """
    found = [
        InitErrorDetails(type=PydanticCustomError(one.kind, "{said}", {"said": one.said}), loc=one.loc, input=one.got)
        for one in faults
    ]
    if found:
        raise ValidationError.from_exception_data("faults", found)
