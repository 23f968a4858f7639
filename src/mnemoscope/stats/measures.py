"""What two fine-tunings are compared by: how well an attack tells members, or how much of them the model kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Moment, Outcome
from mnemoscope.records import Scores
from mnemoscope.stats.averages import weighted_mean
from mnemoscope.stats.intervals import Statistic
from mnemoscope.stats.ranking import mean_area
from mnemoscope.stats.sample import Sample


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of members and non-members, from one score a record."""

    scores: Callable[[Outcome, Moment], Scores]
    """Of a cell after some epochs, shape (n_records,)."""
    of: Callable[[Sample], Statistic]
    base: float
    """Its value for the base model, held against itself."""
    limit: float
    """A difference of two lies in ± this."""


def gain(outcome: Outcome, moment: Moment) -> Scores:
    """What fine-tuning added to each record's mean log-probability, nats a token, shape (n_records,)."""
    empty = outcome.tokens == 0
    added = (outcome.base_losses - moment.losses) / np.where(empty, 1, outcome.tokens)
    return np.ma.masked_array(added, empty)


def mean_excess(sample: Sample) -> Statistic:
    """Mean over members less mean over non-members, NaN where a row of weights leaves a class empty.

    Of `gain` it is the mean counterfactual memorization (Zhang et al. 2021, arXiv:2112.12938) where members were drawn
    at random, group by group: what non-members gained is then what members would have gained, had they not been
    trained on.
    """
    members, nonmembers = weighted_mean(sample.members), weighted_mean(sample.nonmembers)

    def excess(member_weights: NDArray[np.int64], nonmember_weights: NDArray[np.int64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # 0 of 0 records
            return members(member_weights) - nonmembers(nonmember_weights)

    return excess


AUC = Measure(lambda _, moment: moment.scores, mean_area, base=0.5, limit=1.0)
"""Of the study's attack."""
MEMORIZATION = Measure(gain, mean_excess, base=0.0, limit=float("inf"))
"""Mean counterfactual memorization, nats a token; of no attack."""
