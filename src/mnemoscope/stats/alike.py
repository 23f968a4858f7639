"""Cells of a study that are alike but for what is compared, and what to call them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from mnemoscope.answers import Outcome, Setting
from mnemoscope.stats.conditions import shown

WORDS = {
    "alpha_rule": "{} alpha",
    "alpha": "alpha {:g}",
    "copies": "{} copies",
    "planted": "{} planted",
    "epochs": "{:g} epochs",
    "learning_rate": "learning rate {:g}",
    "others": "{}",
}
"""How a setting is named where it differs between the cells of a study; matrices and rank always are."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Cells that are alike."""

    label: str
    """Such as "V, rank 8, 8 copies"."""
    outcomes: tuple[Outcome, ...]


def alike(outcomes: Sequence[Outcome], *, apart: Collection[str] = ()) -> list[Alike]:
    """The cells by all settings but their name, their seed and `apart`, in the order of their first appearance."""
    kept = [one.name for one in fields(Setting) if one.name not in {"cell", "seed", *apart}]
    found: dict[tuple[object, ...], list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(tuple(getattr(one.setting, name) for name in kept), []).append(one)
    named = [name for name in WORDS if name in kept and len({getattr(one.setting, name) for one in outcomes}) > 1]
    return [Alike(_label(some[0].setting, named), tuple(some)) for some in found.values()]


def _label(setting: Setting, named: Sequence[str]) -> str:
    words = [WORDS[name].format(getattr(setting, name)) for name in named]
    parts = [shown(setting.matrices), f"rank {setting.rank}", *(word for word in words if word)]
    return ", ".join("1 copy" if part == "1 copies" else part for part in parts)
