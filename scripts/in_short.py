"""The first section of docs/results.md, written by hand, and the decisions that its sentences rest on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from study_results import Kept

from mnemoscope.answers import Answer

TEXT = """## In short

Written by hand; the numbers stand in the tables below, and `scripts/in_short.py` names the decisions that the text
rests on. What it says of ranks and copies on a quarter comes from one seed, which decides nothing, and is not checked.

* **Matrices.** The paper's order does not hold here. Held against the base, which is how the paper attacks, V and O do
  not give a larger AUC than Q and K, on a sixteenth and on a quarter of PHEE, after equal training and at equal
  held-out perplexity; on the quarter it is smaller in all four pairs, and so it is in the one seed on all of PHEE, by
  less. At the paper's own learning rate, a third of ours, V is behind as well, and O is not told apart. A part of it is
  the yardstick: V and O learn the domain best, and against references that know it O is ahead of K, and V is not ahead
  of Q. Counterfactual memorization, which needs no reference, puts O ahead of K after equal training, and ahead of Q on
  the sixteenths, but V behind Q on the quarter. What does hold: at equal size Q and K together leave more than either
  alone.
* **Perplexity.** The lower the fine-tuned perplexity of a record planted four times, the more probable is its suffix,
  more so than of records never seen; the suffix is a part of the record, so that the two are tied. The n-gram share,
  too, is the higher the lower it is, for records that were trained on once; for planted ones that stays open, as does
  most of the rest.
* **Rank.** At a fixed alpha the first ranks have nearly all of it: AUC levels off at once on a sixteenth, by rank 4 on
  a quarter (one seed), where the paper sees it at about 50. With alpha in proportion to the rank it grows from rank 1
  to 64, which points to the scale of the update more than to its rank; the two were not taken apart further.
* **Copies.** Eight copies an epoch bring nearly every planted record back word for word on a sixteenth, and one in four
  on a quarter, where 32 bring back every one (one seed).
* **Epochs.** AUC grows from the first epoch to the last; past the best held-out perplexity, where training went so far,
  it goes on growing for O, and stays open for V.
"""


class Rest(NamedTuple):
    """What every matching claim of these studies must have come to."""

    studies: tuple[str, ...]
    claim: str
    """A regular expression that matches the whole claim."""
    decision: str
    surely_less: bool = False
    """Whether their intervals lie below 0 as well: across seeds, or from the records where there is one seed."""


YES, NO, OPEN = "replicates", "does not replicate", "not resolved"
LARGER, AFTER = "[VO] gives a larger AUC than [QK] at rank 4", "at equal held-out perplexity"
MORE = "leaves more counterfactual memorization than"
TUNED, SUFFIX = "fine-tuned perplexity", "the log-probability of the suffix"
RESTS = (
    # Matrices
    Rest(("quarter",), f"{LARGER}( {AFTER})?", NO, surely_less=True),
    Rest(("phee_all",), f"{LARGER}( {AFTER})?", OPEN, surely_less=True),
    Rest(("epochs",), f"{LARGER}( {AFTER})?", NO),
    Rest(("sixteenth",), rf"{LARGER} \(.*, 3 epochs, learning rate 0.003\)", NO),
    Rest(("sixteenth",), r"V gives a larger AUC than [QK] at rank 4 \(.*, learning rate 0.001\)", NO, surely_less=True),
    Rest(("sixteenth",), r"O gives a larger AUC than [QK] at rank 4 \(.*, learning rate 0.001\)", OPEN),
    Rest(("references",), "V gives a larger AUC than Q at rank 4", NO),
    Rest(("references",), "O gives a larger AUC than K at rank 4", YES),
    Rest(("quarter", "epochs", "references"), f"O {MORE} K at rank 4", YES),
    Rest(("epochs", "references"), f"O {MORE} Q at rank 4", YES),
    Rest(("quarter",), f"V {MORE} Q at rank 4", NO, surely_less=True),
    Rest(("pairs",), r"Q\+K at rank 6 .* with as many parameters", YES),
    # Perplexity, of records planted four times
    Rest(("ranks",), f"the lower {TUNED}, the higher {SUFFIX} of planted records, given .*, 4 copies.*", YES),
    Rest(("ranks",), f"{TUNED} says more of {SUFFIX} of planted than of held-out records, .*, 4 copies.*", YES),
    Rest(("ranks",), f"the lower {TUNED}, the higher the n-gram share of records trained on once .*, 4 copies.*", YES),
    Rest(("ranks",), f"the lower {TUNED}, the higher the n-gram share of planted records.*, 4 copies.*", OPEN),
    # Rank
    Rest(("ranks",), r"AUC grows with rank, from rank 1 to 64 \(alpha fixed\)", NO),
    Rest(("ranks",), r"AUC levels off, .* \(alpha fixed\)", YES),
    Rest(("ranks",), r"AUC grows with rank, from rank 1 to 64 \(alpha proportional\)", YES),
    # Copies
    Rest(("ranks",), "8 copies leave more than 1: share given back word for word .*", YES),
    # Epochs
    Rest(("quarter", "epochs"), "AUC grows from the first measured epoch to the last .*", YES),
    Rest(("epochs",), r"AUC goes on growing after held-out perplexity is lowest \(O, rank 4\)", YES),
    Rest(("epochs",), r"AUC goes on growing after held-out perplexity is lowest \(V, rank 4\)", OPEN),
)


def unsaid(studies: Sequence[Kept]) -> list[str]:
    """What the text rests on and the studies do not say, or no longer."""
    known = {one.name: one.answers for one in studies}
    return [
        f"{study}: {rest.claim}: {rest.decision}{', below 0' if rest.surely_less else ''}"
        for rest in RESTS
        for study in rest.studies
        if not _holds(rest, [one for one in known.get(study, ()) if re.fullmatch(rest.claim, one.claim)])
    ]


def _holds(rest: Rest, answers: Sequence[Answer]) -> bool:
    highest = [one.high if one.seed_high is None else one.seed_high for one in answers]
    less = all(high is not None and high < 0 for high in highest)
    return {one.decision for one in answers} == {rest.decision} and (less or not rest.surely_less)
