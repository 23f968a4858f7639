"""Registering, finding and adding attacks."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

import mnemoscope.attacks
from mnemoscope import registry
from mnemoscope.errors import ConfigError, MnemoscopeError
from mnemoscope.traces import Traces

NEWCOMER = '''
"""A newcomer."""

from mnemoscope.registry import attack


@attack(source="a note", needs=("target",), min_tokens=2)
def newcomer(target):
    """Sum of the log-probabilities, nats."""
    return target.sum("logprob")
'''


@pytest.fixture
def scratch(monkeypatch):
    """A registry whose changes are undone."""
    registry.attacks()  # the shipped attacks register once, on import: they must be in the copy and the original
    monkeypatch.setattr(registry, "_attacks", dict(registry._attacks))


@pytest.fixture
def target():
    """Three records of 2, 1 and 0 tokens."""
    return Traces(
        ids=("a", "b", "c"),
        offsets=np.array([0, 2, 3, 3]),
        columns={"logprob": np.array([-1.0, -2.0, -4.0], dtype=np.float32)},
        text_bytes=np.array([8, 4, 0]),
        zlib_bytes=np.array([16, 12, 8]),
    )


def register(function, *, needs=("target",), min_tokens=1):
    registry.attack(source="here", needs=needs, min_tokens=min_tokens)(function)
    return registry.find(function.__name__)


def test_attacks_are_sorted_by_name():
    """The attacks come by name, sorted, the likelihood ratios among them."""
    names = list(registry.attacks())
    assert names == sorted(names)
    assert {"loss", "zlib", "lr_sum", "lr_diff", "lr_ratio"} <= set(names)


@pytest.mark.usefixtures("scratch")
def test_two_attacks_of_one_name_are_refused():
    """A second attack with a name that is taken in another module is refused, and the first one stays."""

    def loss(target):
        """Another loss."""
        return target.mean("logprob")

    with pytest.raises(MnemoscopeError, match="two attacks are called 'loss'"):
        register(loss)
    assert registry.find("loss").function is importlib.import_module("mnemoscope.attacks.loss").loss


def test_an_unknown_name_suggests_the_nearest():
    """A misspelt attack is answered with the nearest one and all that exist, in one line."""
    with pytest.raises(ConfigError, match=r"unknown attack 'zlb'\. Did you mean 'zlib'\?") as caught:
        registry.find("zlb")
    assert "lr_ratio" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("scratch")
def test_an_unknown_need_is_refused():
    """An attack that asks for traces nobody makes is refused when it registers."""

    def greedy(tarqet):
        """Needs a misspelt trace."""
        return tarqet.mean("logprob")

    with pytest.raises(MnemoscopeError, match=r"unknown trace 'tarqet'\. Did you mean 'target'\?"):
        register(greedy, needs=("tarqet",))


@pytest.mark.usefixtures("scratch")
def test_scores_that_are_not_finite_are_refused(target):
    """A NaN or infinity for a record long enough is a fault; for one too short it is masked."""

    def broken(target):
        """Infinite for the second record."""
        return np.array([-3.0, np.inf, np.nan])[: len(target)]

    with pytest.raises(MnemoscopeError, match="'broken' gave 1 scores that are not finite"):
        register(broken).score({"target": target})
    assert register(broken, min_tokens=2).score({"target": target}).tolist() == [-3.0, None, None]


@pytest.mark.usefixtures("scratch")
def test_a_record_long_enough_is_never_dropped_in_silence(target):
    """A division by zero between reductions is a fault like any other infinity, not an unscored record."""

    def divides(target):
        """Divides by zero."""
        return target.mean("logprob") / (0 * target.mean("logprob"))

    with pytest.raises(MnemoscopeError, match="not finite"):
        register(divides).score({"target": target})


@pytest.mark.usefixtures("scratch")
def test_a_newcomer_adds_an_attack_by_adding_one_file(tmp_path, monkeypatch, target):
    """A new file in the attacks folder is an attack: it is listed, described and scored, and nothing else changes."""
    before = list(registry.attacks())
    (tmp_path / "newcomer.py").write_text(NEWCOMER)
    monkeypatch.setattr(mnemoscope.attacks, "__path__", [*mnemoscope.attacks.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        found = registry.attacks()
        assert sorted([*before, "newcomer"]) == list(found)
        newcomer = found["newcomer"]
        assert (newcomer.summary, newcomer.source) == ("Sum of the log-probabilities, nats.", "a note")
        assert newcomer.score({"target": target}).tolist() == [-3.0, None, None]
        assert newcomer.reason() == "needs 2 or more scored tokens"
    finally:
        sys.modules.pop("mnemoscope.attacks.newcomer", None)
        vars(mnemoscope.attacks).pop("newcomer", None)


def test_the_newcomer_is_gone():
    """A test's attack does not outlive the test."""
    assert "newcomer" not in registry.attacks()
