"""Where a record is cut into the prefix that is given and the suffix that should come back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from mnemoscope.errors import ConfigError

# [0-9] and not \d, which takes the digits of every script
_FRACTION = re.compile(r"0?\.([0-9]{0,8}[1-9])0*")
_TOKENS = re.compile(r"0*([1-9][0-9]{0,8})t")


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix as it was asked for."""

    label: str
    """In its one spelling: "0.5" (a fraction of the tokens) or "25t" (a number of tokens)."""
    size: Fraction | int
    """A fraction of the tokens, above 0 and below 1, or a number of tokens, 1 or more."""

    def cut(self, n_tokens: int) -> int | None:
        """Prefix tokens of a record of `n_tokens`; None when prefix or suffix would have no token.

        A fraction is rounded down and gives at least one token.
        """
        k = self.size if isinstance(self.size, int) else max(1, int(n_tokens * self.size))
        return k if k < n_tokens else None


def parse_prefix(text: str) -> Prefix:
    """The prefix that `text` asks for.

    Raises:
        ConfigError: `text` is neither a fraction between 0 and 1 nor a number of tokens.

    >>> parse_prefix("0.50").label
    '0.5'
    """
    if found := _FRACTION.fullmatch(text.strip()):
        label = f"0.{found[1]}"
        return Prefix(label, Fraction(label))
    if found := _TOKENS.fullmatch(text.strip()):
        return Prefix(f"{found[1]}t", int(found[1]))
    raise ConfigError(
        f"prefix {text!r} is not known. Give a fraction of the tokens above 0 and below 1, such as 0.5, "
        "or a number of tokens, such as 25t"
    )


def cut(n_tokens: int, prefix: str) -> int | None:
    """Prefix tokens of a record of `n_tokens` cut at `prefix`; None when it does not leave a token on both sides.

    Raises:
        ConfigError: `prefix` is not known.
    """
    return parse_prefix(prefix).cut(n_tokens)
