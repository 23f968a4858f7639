"""The dotted names of estimates: how they split, nest, and which unit their value has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mnemoscope.records import Estimate

PAPER_ATTACK = "lr_ratio"
"""The attack of the headline. It is fixed beforehand: the best of several would look better than any of them is."""
PAPER_PREFIX = "0.5"

DRAWN = ("loss", "min_k_plus_plus_calibrated", "ez", "wbc", "learned", "lira")
"""Attacks whose ROC curves stand beside the headline's where there are too many to draw all; fixed beforehand too."""
CURVES = 5

_SHARES = {
    "tpr_at_fpr", "tpr_given_threshold", "transfer", "balanced_accuracy", "posterior", "near_duplicates", "overlap",
    "verbatim", "spans", "planted", "ngram_share", "accuracy", "sampling", "prefix_length", "discriminators",
    "unprompted", "greedy", "top1", "top1_reference", "lift_reference", "lift_majority",
}  # fmt: skip
_NO_SHARES = {"logprob_gain", "exposure", "epsilon", "ceiling", "guesses"}
"""Values inside a family of shares that are none."""
_DIFFERENCES = ("comparison", "counterfactual")
_LIFTS = {"excess", "lift_reference", "lift_majority", "logprob_gain"}
# a part may itself hold a dot: the number in "tpr_at_fpr.0.1", the fraction in "extraction.0.5.planted", a decoding
_NUMBER = r"\d+(?:\.\d+)?"
_DECODING = rf"[tkp]{_NUMBER}(?:to{_NUMBER}over\d+)?(?:-[kp]{_NUMBER})*(?=\.|$)"
_PART = re.compile(rf"{_DECODING}|\d+\.\d+t?|[^.]+")


def parts(name: str) -> tuple[str, ...]:
    """The keys that a dotted name is made of.

    >>> parts("membership.lr_ratio.tpr_at_fpr.0.01")
    ('membership', 'lr_ratio', 'tpr_at_fpr', '0.01')
    >>> parts("sampling.0.5.t0.7-k40.expected.n10.members")
    ('sampling', '0.5', 't0.7-k40', 'expected', 'n10', 'members')
    """
    return tuple(_PART.findall(name))


def nested(leaves: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Dotted names and values as nested dictionaries, in the order given."""
    tree: dict[str, Any] = {}
    for name, value in leaves:
        *path, last = parts(name)
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def is_share(name: str) -> bool:
    """Whether the value is a share of something, to be shown in percent."""
    path = parts(name)
    return not _SHARES.isdisjoint(path) and _NO_SHARES.isdisjoint(path)


def is_difference(name: str) -> bool:
    """Whether the value is one number minus another, to be shown with its sign; then a share is in points."""
    return parts(name)[0] in _DIFFERENCES or not _LIFTS.isdisjoint(parts(name))


def by_name(estimates: Iterable[Estimate]) -> dict[str, Estimate]:
    """Estimates by their dotted name; a value, bound or p-value that is not finite counts as missing."""
    return {e.name: _cleaned(e) for e in estimates}


def _cleaned(e: Estimate) -> Estimate:
    return replace(
        e,
        value=_finite(e.value),
        low=_finite(e.low),
        high=_finite(e.high),
        p_value=_finite(e.p_value),
        p_adjusted=_finite(e.p_adjusted),
    )


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


def attacks(tree: Mapping[str, Any]) -> list[str]:
    """Attacks of a nested tree: the paper's first, then in the order given."""
    names = list(tree.get("membership", {}))
    return sorted(names, key=lambda name: name != PAPER_ATTACK)


def ranked(membership: Mapping[str, Any]) -> list[str]:
    """Attacks of a nested family by AUC, highest first; those without one last."""

    def key(name: str) -> tuple[bool, float, str]:
        value = membership[name].get("auc", {}).get("value")
        return value is None, -(value or 0.0), name

    return sorted(membership, key=key)


def drawn(curves: Iterable[str]) -> list[str]:
    """Attacks whose curves are drawn, the headline's first: all where they are few, else those fixed beforehand."""
    known = sorted(curves)
    first = main_attack(known)
    others = [name for name in known if name != first]
    if len(known) > CURVES:
        others = [name for name in DRAWN if name in others][: CURVES - 1]
    return others if first is None else [first, *others]


KNOW_THE_DOMAIN = ("in_domain_ratio", "lira", "rmia")
"""Attacks that hold the target against models fine-tuned on similar text."""


def main_attack(names: Iterable[str]) -> str | None:
    """The attack of the headline: the paper's, else the first by alphabet; never chosen by its result."""
    known = sorted(names)
    return PAPER_ATTACK if PAPER_ATTACK in known else next(iter(known), None)


def main_prefix(prefixes: Iterable[str]) -> str | None:
    """The prefix of the headline: the paper's first half, else the first by alphabet."""
    known = sorted(set(prefixes))
    return PAPER_PREFIX if PAPER_PREFIX in known else next(iter(known), None)
