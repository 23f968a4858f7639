"""Named seeds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.seeds import derive, generator


def draw(*names):
    return generator(*names).random(4).tolist()


def test_equal_names_agree_and_others_differ():
    """Equal seed and names give equal draws; another seed, name or order gives others."""
    assert draw(13, "bootstrap", "auc") == draw(13, "bootstrap", "auc")
    others = [draw(14, "bootstrap", "auc"), draw(13, "auc", "bootstrap"), draw(13, "bootstrap"), draw(13)]
    assert draw(13, "bootstrap", "auc") not in others


def test_names_are_not_run_together():
    """("ab", "c") and ("a", "bc") are two draws, and so are seed 1 with "2" and seed 12."""
    assert derive(0, "ab", "c") != derive(0, "a", "bc")
    assert derive(1, "2") != derive(12)


def test_seeds_are_the_same_everywhere():
    """A derived seed does not depend on the process, the machine or its byte order."""
    # sha256("13") = 3fdba35f...; 0x3fdba35f >> 1 = 0x1fedd1af = 535679407
    assert derive(13) == 535_679_407


@given(st.integers(), st.lists(st.text(), max_size=3))
def test_seeds_fit_in_31_bits(seed, names):
    """Every seed and every name gives a seed that every library accepts."""
    assert 0 <= derive(seed, *names) < 2**31
