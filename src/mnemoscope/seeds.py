"""Every random draw has a name; its seed is derived from that name and one number.

Two draws never share a stream, and a new draw never shifts an old one.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str) -> int:
    """A 31-bit seed for the draw called `names` (31 bits because every library accepts that many)."""
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def generator(seed: int, *names: str) -> np.random.Generator:
    """The numpy generator of the draw called `names`."""
    return np.random.default_rng(derive(seed, *names))
