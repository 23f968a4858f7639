"""What one cell measured, a point a statistic and moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope.answers import STATISTICS, Moment, Outcome, Point, Rules
from mnemoscope.records import Estimate
from mnemoscope.seeds import generator
from mnemoscope.stats.averages import excess, mean, perplexity
from mnemoscope.stats.measures import gain
from mnemoscope.stats.ranking import auc
from mnemoscope.stats.rates import tpr_at_fpr
from mnemoscope.stats.sample import Sample, group_codes
from mnemoscope.stats.score_estimates import How

LOW_FPR = 0.01
AREA = re.compile(r"membership\.(\w+)\.auc")
"""Where a summary has the AUC of an attack over records."""
BASE = {"perplexity_base_members": "perplexity_members", "perplexity_base_heldout": "perplexity_heldout"}
"""What is known of the base model, and what it is called at epoch 0."""

Side = Literal["member", "nonmember"]
Found = dict[str, Estimate]
"""Statistic to its estimate."""


def points(outcome: Outcome, rules: Rules, *, seed: int) -> list[Point]:
    """Every statistic of `answers.STATISTICS` that a finished cell can give, by epoch, epoch 0 being the base model.

    At the end they are the cell's own estimates, as its summary has them; where it has none, and after earlier epochs,
    they are computed here, with group bootstraps that draw the same for all cells of a seed. Planted records count
    among the members of the perplexities and of what comes back verbatim or by sampling, not among those of
    `ngram_share_members`. A value that was asked for and could not be had has a reason.
    """
    cell = _Cell(outcome, rules, seed)
    end = cell.end()
    found = [cell.point(0.0, BASE[name], end[name]) for name in BASE]
    for moment in outcome.moments[:-1]:
        found += [cell.point(moment.epoch, name, one) for name, one in cell.moment(moment).items()]
    order = {name: place for place, name in enumerate(STATISTICS)}
    ranked = sorted(end, key=lambda name: order.get(name, len(order)))
    return found + [cell.point(outcome.setting.epochs, name, end[name]) for name in ranked]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A finished cell and how its intervals are made."""

    outcome: Outcome
    rules: Rules
    seed: int

    def point(self, epoch: float, statistic: str, one: Estimate) -> Point:
        return Point(
            **asdict(self.outcome.setting),
            epoch=epoch,
            statistic=statistic,
            value=one.value,
            low=one.low,
            high=one.high,
            level=one.level,
            method=one.method,
            n_members=one.n_members,
            n_nonmembers=one.n_nonmembers,
            n_member_groups=one.n_member_groups,
            n_nonmember_groups=one.n_nonmember_groups,
            reason=one.reason,
        )

    def moment(self, moment: Moment) -> Found:
        """What is measured after every epoch."""
        sample = Sample.of(moment.scores, self.outcome.records)
        areas = {
            "auc": auc(sample, "auc", **self._how("scores")),
            "tpr_at_1": tpr_at_fpr(sample, "tpr_at_1", fpr=LOW_FPR, **self._how("scores")),
        }
        return areas | self._memorization(moment) | self._perplexities(moment.losses, "perplexity")

    def _memorization(self, moment: Moment) -> Found:
        """What members gained beyond what non-members did; nothing where some were trained on more often than once."""
        if self.outcome.setting.copies > 1:
            return {}
        added, sets = gain(self.outcome, moment), self._sets()
        known, values, name = ~np.ma.getmaskarray(added), np.ma.getdata(added), "memorization"
        ours, theirs = (
            mean(values[rows], self._groups(rows), name, role=_side(who), **self._how(f"{name} {who}"))
            for who, rows in ((who, sets[who] & known) for who in ("members", "nonmembers"))
        )
        return {name: excess(ours, theirs, name)}

    def end(self) -> Found:
        """What is measured at the end, and of the base model."""
        known = dict(self._looked_up())
        base = {} if BASE.keys() <= known.keys() else self._perplexities(self.outcome.base_losses, "perplexity_base")
        last = self.moment(self.outcome.moments[-1])
        return base | last | self._planted_share() | dict(self._sampled()) | known

    def _looked_up(self) -> Iterator[tuple[str, Estimate]]:
        for name, path in _paths(self.rules.attack, self._prefix()).items():
            if path in self.outcome.estimates:
                yield name, self.outcome.estimates[path]
        for path, one in self.outcome.estimates.items():
            if attack := AREA.fullmatch(path):
                yield f"auc@{attack[1]}", one

    def _prefix(self) -> str:
        """The first prefix, as it was asked for."""
        if self.outcome.generations:
            return self.outcome.generations[0].prefix
        ending = ".verbatim.members"
        paths = (name for name in self.outcome.estimates if name.startswith("extraction.") and name.endswith(ending))
        return next((path.removeprefix("extraction.").removesuffix(ending) for path in paths), "")

    def _sampled(self) -> Iterator[tuple[str, Estimate]]:
        """The mean probability of giving back a suffix in one sample, by decoding; the first also without its name."""
        for n, (label, scores) in enumerate(self.outcome.suffix_logprob.items()):
            known = ~np.ma.getmaskarray(scores)
            values = np.exp(np.where(known, np.ma.getdata(scores), -np.inf))
            path = f"sampling.{self._prefix()}.{label}.expected.n1"
            for who, rows in self._sets().items():
                if who == "planted" and not rows.any():
                    continue
                there = self.outcome.estimates.get(f"{path}.{who}")
                one = there or self._mean(values, rows & known, f"{path}.{who}", _side(who))
                name = who if who == "planted" else f"suffix_probability_{who}"
                if n == 0 and who != "planted":
                    yield name, one
                if who != "nonmembers":
                    yield f"{name}@{label}", one

    def _planted_share(self) -> Found:
        shares = {row.id: row.ngram_share for row in self.outcome.generations if row.draw == 0}
        rows = self._sets()["planted"]
        if not (shares and rows.any()):
            return {}
        known = np.array([record.id in shares for record in self.outcome.records], dtype=bool)
        values = np.array([shares.get(record.id, 0.0) for record in self.outcome.records], dtype=np.float64)
        return {"planted_ngram_share": self._mean(values, rows & known, "planted_ngram_share", "member")}

    def _sets(self) -> dict[str, NDArray[np.bool_]]:
        """Which records are members, planted, held out; each of shape (n_records,)."""
        records = self.outcome.records
        member = np.array([record.role == "member" for record in records], dtype=bool)
        nonmember = np.array([record.role == "nonmember" for record in records], dtype=bool)
        planted = member & np.array([record.copies > 1 for record in records], dtype=bool)
        return {"members": member, "nonmembers": nonmember, "planted": planted}

    def _perplexities(self, losses: NDArray[np.float64], before: str) -> Found:
        sets, found = self._sets(), {}
        for after, who in (("members", "members"), ("heldout", "nonmembers")):
            rows, name = sets[who], f"{before}_{after}"
            groups = self._groups(rows)
            how = self._how(f"perplexity {who}")
            found[name] = perplexity(losses[rows], self.outcome.tokens[rows], groups, name, role=_side(who), **how)
        return found

    def _mean(self, values: NDArray[np.float64], rows: NDArray[np.bool_], name: str, side: Side) -> Estimate:
        return mean(values[rows], self._groups(rows), name, ceiling=1, role=side, **self._how(name))

    def _groups(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        records = self.outcome.records
        return group_codes(
            (records[i].id for i in np.flatnonzero(rows).tolist()), {record.id: record for record in records}
        )

    def _how(self, name: str) -> How:
        rng = generator(self.seed, "points", str(self.outcome.setting.seed), name)
        return How(level=self.rules.level, resamples=self.rules.resamples, rng=rng)


def _side(who: str) -> Side:
    return "nonmember" if who == "nonmembers" else "member"


def _paths(attack: str, prefix: str) -> Mapping[str, str]:
    """Statistic to the name that the audit gives it."""
    return {
        "auc": f"membership.{attack}.auc",
        "auc_hanley_mcneil": f"membership.{attack}.auc_hanley_mcneil",
        "tpr_at_10": f"membership.{attack}.tpr_at_fpr.0.1",
        "tpr_at_1": f"membership.{attack}.tpr_at_fpr.{LOW_FPR}",
        "verbatim_members": f"extraction.{prefix}.verbatim.members",
        "verbatim_nonmembers": f"extraction.{prefix}.verbatim.nonmembers",
        "planted": f"extraction.{prefix}.planted",
        "ngram_share_members": f"generation.{prefix}.ngram_share.members",
        "ngram_share_nonmembers": f"generation.{prefix}.ngram_share.nonmembers",
        "perplexity_members": "perplexity.target.members",
        "perplexity_heldout": "perplexity.target.nonmembers",
        "perplexity_base_members": "perplexity.reference.members",
        "perplexity_base_heldout": "perplexity.reference.nonmembers",
    }
