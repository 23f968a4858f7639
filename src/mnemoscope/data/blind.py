"""Classifiers that never see a model: what they tell apart, a membership attack cannot claim to have found.

After Das et al. 2024 (arXiv:2406.16201), whose blind attacks beat the published ones on sets with a shift, and Meeus
et al. (arXiv:2406.17975). Folds keep groups whole: on PHEE random folds let siblings give the label away (AUC .71).

Each fold of `folds.group_folds` is scored by a fit on the folds before it, and the first is not scored. In ordinary
cross-validation each pair of folds speaks twice, once each way, and both say the same of a chance likeness: where
nothing is there, the AUC spreads about 1.4 times as wide as its standard error says, and one valid audit in six gets
p < .05. With folds in order every pair speaks once, so that given the past a fold is a fresh test (a martingale
difference; Dawid 1984, J. R. Stat. Soc. A 147:278), and the usual standard error is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnemoscope.folds import group_folds
from mnemoscope.records import Record, Scores

FEATURES = 2**18
"""Columns that n-grams are hashed to. Hashing learns nothing from the texts, so it may be done before the folds are
cut, and a text without any word is an empty row rather than an error."""
TOKEN = r"(?u)\b\w+\b"
"""Words of one letter and numbers count too: a year or a dose can tell the classes apart."""

Matrix = Any
"""A scipy sparse matrix of shape (n_records, n_features)."""


def blind_words(records: Sequence[Record]) -> Scores:
    """How much the words of a text look like those of members: logistic regression on word TF-IDF, by fold.

    Shape (n_records,); higher = more likely a member, and comparable inside one fold of `group_folds` only. Masked in
    the first fold, which has none before it to learn from, and in all where a class has too few groups for folds.
    """
    from sklearn.linear_model import LogisticRegression

    return _crossed(records, _counted({"analyzer": "word"}), lambda: LogisticRegression(solver="liblinear"))


def blind_ngrams(records: Sequence[Record]) -> Scores:
    """The same by runs of 2 to 3 words and of 3 to 5 characters inside a word, with ridge regression on the labels.

    Ridge is as strong as logistic regression on these features and twice as fast.
    """
    from sklearn.linear_model import RidgeClassifier

    counted = _counted({"analyzer": "word", "ngram_range": (2, 3)}, {"analyzer": "char_wb", "ngram_range": (3, 5)})
    return _crossed(records, counted, lambda: RidgeClassifier(solver="sparse_cg"))


def _counted(*analysers: dict[str, Any]) -> Callable[[Sequence[str]], Matrix]:
    """A function from texts to counts of hashed n-grams, the columns of all analysers side by side."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    made = [
        HashingVectorizer(token_pattern=TOKEN, n_features=FEATURES, norm=None, alternate_sign=False, **analyser)
        for analyser in analysers
    ]

    def count(texts: Sequence[str]) -> Matrix:
        plain = [text.encode(errors="replace").decode() for text in texts]  # half a surrogate pair cannot be hashed
        return hstack([one.transform(plain) for one in made], format="csr")

    return count


def _crossed(
    records: Sequence[Record], counted: Callable[[Sequence[str]], Matrix], classifier: Callable[[], Any]
) -> Scores:
    """Scores of each fold by a fit on the members and non-members of the folds before it."""
    scores: Scores = np.ma.masked_array(np.zeros(len(records)), mask=True)
    folds = group_folds(records)
    if folds is None:
        return scores
    # by id, so that sums inside the fit do not depend on the order in which the records came
    order = np.array(sorted(range(len(records)), key=lambda i: records[i].id), dtype=np.int64)
    counts, roles = counted([records[i].text for i in order]), np.array([records[i].role for i in order])
    for fold in range(int(folds.max()) + 1):
        asked, learnt = folds[order] == fold, (folds[order] < fold) & (roles != "excluded")
        labels = roles[learnt] == "member"
        if asked.any() and labels.any() and not labels.all():
            scores[order[asked]] = _fitted(counts[learnt], labels, counts[asked], classifier())
    return scores


def _fitted(known: Matrix, labels: NDArray[np.bool_], asked: Matrix, classifier: Any) -> NDArray[np.float64]:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfTransformer(sublinear_tf=True), classifier).fit(known, labels)
    return np.asarray(model.decision_function(asked), dtype=np.float64)
