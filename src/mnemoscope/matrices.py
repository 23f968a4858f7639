"""Which weight matrices get an adapter, by role and in one spelling (no torch here)."""

from __future__ import annotations

import re

from mnemoscope.errors import ConfigError

MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
"""The roles, in the order in which they are named."""


def parse_matrices(text: str) -> tuple[str, ...]:
    """Roles from "qkvo", "vo", "q,v,up" or "all"; in the order of MATRICES, without repeats.

    Raises:
        ConfigError: a role is not known, or there is none.

    >>> parse_matrices("ov")
    ('v', 'o')
    """
    if text == "all":
        return MATRICES
    parts = re.split(r"[\s,+]+", text.strip())
    if len(parts) == 1 and parts[0] not in MATRICES:
        parts = re.findall("gate|up|down|.", parts[0]) or parts
    wrong = [part for part in parts if part not in MATRICES]
    if wrong:
        raise ConfigError(f"{wrong[0]!r} is no matrix; use any of {' '.join(MATRICES)}, as in vo or q,v,up, or all")
    return tuple(role for role in MATRICES if role in parts)
