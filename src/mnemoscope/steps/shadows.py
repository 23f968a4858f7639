"""Shadow adapters: the target's recipe on random halves of the groups, so that the truth about each is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnemoscope.records import Record
from mnemoscope.seeds import generator
from mnemoscope.steps.others import Other, recipe_of, tell, traced
from mnemoscope.traces import Shadows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mnemoscope.steps.case import Case

OPTION = "--shadows"


def shadows(case: Case) -> Shadows:
    """Train what is missing of the shadows and trace each; the target's adapter is off the model afterwards.

    Raises:
        ConfigError: how the target was trained is not known.
    """
    training = recipe_of(case, OPTION)
    inside = halves(case.records, case.measurement.shadows, case.seed)
    others = [
        Other("shadow", "shadows", k, len(inside), np.flatnonzero(rows).tolist()) for k, rows in enumerate(inside)
    ]
    tell(case, others, training, "shadows")
    traces = tuple(traced(case, other, training, "shadow") for other in others)
    codes = {name: code for code, name in enumerate(sorted({record.group for record in case.records}))}
    return Shadows(
        traces=traces,
        inside=inside,
        population=np.array([record.part == "calibration" for record in case.records]),
        groups=np.array([codes[record.group] for record in case.records]),
    )


def halves(records: Sequence[Record], n: int, seed: int) -> NDArray[np.bool_]:
    """Which records each shadow is trained on, shape (n, n_records).

    Shadows 2j and 2j + 1 get the two halves of one random cut of the groups, so that every record is in exactly half
    of the shadows.
    """
    names = sorted({record.group for record in records})
    place = {name: i for i, name in enumerate(names)}
    group = np.array([place[record.group] for record in records], dtype=np.int64)
    found = np.zeros((n, len(records)), dtype=bool)
    for pair in range(n // 2):
        order = generator(seed, "shadows", str(pair)).permutation(len(names))
        first = np.isin(group, order[: len(names) // 2])
        found[2 * pair], found[2 * pair + 1] = first, ~first
    return found
