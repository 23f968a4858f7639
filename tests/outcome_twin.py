"""A finished cell as the answers take it, read off its traces record by record, token by token: slow and obvious."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mnemoscope import models
from mnemoscope.answers import Outcome
from mnemoscope.grid import Cell

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    """A table as dictionaries."""
    found: list[Row] = pq.read_table(path).to_pylist()
    return found


def masked(values: Any) -> list[float | None]:
    """Numbers that may be missing, as Python has them."""
    found: list[float | None] = np.ma.masked_array(values).tolist()
    return found


def lasting(one: Row, share: Fraction, name: str) -> list[float]:
    """The numbers of a record's suffix, token by token."""
    values: list[float] = one[name]
    return values[max(1, int(len(values) * share)) :]


def begin(one: Row, share: Fraction) -> float:
    """Mean loss of the prefix."""
    values = one["logprob"][: max(1, int(len(one["logprob"]) * share))]
    return -math.fsum(values) / len(values)


def check(found: Outcome, folder: Path, cell: Cell, prefix: str) -> None:
    """Compare an outcome with what the cell's own files say; records must be long enough to be cut."""
    own, share = folder / "cells" / cell.id, Fraction(prefix)
    target, base = rows(own / "traces.parquet"), rows(folder / "reference" / "traces.parquet")
    ids = [row["id"] for row in rows(own / "scores.parquet")]
    assert (
        [record.id for record in found.records] == [row["id"] for row in target] == [row["id"] for row in base] == ids
    )
    assert found.tokens.tolist() == [len(row["logprob"]) for row in target]
    close(found.base_losses, [-math.fsum(row["logprob"]) for row in base])
    close(found.moments[-1].losses, [-math.fsum(row["logprob"]) for row in target])
    for name, traces in (("target", target), ("base", base)):
        close(found.prefix_losses[name], [begin(row, share) for row in traces])
    assert found.verbatim == {row["id"]: min(lasting(row, share, "gap")) >= 0 for row in target}
    assert {f"logprob@{name}" for name in found.suffix_logprob} == {name for name in target[0] if "@" in name} != set()
    for name, values in found.suffix_logprob.items():
        close(values, [math.fsum(lasting(row, share, f"logprob@{name}")) for row in target])
    facts = models.adapter_facts(own / "adapter")
    assert found.setting.matrices == "".join(facts["matrices"])
    assert found.setting.parameters == facts["trainable_parameters"]


def close(found: Any, wanted: list[float]) -> None:
    """Nothing is masked, and only the order of a sum may show."""
    np.testing.assert_allclose(np.array(masked(found), dtype=np.float64), wanted, rtol=1e-9)
