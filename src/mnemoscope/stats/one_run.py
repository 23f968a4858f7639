"""What one training run proves about its privacy (Steinke, Nasr & Jagielski 2023, arXiv:2305.08846).

Every unit (a canary with all its copies, or a group of records) was put into the training set by a fair coin of its
own. Whoever sees the model guesses some of the coins and leaves out the rest. Differential privacy bounds how many
guesses can be right, so many right guesses refute it. The bound is from below: it never shows that a run is private.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from mnemoscope.records import Estimate, Scores
from mnemoscope.seeds import generator

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the units that are guessed, half of them from the top as in and half from the bottom as out. Declared here
and not chosen by the data: the best of them is reported with Bonferroni's correction for all."""


class Guessed(NamedTuple):
    """One number of guesses, and what came of it."""

    guesses: int
    correct: int


def p_value(units: int, guesses: int, correct: int, epsilon: float, delta: float = 0.0) -> float:
    """The largest probability with which an (epsilon, delta)-private run lets so many guesses be correct.

    Theorem 5.2 of the paper: with W binomial over `guesses` trials of probability e^epsilon / (1 + e^epsilon),
    Pr[W >= correct] + 2 units delta max over i of Pr[correct - i <= W < correct] / i, for i from 1 to `correct`.

    Raises:
        ValueError: not 0 <= correct <= guesses <= units, epsilon is below 0, or delta not in [0, 1].
    """
    if not 0 <= correct <= guesses <= units or epsilon < 0 or not 0 <= delta <= 1:
        raise ValueError(
            "needs 0 <= correct <= guesses <= units, epsilon >= 0 and delta in [0, 1]; "
            f"got {correct}, {guesses}, {units}, {epsilon}, {delta}"
        )
    q = float(special.expit(epsilon))
    # at least `correct` right is at most guesses - correct wrong: 1 - q loses no digits in expit(-epsilon)
    beta = float(special.bdtr(guesses - correct, guesses, special.expit(-epsilon)))
    if not delta or not correct:
        return min(1.0, beta)
    below = np.cumsum(_binomial(np.arange(correct)[::-1], guesses, q))  # Pr[correct - i <= W < correct], i = 1, 2, …
    return min(1.0, beta + 2 * units * delta * float((below / np.arange(1, correct + 1)).max()))


def _binomial(k: NDArray[np.int64], n: int, q: float) -> NDArray[np.float64]:
    """Probability of k successes in n trials, shape of k."""
    log_ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.asarray(np.exp(log_ways + special.xlogy(k, q) + special.xlog1py(n - k, -q)), dtype=np.float64)


def epsilon_lower_bound(units: int, guesses: int, correct: int, *, delta: float = 0.0, level: float = 0.95) -> float:
    """The epsilon below which (epsilon, delta)-privacy is refuted at this level; 0 where nothing is.

    Every smaller epsilon has a `p_value` of at most 1 - level.
    """
    alpha = 1 - level

    def excess(epsilon: float) -> float:
        return p_value(units, guesses, correct, epsilon, delta) - alpha

    if not guesses or excess(0.0) > 0:
        return 0.0
    high = 1.0
    while excess(high) <= 0:  # it ends: with a large epsilon all guesses may be right
        high *= 2
    return float(optimize.brentq(excess, 0 if high == 1 else high / 2, high, xtol=1e-10))


def ceiling(units: int, guesses: int, *, delta: float = 0.0, level: float = 0.95) -> float:
    """The bound if every guess were right: no audit with so many guesses can show more."""
    return epsilon_lower_bound(units, guesses, guesses, delta=delta, level=level)


def guess_counts(units: int, shares: Sequence[float] = SHARES) -> list[int]:
    """Distinct even numbers of guesses for these shares of the units, at least 2 where there are 2 units."""
    found = {max(2, 2 * int(share * units / 2)) for share in shares}
    return sorted(count for count in found if count <= units)


def guess(scores: NDArray[np.float64], included: NDArray[np.bool_], guesses: int, rng: np.random.Generator) -> Guessed:
    """Guess half of `guesses` at the top as in and half at the bottom as out; shapes (units,).

    Equal scores are put in random order, so that neither the order of the units nor their labels decides which of
    them are guessed.
    """
    order = np.lexsort((rng.permutation(len(scores)), scores))
    half = guesses // 2
    correct = int(included[order[len(order) - half :]].sum()) + int((~included[order[:half]]).sum())
    return Guessed(2 * half, correct)


def one_run_audit(
    scores: Scores,
    included: NDArray[np.bool_],
    name: str = "one_run",
    *,
    delta: float = 0.0,
    level: float = 0.95,
    seed: int,
    shares: Sequence[float] = SHARES,
) -> list[Estimate]:
    """Epsilon that this run refutes, beside the most that so many guesses could have shown; both per unit.

    The units' inclusion must be by fair and independent coins. Each of the declared `shares` is tried at
    1 - (1 - level) / their number, and the largest bound is reported (of equals the one with most guesses).

    Args:
        scores: one a unit, shape (units,), higher = more likely in; a masked one is never guessed.
        included: what the coins said, shape (units,).
        name: what the names begin with: NAME.epsilon, NAME.ceiling, NAME.guesses, NAME.correct.
        delta: of the (epsilon, delta)-privacy that is tested.
        level: of all bounds together.
        seed: of the order among equal scores.
        shares: shares of the units to guess, declared before the scores are seen.

    Raises:
        ValueError: `scores` and `included` differ in length.
    """
    if len(scores) != len(included):
        raise ValueError(f"{len(scores)} scores for {len(included)} coins")
    kept = ~np.ma.getmaskarray(scores)
    values, inside = np.ma.getdata(scores)[kept].astype(np.float64), np.asarray(included, dtype=bool)[kept]
    empty = _empty(name, level, inside, int((~kept).sum()))
    counts = guess_counts(len(values), shares)
    if not counts:
        reason = f"needs 2 or more scored units, got {len(values)}"
        return [replace(empty, name=f"{name}.{what}", reason=reason) for what in ("epsilon", "ceiling")]
    each = 1 - (1 - level) / len(counts)
    tried = [guess(values, inside, count, generator(seed, "one run", str(count))) for count in counts]
    units = len(scores)
    bounds = [epsilon_lower_bound(units, one.guesses, one.correct, delta=delta, level=each) for one in tried]
    bound, best = max(zip(bounds, tried, strict=True), key=lambda pair: (pair[0], pair[1].guesses))
    most = ceiling(units, best.guesses, delta=delta, level=each)
    return _stated(
        empty, best, bound, most, f"{best.guesses} of {units} units guessed, delta {delta:g}, {_tried(counts)}"
    )


def _tried(counts: Sequence[int]) -> str:
    listed = ", ".join(map(str, counts))
    return f"Bonferroni over {listed} guesses" if len(counts) > 1 else "fixed in advance"


def _empty(name: str, level: float, inside: NDArray[np.bool_], n_unscored: int) -> Estimate:
    """An estimate with the counts of the units and no value; every unit is its own group."""
    n_in, n_out = int(inside.sum()), int((~inside).sum())
    return Estimate(name, None, None, None, level, "none", n_in, n_out, n_in, n_out, n_unscored)


def _stated(empty: Estimate, best: Guessed, bound: float, most: float, how: str) -> list[Estimate]:
    none = "nothing refuted: this does not show that the run is private" if bound == 0 else None
    method = f"one-run audit (Steinke et al. 2023), lower bound alone, {how}"
    wanted = [
        ("epsilon", bound, replace(empty, low=bound, method=method, reason=none)),
        ("ceiling", most, replace(empty, method=f"the bound if all were right, {how}")),
        ("guesses", float(best.guesses), replace(empty, method="count")),
        ("correct", float(best.correct), replace(empty, method="count")),
    ]
    return [replace(one, name=f"{empty.name}.{what}", value=value) for what, value, one in wanted]
