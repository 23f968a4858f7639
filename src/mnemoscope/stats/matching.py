"""Where along its training a cell stands when it predicts held-out text as well as another does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Outcome
from mnemoscope.stats.contrasts import Arm


def heldout_path(outcome: Outcome) -> NDArray[np.float64]:
    """Log of the held-out perplexity of the base model and of each moment, nats a token, shape (1 + n_moments,).

    The perplexity is exp(sum of the non-members' losses / sum of their tokens).

    Raises:
        ValueError: the non-members have no token.
    """
    heldout = np.array([record.role == "nonmember" for record in outcome.records], dtype=bool)
    tokens = outcome.tokens[heldout].sum()
    if not tokens:
        raise ValueError(f"the non-members of cell {outcome.setting.cell} have no token")
    losses = [outcome.base_losses, *(moment.losses for moment in outcome.moments)]
    return np.array([loss[heldout].sum() / tokens for loss in losses])


def first_reached(path: NDArray[np.float64], level: float) -> tuple[float, ...]:
    """Weights, shape (n_points,), of the first place on a path at `level`; between points it is a straight line.

    Raises:
        ValueError: the path never falls to `level`, or begins at or below it.
    """
    reached = int(np.argmax(path <= level))
    if not reached:
        raise ValueError(f"a path from {path[0]:g} to {path.min():g} does not fall to {level:g}")
    share = float((path[reached - 1] - level) / (path[reached - 1] - path[reached]))
    weights = np.zeros(len(path))
    weights[reached - 1 : reached + 1] = 1 - share, share
    return tuple(weights.tolist())


def matched(first: Outcome, second: Outcome) -> tuple[Arm, Arm] | str:
    """Both cells at equal held-out perplexity, or why there is no such place.

    Each cell's path starts at the base model, whose AUC is .5 and whose memorization is 0. The common level is the
    higher (worse) of the two best perplexities, so both reach it; each cell is taken where it reaches it first, by
    linear interpolation of log perplexity between moments, and the values of the two moments are weighted accordingly.
    The weights are estimated from the same non-members and held fixed in the bootstrap: its interval does not hold
    their error.
    """
    paths = [heldout_path(outcome) for outcome in (first, second)]
    for outcome, path in zip((first, second), paths, strict=True):
        if path[1:].min(initial=np.inf) >= path[0]:
            return f"{outcome.setting.cell} never predicts held-out text better than the base model"
    level = max(float(path.min()) for path in paths)
    return Arm(first, first_reached(paths[0], level)), Arm(second, first_reached(paths[1], level))
