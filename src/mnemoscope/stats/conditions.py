"""Which cells of a study may be compared: those that share all settings but the one that the question is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mnemoscope.answers import Outcome, Setting

ORDER = "qkvo"


class Condition(NamedTuple):
    """What cells must have in common to differ in matrices and rank alone."""

    alpha_rule: str
    epochs: float
    learning_rate: float
    others: str


class Place(NamedTuple):
    """Where in a condition's table a cell stands."""

    matrices: str
    """In the order q, k, v, o; as they are where there are others."""
    rank: int


Table = Mapping[Place, Mapping[int, Outcome]]
"""Place to seed to cell."""


def place(setting: Setting) -> Place:
    """The cell's matrices, in one spelling, and rank."""
    letters = setting.matrices if set(setting.matrices) - set(ORDER) else sorted(setting.matrices, key=ORDER.index)
    return Place("".join(letters), setting.rank)


def shown(matrices: str) -> str:
    """Matrices as the paper writes them.

    >>> shown("qk")
    'Q+K'
    """
    return "+".join(matrices.upper())


def tables(outcomes: Iterable[Outcome]) -> dict[Condition, Table]:
    """The cells without planted copies, by condition, place and seed, in the order given.

    A cell with copies has other training records than the others of its seed, so it is compared with none.

    Raises:
        ValueError: two cells cannot be told apart, or the records of two cells of a seed differ.
    """
    found: dict[Condition, dict[Place, dict[int, Outcome]]] = {}
    plain = [outcome for outcome in outcomes if outcome.setting.copies == 1]
    _check_records(plain)
    for outcome in plain:
        setting = outcome.setting
        condition = Condition(setting.alpha_rule, setting.epochs, setting.learning_rate, setting.others)
        by_seed = found.setdefault(condition, {}).setdefault(place(setting), {})
        if setting.seed in by_seed:
            raise ValueError(f"cells {by_seed[setting.seed].setting.cell} and {setting.cell} differ in nothing")
        by_seed[setting.seed] = outcome
    return dict(found)


def _check_records(outcomes: Sequence[Outcome]) -> None:
    first: dict[int, Outcome] = {}
    for outcome in outcomes:
        known = first.setdefault(outcome.setting.seed, outcome)
        if known.records is outcome.records:
            continue
        if [(r.id, r.role, r.group) for r in known.records] != [(r.id, r.role, r.group) for r in outcome.records]:
            cells = f"{known.setting.cell} and {outcome.setting.cell}"
            raise ValueError(f"cells {cells} of seed {outcome.setting.seed} have different records")


def words(condition: Condition, among: Iterable[Condition]) -> str:
    """What tells the condition from the others of the study, to stand behind a claim; "" where it is the only one."""
    others = [other for other in among if other != condition]
    said = {
        "alpha_rule": f"alpha {condition.alpha_rule}",
        "epochs": f"{condition.epochs:g} epochs",
        "learning_rate": f"learning rate {condition.learning_rate:g}",
        "others": condition.others or "all else as in the study",
    }
    apart = [text for name, text in said.items() if any(getattr(o, name) != getattr(condition, name) for o in others)]
    return f" ({', '.join(apart)})" if apart else ""
