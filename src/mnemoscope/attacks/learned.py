"""The learned attack: all that two traces hold, weighed by a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.attacks.ez import ez
from mnemoscope.attacks.loss import loss
from mnemoscope.attacks.lr_diff import lr_diff
from mnemoscope.attacks.lr_ratio import lr_ratio
from mnemoscope.attacks.lr_sum import lr_sum, token_ratios
from mnemoscope.attacks.min_k import min_k
from mnemoscope.attacks.min_k_calibrated import min_k_calibrated
from mnemoscope.attacks.min_k_plus_plus import min_k_plus_plus, z_scores
from mnemoscope.attacks.min_k_plus_plus_calibrated import min_k_plus_plus_calibrated
from mnemoscope.attacks.surp import surp
from mnemoscope.attacks.wbc import wbc
from mnemoscope.attacks.zlib import zlib
from mnemoscope.records import Scores
from mnemoscope.registry import Seen, Unscorable, attack
from mnemoscope.traces import Traces

OF_TARGET = (loss, zlib, min_k, min_k_plus_plus, surp)
OF_BOTH = (lr_sum, lr_diff, min_k_calibrated, min_k_plus_plus_calibrated, wbc)
OF_RATIOS = (lr_ratio, ez)
"""These run to 1e12 and above, so their logarithm is taken."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@attack(source="after Ilic 2026 (LT-MIA), arXiv:2604.03199", needs=("target", "reference"), fitted=True)
def learned(seen: Seen, target: Traces, reference: Traces) -> Scores:
    """Log-odds of membership by boosted trees over the other attacks' scores and summaries of the tokens.

    The trees take the place of the source's transformer, which needs many fine-tuned models to learn from; these learn
    from the records of the other folds alone.

    Raises:
        Unscorable: there are no members or no non-members with tokens to learn from.
    """
    return log_odds(fit(seen), target, reference)


def fit(seen: Seen) -> Any:
    """A scikit-learn classifier of members, shallow and slow to learn, so that 200 records do not overfit it."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    held = seen.traces["target"].lengths > 0
    known, member = features(seen.traces["target"], seen.traces["reference"])[held], seen.member[held]
    if member.all() or not member.any():
        raise Unscorable("no members, or no non-members, with tokens to learn from")
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=80, max_depth=2, min_samples_leaf=10, l2_regularization=1.0,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    return trees.fit(known, member)


def log_odds(classifier: Any, target: Traces, reference: Traces) -> Scores:
    """The classifier's decision function, shape (n,); masked where a record has no tokens."""
    scores, held = np.zeros(len(target)), target.lengths > 0
    if held.any():
        scores[held] = classifier.decision_function(features(target, reference)[held])
    return np.ma.masked_array(scores, mask=~held)


def features(target: Traces, reference: Traces) -> NDArray[np.float64]:
    """What the classifier sees, shape (n, features); 0 throughout for a record without tokens."""
    d = token_ratios(target, reference)
    columns = [one(target) for one in OF_TARGET] + [one(target, reference) for one in OF_BOTH]
    columns += [np.ma.log(1 + one(target, reference)) for one in OF_RATIOS]
    columns += [summary for traces in (target, reference) for summary in summaries(traces)]
    return np.column_stack([column.filled(0) for column in columns] + [spread(target, d)])


def summaries(traces: Traces) -> tuple[Scores, ...]:
    """Of one model: mean log rank, share of errors of greedy decoding, mean gap and mean z-score."""
    log_rank, missed = np.log(traces.values("rank"), dtype=np.float64), traces.values("gap") < 0
    return tuple(traces.mean(one) for one in (log_rank, missed, "gap", z_scores(traces)))


def spread(target: Traces, d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation and QUANTILES of `d` over each record's tokens, shape (n, 6)."""
    found = np.zeros((len(target), 1 + len(QUANTILES)))
    for rows, values in target.by_length(d):
        ranked = np.sort(values, axis=1)
        place = np.array(QUANTILES) * (ranked.shape[1] - 1)  # linear between the two nearest, as np.quantile does
        low = place.astype(np.int64)
        high = np.minimum(low + 1, ranked.shape[1] - 1)
        found[rows, 0] = ranked.std(axis=1)
        found[rows, 1:] = ranked[:, low] * (1 - (place - low)) + ranked[:, high] * (place - low)
    return found
