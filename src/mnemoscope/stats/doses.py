"""Whether more copies, and more epochs, leave more to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import Answer, Moment, Outcome, Rules
from mnemoscope.records import Scores
from mnemoscope.seeds import generator
from mnemoscope.stats.alike import Alike, alike
from mnemoscope.stats.averages import weighted_mean
from mnemoscope.stats.comparison import Paired
from mnemoscope.stats.decisions import Claim, decided
from mnemoscope.stats.partial import partial_spearman
from mnemoscope.stats.pooled import Panel, pooled
from mnemoscope.stats.ranking import mean_area
from mnemoscope.stats.spreads import Left

Doses = Mapping[int, Outcome]
"""The cells of one seed by how often the planted records stand in the training set."""

MEASURES = {
    "probability": ("mean probability that one sample is the whole suffix", True),
    "share": ("mean n-gram share", True),
    "verbatim": ("share given back word for word", True),
    "logprob": ("mean log-probability of the record, nats a token", False),
}
"""What is compared between doses, in words, and whether it lies in 0..1."""
PAPER = "one record came back whole with 16 copies at temperature .1, with 32 at all (Table A.1)"
FEWEST_DOSES = 3


def dose_answers(outcomes: Sequence[Outcome], rules: Rules, *, seed: int) -> list[Answer]:
    """The answers to the questions "copies" and "epochs".

    Copies: the same records after many copies less after 1, paired, of every kind of cell that was trained with 1 copy
    and with more; and the rank correlation of dose and suffix probability over all doses. The log-probability is that
    of the whole record, because that of a suffix is -inf where a decoding cuts off some token. The training sets differ
    in what the copies overwrote, too.

    Epochs: AUC at the end less AUC after the first measured epoch, and less AUC after the epoch at which held-out
    perplexity is lowest (is there leakage that buys no utility?). A seed where that is the end cannot say anything. The
    epoch is held fixed in the intervals; it was chosen on the same held-out records.

    A share's or a probability's margin is that of an AUC, and so is that of the log-probability.
    """
    copies = alike(outcomes, apart=("copies", "planted"))
    claims = [claim for same in copies for claim in _of_copies(same, rules, seed)]
    claims += [claim for same in alike(outcomes) for claim in _of_epochs(same, rules, seed)]
    return decided(claims, rules)


def _of_copies(same: Alike, rules: Rules, seed: int) -> Iterator[Claim]:
    by_seed = _doses(same)
    most = max((max(doses) for doses in by_seed.values()), default=1)
    if most == 1 or not any(1 in doses and most in doses for doses in by_seed.values()):
        return
    for name, (words, bounded) in MEASURES.items():
        found = [_more(one, doses, most, name) for one, doses in by_seed.items()]
        if name in ("probability", "logprob") or any(isinstance(one, Panel) for one in found):
            text = f"{most} copies leave more than 1: {words} of the planted records ({same.label})"
            spread = pooled(found, rules, generator(seed, "copies", same.label), bounded=bounded)
            answer = spread.answer("copies", text, "copies", f"difference of {words}", PAPER, rules.level)
            yield Claim(answer, "above", rules.auc_margin)
    if max(map(len, by_seed.values())) >= FEWEST_DOSES:
        yield _trend(same, by_seed, rules, seed)


def _trend(same: Alike, by_seed: Mapping[int, Doses], rules: Rules, seed: int) -> Claim:
    spread = pooled((_rising(*one) for one in by_seed.items()), rules, generator(seed, "copies", same.label))
    claim = f"the more copies, the more probable the suffix of the planted records ({same.label})"
    statistic = "Spearman correlation of copies and suffix probability"
    answer = spread.answer("copies", claim, "copies", statistic, "", rules.level)
    return Claim(answer, "above", rules.correlation_margin)


def _doses(same: Alike) -> Mapping[int, Doses]:
    """Seed to its cells; of two with equal copies the one with more planted records."""
    found: dict[int, dict[int, Outcome]] = {}
    for one in sorted(same.outcomes, key=lambda one: one.setting.planted):
        found.setdefault(one.setting.seed, {})[one.setting.copies] = one
    return found


def _more(seed: int, doses: Doses, most: int, name: str) -> Panel | Left:
    """The planted records' values after the largest dose less their values after one copy."""
    if 1 not in doses or most not in doses:
        return Left(seed, f"needs a cell with 1 copy and one with {most}")
    ids = _planted(doses, (1, most))
    first, last = (_values(doses[copies], name, ids) for copies in (1, most))
    known = np.isfinite(last - first)
    if not known.any():
        return Left(seed, "no planted record was measured in both cells")
    groups = np.array([_groups(doses[most])[one] for one in ids])[known]
    return Panel(seed, tuple(groups.tolist()), weighted_mean((last - first)[known]), int(known.sum()))


def _rising(seed: int, doses: Doses) -> Panel | Left:
    """Copies and suffix log-probability of the records that were planted at every dose, a row each."""
    if len(doses) < FEWEST_DOSES:
        return Left(seed, f"needs {FEWEST_DOSES} or more numbers of copies, got {len(doses)}")
    ids = _planted(doses, tuple(doses))
    y = np.concatenate([_values(one, "suffix", ids) for one in doses.values()])
    x, known = np.repeat([float(copies) for copies in doses], len(ids)), ~np.isnan(y)
    if not known.any():
        return Left(seed, "no planted record was measured")
    groups = np.tile([_groups(doses[max(doses)])[one] for one in ids], len(doses))[known]
    return Panel(seed, tuple(groups.tolist()), partial_spearman(x[known], y[known]), int(known.sum()))


def _planted(doses: Doses, among: tuple[int, ...]) -> list[str]:
    """Ids of the records planted at each of these doses above 1 that are members at all of them."""
    sets = [
        {record.id for record in doses[n].records if record.role == "member" and (n == 1 or record.copies > 1)}
        for n in among
    ]
    return sorted(set.intersection(*sets))


def _groups(outcome: Outcome) -> dict[str, str]:
    return {record.id: record.group for record in outcome.records}


def _values(outcome: Outcome, name: str, ids: Sequence[str]) -> NDArray[np.float64]:
    """One measure of the records `ids`, shape (n_ids,); NaN where a record has none."""
    known = _READ[name](outcome)
    return np.array([known.get(one, np.nan) for one in ids], dtype=np.float64)


def _suffix(outcome: Outcome) -> dict[str, float]:
    """Log-probability under the first decoding, nats."""
    scores: Scores | None = next(iter(outcome.suffix_logprob.values()), None)
    if scores is None:
        return {}
    pairs = zip(outcome.records, np.ma.getdata(scores), np.ma.getmaskarray(scores), strict=True)
    return {record.id: float(value) for record, value, missing in pairs if not missing}


def _logprob(outcome: Outcome) -> dict[str, float]:
    pairs = zip(outcome.records, outcome.moments[-1].losses, outcome.tokens, strict=True)
    return {record.id: -float(loss) / float(tokens) for record, loss, tokens in pairs if tokens}


_READ: Mapping[str, Callable[[Outcome], dict[str, float]]] = {
    "suffix": _suffix,
    "probability": lambda outcome: {name: float(np.exp(value)) for name, value in _suffix(outcome).items()},
    "share": lambda outcome: {row.id: row.ngram_share for row in outcome.generations if row.draw == 0},
    "verbatim": lambda outcome: {name: float(hit) for name, hit in outcome.verbatim.items()},
    "logprob": _logprob,
}


def _of_epochs(same: Alike, rules: Rules, seed: int) -> Iterator[Claim]:
    several = [one for one in same.outcomes if len(one.moments) > 1]
    if not several:
        return
    texts = {
        f"AUC grows from the first measured epoch to the last ({same.label})": _first,
        f"AUC goes on growing after held-out perplexity is lowest ({same.label})": _best,
    }
    for text, since in texts.items():
        found = (_grown(one, since(one)) for one in several)
        spread = pooled(found, rules, generator(seed, "epochs", same.label))
        if since is _best:
            spread = replace(spread, reason="; ".join(part for part in (spread.reason, _when(several)) if part))
        yield Claim(
            spread.answer("epochs", text, "epochs", "difference of AUC", "", rules.level), "above", rules.auc_margin
        )


def _when(outcomes: Sequence[Outcome]) -> str:
    parts = [f"{_best(one).epoch:g} (seed {one.setting.seed})" for one in outcomes]
    return f"held-out perplexity is lowest after epoch {', '.join(parts)}"


def _first(outcome: Outcome) -> Moment:
    return outcome.moments[0]


def _best(outcome: Outcome) -> Moment:
    """The earliest moment with the lowest perplexity of held-out records; all are measured on the same tokens."""
    heldout = np.array([record.role == "nonmember" for record in outcome.records], dtype=bool)
    return min(outcome.moments, key=lambda moment: float(moment.losses[heldout].sum()))


def _grown(outcome: Outcome, since: Moment) -> Panel | Left:
    seed, end = outcome.setting.seed, outcome.moments[-1]
    if since is end:
        return Left(seed, "held-out perplexity is lowest at the end, nothing was trained beyond it")
    pair = Paired.of(end.scores, since.scores, outcome.records)
    if reason := pair.gap():
        return Left(seed, reason)
    last, first, n = mean_area(pair.first), mean_area(pair.second), len(pair.first.members)
    names = np.array(sorted({record.group for record in outcome.records}))  # the order of the sample's codes
    groups = names[np.concatenate((pair.first.member_groups, pair.first.nonmember_groups))]

    def grown(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return last(weights[:, :n], weights[:, n:]) - first(weights[:, :n], weights[:, n:])

    return Panel(seed, tuple(groups.tolist()), grown, n, len(groups) - n)
