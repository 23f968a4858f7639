"""How the next token is chosen, in one spelling for options, columns and files (no torch here).

The settings apply in the order of Hugging Face transformers: temperature, then top-k, then top-p.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from mnemoscope.errors import ConfigError

_COUNT = r"[0-9]{1,9}"
_NUMBER = rf"{_COUNT}(?:\.{_COUNT})?"
_FALL = rf"to(?P<end>{_NUMBER})over(?P<over>{_COUNT})"
_SPELLING = re.compile(rf"t(?P<t>{_NUMBER})(?:{_FALL})?(?:-k(?P<k>{_COUNT}))?(?:-p(?P<p>{_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Decoding:
    """One way to choose the next token; the default is plain sampling."""

    temperature: float = 1.0
    """Logits are divided by it. 0 means greedy: always the most probable token."""
    top_k: int = 0
    """Only the k most probable tokens may come, with all that tie with the k-th; 0 for no limit."""
    top_p: float = 1.0
    """Only the smallest set whose probability reaches top_p may come; 1 for no limit."""
    end_temperature: float | None = None
    """The temperature falls (or rises) to this on a straight line over the first `decay_tokens`; None: it stays."""
    decay_tokens: int = 0

    @property
    def label(self) -> str:
        """The one spelling, such as "greedy", "t1-k40", "t0.7-p0.9" or "t10to1over20-k40"."""
        if self.temperature == 0:
            return "greedy"
        parts = [f"t{_plain(self.temperature)}"]
        if self.end_temperature is not None:
            parts[0] += f"to{_plain(self.end_temperature)}over{self.decay_tokens}"
        if self.top_k:
            parts.append(f"k{self.top_k}")
        if self.top_p < 1:
            parts.append(f"p{_plain(self.top_p)}")
        return "-".join(parts)

    @property
    def column(self) -> str:
        """The trace column with the log-probability of the true token under this decoding."""
        return f"logprob@{self.label}"

    @property
    def in_trace(self) -> bool:
        """Whether a trace can hold its probabilities: it samples, and at one temperature."""
        return self.temperature > 0 and self.end_temperature is None

    def temperature_at(self, step: int) -> float:
        """The temperature of generated token `step`, counted from 0.

        The line of Carlini et al. 2021 (arXiv:2012.07805, section 5.1): from `temperature` at step 0 to
        `end_temperature` at step `decay_tokens`, which then stays.
        """
        if self.end_temperature is None:
            return self.temperature
        done = min(1.0, step / self.decay_tokens)
        return self.temperature + done * (self.end_temperature - self.temperature)


def _plain(number: float) -> str:
    """A number with all its digits and without an exponent, so that no two decodings share a label."""
    return f"{Decimal(repr(float(number))).normalize():f}"


GREEDY = Decoding(temperature=0.0)


def parse_decoding(text: str) -> Decoding:
    """The decoding that `text` asks for.

    Raises:
        ConfigError: `text` is not a decoding, or a number is out of range.

    >>> parse_decoding("t0.70-k40").label
    't0.7-k40'
    """
    wanted = text.strip().lower()
    if wanted == "greedy":
        return GREEDY
    if not (found := _SPELLING.fullmatch(wanted)):
        raise ConfigError(
            f"decoding {text!r} is not known. Give greedy, or t and a temperature with -k (top-k) and -p (top-p) where "
            "wanted, such as t1, t1-k40, t0.7-p0.9, or t10to1over20 for a temperature that falls over 20 tokens"
        )
    end = found["end"]
    decoding = Decoding(
        temperature=float(found["t"]),
        top_k=int(found["k"] or 0),
        top_p=float(found["p"] or 1),
        end_temperature=None if end is None else float(end),
        decay_tokens=int(found["over"] or 0),
    )
    _check(decoding, text)
    return decoding


def _check(decoding: Decoding, text: str) -> None:
    temperatures = [decoding.temperature, *([] if decoding.end_temperature is None else [decoding.end_temperature])]
    if min(temperatures) <= 0:
        raise ConfigError(f"decoding {text!r}: a temperature must be above 0 (greedy is spelled greedy)")
    if not 0 < decoding.top_p <= 1:
        raise ConfigError(f"decoding {text!r}: top-p must be above 0 and at most 1")
    if decoding.end_temperature is not None and decoding.decay_tokens < 1:
        raise ConfigError(f"decoding {text!r}: give at least 1 token to change the temperature over")


def distinct(texts: Iterable[str], parse: Callable[[str], Decoding] = parse_decoding) -> list[Decoding]:
    """The decodings that `texts` ask for, each once, however it is spelled.

    Raises:
        ConfigError: as `parse` does.
    """
    return list({one.label: one for one in map(parse, texts)}.values())


def closed_form(text: str) -> Decoding:
    """A decoding whose probabilities can be read off a trace: it samples, at one temperature.

    Raises:
        ConfigError: it is greedy (which every trace tells), or its temperature changes with the generated tokens.
    """
    decoding = parse_decoding(text)
    if not decoding.in_trace:
        raise ConfigError(
            f"decoding {text!r} has no probability in a trace: give one that samples at one temperature, such as t1-k40"
        )
    return decoding
