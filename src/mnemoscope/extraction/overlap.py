"""How much of a suffix a generation gives back, over token ids."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher


def leading_match(generated: Sequence[int], suffix: Sequence[int]) -> int:
    """Leading tokens of `generated` that equal those of `suffix`."""
    matched = 0
    for ours, true in zip(generated, suffix, strict=False):
        if ours != true:
            break
        matched += 1
    return matched


def ngram_share(generated: Sequence[int], suffix: Sequence[int]) -> float:
    """Longest common contiguous run of tokens over the suffix length, 0..1 (arXiv:2507.21009, text).

    0.0 when either is empty.
    """
    return _longest_run(generated, suffix) / len(suffix) if len(suffix) else 0.0


def ngram_share_paper(prefix: Sequence[int], generated: Sequence[int], suffix: Sequence[int]) -> float:
    """Longest run of the suffix in prefix + generated part, over the prefix length (arXiv:2507.21009, code).

    Repeats of the prefix in the suffix count, and the share passes 1 when the run is longer than the prefix. 0.0 when
    prefix or suffix is empty.
    """
    return _longest_run([*prefix, *generated], suffix) / len(prefix) if len(prefix) else 0.0


def _longest_run(a: Sequence[int], b: Sequence[int]) -> int:
    # autojunk would drop tokens that are frequent in long texts
    return SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size
