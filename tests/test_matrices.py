"""Which matrices are meant."""

from __future__ import annotations

import pytest

from mnemoscope.errors import ConfigError
from mnemoscope.matrices import parse_matrices


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("vo", "v o"),
        ("ov", "v o"),
        ("qkvo", "q k v o"),
        ("q,v,up", "q v up"),
        ("up, v q", "q v up"),
        ("q+down", "q down"),
        ("gateup", "gate up"),
        ("qupdown", "q up down"),
        ("down", "down"),
        ("vvoov", "v o"),
        ("q,q,q", "q"),
        ("all", "q k v o gate up down"),
    ],
)
def test_matrices_by_hand(text, roles):
    """Roles are read joined or apart, in any order, and come back in the one order without repeats."""
    assert parse_matrices(text) == tuple(roles.split())


@pytest.mark.parametrize("text", ["x", "qx", "q,x", "nonsense", "Q", "q;v", "every", "", " ", ","])
def test_matrices_that_are_none(text):
    """What is no role is refused in one line that names the roles; so is nothing at all."""
    with pytest.raises(ConfigError, match=r"is no matrix; use any of q k v o gate up down") as caught:
        parse_matrices(text)
    assert "\n" not in str(caught.value)
