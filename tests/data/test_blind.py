"""Blind classifiers: they find a shift, find none where there is none, and learn from earlier folds alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mnemoscope import data, seeds
from mnemoscope.folds import group_folds
from mnemoscope.records import Record, Role, Scores

BLIND = (data.blind_words, data.blind_ngrams)
Blind = Callable[[Sequence[Record]], Scores]
WORDS = [f"{a}{b}" for a in ("ba", "de", "fi", "go", "lu") for b in ("ran", "mis", "tol", "vex", "zin", "kap")]


def notes(n: int, *, mark: str = "", seed: int = 0) -> list[Record]:
    """n groups a class, two random texts each; `mark` ends the texts of members."""
    rng, found = seeds.generator(seed, "test"), []
    for i in range(2 * n):
        member = i % 2 == 0
        for k in range(2):
            text = " ".join(rng.choice(WORDS, 8)) + (f" {mark}" if member else "")
            role, part = ("member", "train") if member else ("nonmember", "evaluation")
            found.append(Record(f"r{i}-{k}", text, f"g{i}", role, part))  # type: ignore[arg-type]
    return found


def area(scores: Scores, records: Sequence[Record]) -> float:
    """Mean over folds of the AUC inside each; all but the first fold are scored."""
    folds, member = group_folds(records), np.array([record.role == "member" for record in records])
    assert folds is not None
    np.testing.assert_array_equal(np.ma.getmaskarray(scores), folds == 0)
    return float(np.mean([roc_auc_score(member[folds == k], scores[folds == k]) for k in range(1, folds.max() + 1)]))


@pytest.mark.parametrize("blind", BLIND)
@pytest.mark.parametrize("mark", ["1987", "seen", "Ωmega"])
def test_a_mark_is_found(blind: Blind, mark: str) -> None:
    """A year or a word that only members have separates the classes, members on top."""
    records = notes(50, mark=mark)
    assert area(blind(records), records) > 0.9


@pytest.mark.parametrize("blind", BLIND)
def test_digits_that_only_differ_in_value(blind: Blind) -> None:
    """Two years, one a class, are told apart, so numbers reach the classifier whole."""
    records = [
        dataclasses.replace(record, text=f"{record.text} {1990 if record.role == 'member' else 2015}")
        for record in notes(50)
    ]
    assert area(blind(records), records) > 0.9


@pytest.mark.parametrize("blind", BLIND)
def test_nothing_is_found_in_noise(blind: Blind) -> None:
    """Over several random sets the mean AUC is at chance."""
    found = [area(blind(records), records) for records in (notes(40, seed=seed) for seed in range(4))]
    assert abs(np.mean(found) - 0.5) < 0.06


@pytest.mark.parametrize("blind", BLIND)
def test_siblings_do_not_leak(blind: Blind) -> None:
    """Texts that are the same inside a group tell nothing, since no fit sees the group that it is asked about."""
    records = notes(40)
    pairs = zip(records[::2], records[1::2], strict=True)
    records[1::2] = [dataclasses.replace(two, text=one.text) for one, two in pairs]
    assert abs(area(blind(records), records) - 0.5) < 0.12


@pytest.mark.parametrize("blind", BLIND)
def test_only_earlier_folds_are_learnt_from(blind: Blind) -> None:
    """When texts of one fold change, later folds are scored anew; earlier ones and the rest of it are not."""
    records = notes(30, mark="seen")
    folds = group_folds(records)
    assert folds is not None
    before, one = blind(records), int(np.flatnonzero(folds == 2)[0])
    changed = [
        dataclasses.replace(record, text="quite another text") if fold == 2 and i != one else record
        for i, (record, fold) in enumerate(zip(records, folds, strict=True))
    ]
    after = blind(changed)
    assert after[one] == before[one]
    assert after[folds == 1].tolist() == before[folds == 1].tolist()
    assert not np.isclose(after[folds > 2], before[folds > 2]).any()


@pytest.mark.parametrize("blind", BLIND)
def test_order_does_not_matter(blind: Blind) -> None:
    """Records in another order get the same scores."""
    records = notes(20, mark="seen")
    order = seeds.generator(1, "order").permutation(len(records))
    shuffled = blind([records[i] for i in order])
    assert shuffled.tolist() == blind(records)[order].tolist()


def test_words_agree_with_a_vocabulary() -> None:
    """Hashed word counts give the scores of a TF-IDF vocabulary that was learnt inside the fold."""
    records = sorted(notes(20, mark="seen 7"), key=lambda record: record.id)
    folds, member = group_folds(records), np.array([record.role == "member" for record in records])
    assert folds is not None
    texts = np.array([record.text for record in records], dtype=object)
    expected = np.zeros(len(records))
    for fold in range(1, 5):
        seen, asked = folds < fold, folds == fold
        words = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
        fit = LogisticRegression(solver="liblinear", tol=1e-8).fit(words.fit_transform(texts[seen]), member[seen])
        expected[asked] = fit.decision_function(words.transform(texts[asked]))
    np.testing.assert_allclose(data.blind_words(records)[folds > 0], expected[folds > 0], atol=0.01)


@pytest.mark.parametrize("blind", BLIND)
@pytest.mark.parametrize("text", ["", "…!?", "same", "9", "\u0301\u200d", "日本語 テキスト", "\ud800"])
def test_odd_texts(blind: Blind, text: str) -> None:
    """Texts without words, all alike or in any script, get finite scores that tell nothing."""
    records = [dataclasses.replace(record, text=text) for record in notes(6)]
    scores = blind(records)
    assert np.isfinite(scores.compressed()).all()
    assert area(scores, records) == 0.5


@pytest.mark.parametrize("blind", BLIND)
def test_too_few_groups(blind: Blind) -> None:
    """With fewer groups than folds in a class nothing is scored; nor is there anything to score in no records."""
    records = [record for record in notes(10) if record.role == "member" or record.group in {"g1", "g3", "g5", "g7"}]
    assert np.ma.getmaskarray(blind(records)).all()
    assert len(blind([])) == 0


@pytest.mark.parametrize("blind", BLIND)
def test_one_group_holds_most(blind: Blind) -> None:
    """A group with most of a class costs no crash: the fold that cannot be learnt for is masked, the rest is scored."""
    records = notes(5, mark="seen")
    many = [dataclasses.replace(records[0], id=f"more{k}") for k in range(80)]
    assert np.isfinite(blind([*records, *many]).compressed()).all()


@pytest.mark.parametrize("blind", BLIND)
def test_excluded_records_teach_nothing(blind: Blind) -> None:
    """The text of an excluded record changes nobody else's score; that of a member does."""
    records = notes(20, mark="seen")
    folds = group_folds(records)
    assert folds is not None
    first = next(i for i, record in enumerate(records) if folds[i] == 0 and record.role == "member")

    def scores(role: Role, text: str) -> list[float | None]:
        changed = dataclasses.replace(records[first], role=role, text=text)
        found: list[float | None] = blind([*records[:first], changed, *records[first + 1 :]]).tolist()
        return found[:first] + found[first + 1 :]

    assert scores("excluded", "seen") == scores("excluded", "never heard of")
    assert scores("member", "seen") != scores("member", "never heard of")
