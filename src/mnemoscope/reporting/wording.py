"""Numbers as people read them: percent, brackets, counts, prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.reporting.names import is_difference, is_share

NONE = "–"


def percent(share: float, decimals: int | None = None) -> str:
    """A share in percent; what is not 0 never reads 0, and what is not all never reads 100.

    >>> percent(0.314), percent(0.0213), percent(0.0), percent(0.99996)
    ('31%', '2.1%', '0%', '>99.9%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    decimals = _decimals(share) if decimals is None else decimals
    text = f"{100 * share:.{decimals}f}"
    if float(text) == 0:
        least = f"{10.0**-decimals:g}%"
        return f"<{least}" if share > 0 else f">-{least}"
    if float(text) == 100 and share < 1:
        finer = f"{100 * share:.1f}"
        return f"{finer}%" if float(finer) < 100 else ">99.9%"
    return f"{text}%"


def rate(share: float) -> str:
    """A rate that was asked for, such as "1%" or "0.5%"."""
    return f"{100 * share:g}%"


def _decimals(share: float) -> int:
    return 0 if abs(share) >= 0.1 else 1 if abs(share) >= 0.01 else 2


def number(value: float) -> str:
    """Three decimals below 10, fewer above; thousands are separated."""
    size = abs(value)
    return f"{value:,.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"


def signed(text: str) -> str:
    """A difference, already in words, with its sign; what reads as zero has none.

    >>> signed("0.031"), signed("-0.031"), signed("-0.000")
    ('+0.031', '-0.031', '0.000')
    """
    if not text.strip("-0.,%"):
        return text.removeprefix("-")
    return text if text.startswith(("-", "<", ">")) else f"+{text}"


def p_value(p: float) -> str:
    """A p-value with its relation; it never reads 0.

    >>> p_value(0.0002), p_value(0.0214), p_value(0.213), p_value(0.998), p_value(1.0)
    ('p < .001', 'p = .021', 'p = .21', 'p > .99', 'p = 1')
    """
    if p < 0.001:
        return "p < .001"
    if p == 1:
        return "p = 1"
    if p > 0.99:
        return "p > .99"
    return f"p = {p:.{3 if p < 0.1 else 2}f}".replace("0.", ".")


def bare_p(p: float) -> str:
    """The same for a table whose head says p: "< .001", ".021"."""
    return p_value(p).removeprefix("p ").removeprefix("= ")


def significant(p_adjusted: float | None, level: float) -> bool:
    """Whether a corrected p-value may be told as a finding at this level; a missing one may not."""
    return p_adjusted is not None and p_adjusted < round(1 - level, 9)  # 1 - 0.95 is a rounding above 0.05


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "record"), count(2898, "record")
    ('1 record', '2,898 records')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def tally(share: float, n: int) -> int | None:
    """The number of hits behind a share of `n`; None where the share is no count of them.

    >>> tally(0.25, 8), tally(0.3, 8), tally(0.5, 0)
    (2, None, None)
    """
    hits = share * n
    return round(hits) if n and abs(hits - round(hits)) < 1e-6 * max(1, n) else None


def value(name: str, leaf: Mapping[str, Any]) -> str:
    """The value of an estimate in its unit, or a dash."""
    if leaf["value"] is None:
        return NONE
    text = percent(leaf["value"]) if is_share(name) else number(leaf["value"])
    return signed(text) if is_difference(name) else text


def interval(name: str, leaf: Mapping[str, Any]) -> str:
    """The interval of an estimate in the unit of its value, such as "[27, 35]"; empty where there is none."""
    low, high = leaf["low"], leaf["high"]
    if low is None or high is None:
        return ""
    if is_share(name):
        decimals = max(_decimals(high), _decimals(leaf["value"]) if leaf["value"] else 0)
        ends = [_bare(low, decimals), _bare(high, decimals)]
    else:
        ends = [number(low), number(high)]
    return f"[{', '.join(map(signed, ends) if is_difference(name) else ends)}]"


def _bare(share: float, decimals: int) -> str:
    return percent(share, decimals).removesuffix("%")


def estimate(name: str, leaf: Mapping[str, Any]) -> str:
    """Value and interval, such as "31% [27, 35]"."""
    return f"{value(name, leaf)} {interval(name, leaf)}".strip()


def until(prefix: str) -> str:
    """The known beginning in words.

    >>> until("0.5"), until("0.25"), until("25t"), until("1t")
    ('first half', 'first 25%', 'first 25 tokens', 'first token')
    """
    if prefix.endswith("t"):
        n = prefix.removesuffix("t")
        return "first token" if n == "1" else f"first {n} tokens"
    try:
        share = float(prefix)
    except ValueError:
        return f"prefix {prefix}"
    return "first half" if share == 0.5 else f"first {share:.0%}"
