"""From a study file to its cells: every combination, each once, under a name of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mnemoscope.config import Training
from mnemoscope.study_file import Study, combinations

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


def cells(study: Study) -> tuple[Cell, ...]:
    """The cells in the order of the blocks, and seed by seed inside a block: what is written first is run first.

    A cell that several blocks name stands where it is named first, and is measured as thoroughly as any of them asks.
    """
    found: dict[str, Cell] = {}
    for block in study.grid:
        for cell in _cells(study, block):
            found[cell.id] = _joined(found[cell.id], cell) if cell.id in found else cell
    return tuple(found.values())


def _joined(first: Cell, second: Cell) -> Cell:
    """One cell of two blocks."""
    generations = second.generations if first.generations == "0" else first.generations
    return replace(first, every_epoch=first.every_epoch or second.every_epoch, generations=generations)


def _cells(study: Study, block: Any) -> list[Cell]:
    found = []
    for seed in block.seeds or study.seeds:
        for given in combinations(study.training, block):
            training = Training(**given)
            once = {} if training.copies > 1 else {"planted": 1}  # nothing is planted, whatever was asked
            # in one spelling, so that vq and qv are one cell
            training = training.model_copy(update={"matrices": "".join(training.roles), **once})
            found.append(_cell(study, block, training, seed))
    return found


def _cell(study: Study, block: Any, training: Training, seed: int) -> Cell:
    common = Training(**study.training.model_dump(exclude_none=True))
    differ = {
        name: value for name, value in training.model_dump().items()
        if name not in IN_NAME and value != getattr(common, name)
    }  # fmt: skip
    if training.copies == 1:
        differ.pop("planted", None)
    name = "-".join([training.cell(seed), *(_short(*one) for one in sorted(differ.items()))])
    others = ", ".join(f"{key}={value}" for key, value in sorted(differ.items()) if key not in SETTINGS)
    return Cell(name, training, seed, block.every_epoch, block.generations or study.extraction.generations, others)


def _short(name: str, value: Any) -> str:
    """A setting in a cell's name, with all its digits, so that no two cells share one."""
    said = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return f"{SHORT.get(name, name + '=')}{said}"
