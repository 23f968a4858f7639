"""From a study file to its cells: every combination, each once, under a name of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from mnemoscope.config import Training
from mnemoscope.errors import ConfigError
from mnemoscope.study_file import Study

IN_NAME = ("matrices", "rank", "copies")
"""Options that every name of a cell holds."""
SHORT = {"alpha_rule": "", "epochs": "e", "learning_rate": "lr", "planted": "p", "batch_size": "b", "dropout": "d"}
"""How other options that differ from the study's stand in a name."""
SETTINGS = ("matrices", "rank", "alpha_rule", "copies", "planted", "epochs", "learning_rate")
"""Options that a table of cells has columns for."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell to run."""

    id: str
    training: Training
    seed: int
    every_epoch: bool
    generations: str
    """Records of each class to really continue."""
    others: str
    """Options without a column of their own that differ from the study's, as in "dropout=0.1"."""


def cells(study: Study, matrices: dict[str, tuple[str, ...]]) -> tuple[Cell, ...]:
    """The cells in the order of the blocks, and seed by seed inside a block: what is written first is run first.

    Args:
        study: the study.
        matrices: what stands under `matrices` in the file to the roles it means.

    Raises:
        ConfigError: a combination is not allowed, or two blocks measure one cell differently.
    """
    found: dict[str, Cell] = {}
    for block in study.grid:
        for cell in _cells(study, block, matrices):
            if cell != found.setdefault(cell.id, cell):
                found[cell.id] = _joined(found[cell.id], cell)
    return tuple(found.values())


def _joined(first: Cell, second: Cell) -> Cell:
    """One cell of two blocks: measured as thoroughly as either of them asks."""
    if first.training != second.training:
        raise ConfigError(f"the grid has two different cells that would both be called {first.id}: rename one option")
    generations = second.generations if first.generations == "0" else first.generations
    every_epoch = first.every_epoch or second.every_epoch
    return Cell(first.id, first.training, first.seed, every_epoch, generations, first.others)


def _cells(study: Study, block: Any, matrices: dict[str, tuple[str, ...]]) -> list[Cell]:
    common = study.training.model_dump(exclude_none=True)
    lists = {name: value for name in Training.model_fields if (value := getattr(block, name)) is not None}
    found = []
    for seed in block.seeds or study.seeds:
        for values in product(*lists.values()):
            training = Training(**{**common, **dict(zip(lists, values, strict=True))})
            if training.copies == 1:
                training = training.model_copy(update={"planted": 1})  # nothing is planted, whatever was asked
            found.append(_cell(study, block, training, matrices[training.matrices], seed))
    return found


def _cell(study: Study, block: Any, training: Training, roles: tuple[str, ...], seed: int) -> Cell:
    common = Training(**study.training.model_dump(exclude_none=True))
    differ = {
        name: value for name, value in training.model_dump().items()
        if name not in IN_NAME and value != getattr(common, name)
    }  # fmt: skip
    if training.copies == 1:
        differ.pop("planted", None)
    name = "-".join([training.cell(roles, seed), *(_short(*one) for one in sorted(differ.items()))])
    others = ", ".join(f"{key}={value}" for key, value in sorted(differ.items()) if key not in SETTINGS)
    return Cell(name, training, seed, block.every_epoch, block.generations or study.extraction.generations, others)


def _short(name: str, value: Any) -> str:
    return f"{SHORT.get(name, name + '=')}{value:g}" if isinstance(value, float) else f"{SHORT.get(name, name)}{value}"


def spellings(study: Study) -> list[str]:
    """Everything that stands under `matrices` in the file."""
    given = [value for block in study.grid for value in getattr(block, "matrices", None) or ()]
    return list(dict.fromkeys([*given, study.training.matrices or Training().matrices]))  # type: ignore[attr-defined]
