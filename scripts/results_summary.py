"""docs/results.md: the paper's claims across studies, what was run, what each audit found, and where to read on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any, NamedTuple

from audit_results import told
from benchmark_results import WHY
from leakage_tables import table
from study_results import FIGURES, Kept, cost, done, file

from mnemoscope.answers import Answer
from mnemoscope.reporting.paper import FINDINGS, SETTING
from mnemoscope.reporting.study_digest import QUESTIONS
from mnemoscope.reporting.study_tables import ends, shown
from mnemoscope.reporting.wording import count

Row = dict[str, Any]
Rows = Mapping[str, Row]
HEADLINE = "lr_ratio"
"""The attack that the paper's code computes."""
MARKS = {"replicates": "✅", "does not replicate": "❌", "not resolved": "❔"}
FIGURE = {"matrices": "usefulness", "perplexity": "perplexity_target", "rank": "rank", "copies": "copies",
          "epochs": "paths"}  # fmt: skip
"""The figure that stands below the table of a question."""
LEGEND = f"""## The paper’s questions

A row is a claim, a column a study. Paper: {SETTING}.
{MARKS["replicates"]} replicates, {MARKS["does not replicate"]} does not replicate, {MARKS["not resolved"]} not
resolved, by rules that stand in the study's file: in short, both the interval from the records and the one over at
least 5 seeds must lie on one side. Shown is the one over seeds; in italics, where fewer seeds speak, the one from the
records. Memorization is counterfactual: nats a token that training on a record adds to its likelihood. Told are only
claims that the paper makes too, where it makes any, and none whose numbers stand above, as at equal size where equal
rank is equal size; the pages of the studies have all, with p-values, corrected for their number, and reasons.
"""


class Column(NamedTuple):
    """A study, and what sets its cells apart where it varied more than matrices and rank."""

    study: str
    variant: str


def anchor(heading: str) -> str:
    """Where a heading stands on a page, as GitHub names it.

    >>> anchor("Why the AUC orders the matrices as it does")
    '#why-the-auc-orders-the-matrices-as-it-does'
    """
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def split(claim: str) -> tuple[str, str]:
    """A claim with the matrices and rank it is of, and the rest of what it says in parentheses.

    >>> split("AUC grows (V, rank 4, alpha 16)")
    ('AUC grows (V, rank 4)', 'alpha 16')
    >>> split("V gives more than Q"), split("AUC levels off (alpha fixed)")
    (('V gives more than Q', ''), ('AUC levels off', 'alpha fixed'))
    """
    head, bracket, inside = claim.removesuffix(")").rpartition(" (")
    if not bracket or not claim.endswith(")"):
        return claim, ""
    parts = inside.split(", ")
    own = [part for part in parts if re.fullmatch(r"[QKVO](\+[QKVO])*|rank \d+", part)]
    return f"{head} ({', '.join(own)})" if own else head, ", ".join(part for part in parts if part not in own)


def questions(studies: Sequence[Kept]) -> list[str]:
    """A table a question: what every study says of each claim."""
    lines = [LEGEND]
    for question, title in QUESTIONS.items():
        body = _across(question, studies)
        if body:
            why = WHY.get(question)
            more = [f"[{why}](results/benchmarks.md{anchor(why)}): held against another reference.", ""] if why else []
            lines += [f"### {title}", "", f"The paper: {FINDINGS[question]}", "", *body, *more]
            lines += _figure(question, studies)
    return lines if len(lines) > 1 else []


def _across(question: str, studies: Sequence[Kept]) -> list[str]:
    """The claims of a question down, the studies that ask it across."""
    largest = sorted(studies, key=lambda one: -one.facts["data"]["share"])
    asked = [(one, answer) for one in largest for answer in one.answers if answer.question == question]
    theirs = [pair for pair in asked if pair[1].paper] or asked
    rows: dict[str, dict[Column, str]] = {}
    columns: dict[Column, Kept] = {}
    for one, answer in theirs:
        claim, variant = split(answer.claim)
        if answer.value is not None:
            columns.setdefault(Column(one.name, variant), one)
            paper = f"<br>*paper: {answer.paper}*" if answer.paper else ""
            head = claim[:1].upper() + claim[1:] + paper
            rows.setdefault(head, {})[Column(one.name, variant)] = _cell(answer, one.facts["rules"]["seeds"])
    heads = ["claim", *(_head(column, one) for column, one in columns.items())]
    new = {tuple(row.items()): head for head, row in reversed(rows.items())}
    cells = [[head, *(row.get(column, "") for column in columns)] for head, row in rows.items() if head in new.values()]
    mute = sum(answer.value is None for _, answer in theirs)
    missing = [f"{count(mute, 'claim')} without a value left out.", ""] if mute and cells else []
    return [*table(heads, [[cell.replace("|", "\\|") for cell in row] for row in cells]), *missing]


def _head(column: Column, study: Kept) -> str:
    """The study, how large, and how it differs."""
    facts = study.facts
    attack = facts["rules"].get("attack", HEADLINE)
    parts = [
        f"[{column.study}](results/{column.study}/README.md)",
        _share(facts),
        *([column.variant] if column.variant else []),
        *([f"AUC of {attack}"] if attack != HEADLINE else []),
    ]
    return "<br>".join(parts)


def _share(facts: Row) -> str:
    share = Fraction(facts["data"]["share"]).limit_denominator(1000)
    return f"{'all' if share == 1 else share} of {facts['data']['source']}"


def _cell(answer: Answer, seeds: int) -> str:
    """Value, interval and decision; in italics where fewer seeds than the rules ask for speak."""
    claim, few = asdict(answer), answer.n_seeds < seeds
    low, high = ("low", "high") if few else ("seed_low", "seed_high")
    numbers = [f"{MARKS[answer.decision]} {shown(claim, 'value')}", ends(claim, low, high)]
    lines = [line.replace(" ", "\u00a0") for line in numbers]  # a line breaks between the numbers alone
    return f"*{'<br>'.join(lines)}<br>{count(answer.n_seeds, 'seed')}*" if few else "<br>".join(lines)


def _figure(question: str, studies: Sequence[Kept]) -> list[str]:
    """The figure of the question from the study in which most claims have enough seeds, of the largest share then."""
    name = FIGURE[question]
    drawn = [one for one in studies if name in one.facts["figures"]]
    if not drawn:
        return []
    best = max(drawn, key=lambda one: (_decided(one, question), one.facts["data"]["share"]))
    return [f"![{FIGURES[name]}, study {best.name}](results/{best.name}/{file(name)})", ""]


def _decided(study: Kept, question: str) -> int:
    enough = study.facts["rules"]["seeds"]
    return sum(answer.question == question and answer.n_seeds >= enough for answer in study.answers)


def ran(studies: Sequence[Kept]) -> list[str]:
    """What was run, where and for how long: a row a study."""
    heads = ["study", "cells", "seeds", "groups", "machine and time", "command"]
    rows = [
        [
            f"[{one.name}](results/{one.name}/README.md)",
            done(one.facts),
            str(len(one.facts["seeds"])),
            _share(one.facts),
            cost(one.facts),
            "<br>".join(f"`{command}`" for command in one.facts["commands"]),
        ]
        for one in studies
    ]
    return ["## Studies", "", *table(heads, rows)] if rows else []


def audits(runs: Mapping[str, tuple[Row, Rows]]) -> list[str]:
    """A row an audit; `runs` has the facts and estimates of each."""
    heads = ["audit", "trained", "verdict", "AUC, lr_ratio", "strongest attack", "its TPR at 1% FPR",
             "word for word, members", "word for word, held out"]  # fmt: skip
    rows = [[f"[{name}](results/{name}.md)", *_audit(facts, rows)] for name, (facts, rows) in runs.items()]
    text = (
        "Word for word: the share of records whose second half greedy decoding gives back. The strongest of several "
        "attacks is flattered by the choice."
    )
    return ["## Single audits", "", text, "", *table(heads, rows)] if rows else []


def _audit(facts: Row, rows: Rows) -> list[str]:
    aucs = {name: row for name, row in rows.items() if re.fullmatch(r"membership\.\w+\.auc", name)}
    best = max(aucs, key=lambda name: float(aucs[name]["value"] or 0))
    attack, adapter = best.split(".")[1], facts["adapter"]
    trained = (
        f"{''.join(adapter['matrices'])}, rank {adapter['rank']}, {facts['data']['n_records']['member']:,} records"
    )
    return [
        trained + (f", {adapter['copies']} copies" if adapter["copies"] > 1 else ""),
        facts["verdict"]["validity"],
        told(rows.get(f"membership.{HEADLINE}.auc")),
        f"{attack}, {told(aucs[best])}",
        told(rows.get(f"membership.{attack}.tpr_at_fpr.0.01")),
        *(told(rows.get(f"extraction.0.5.verbatim.{who}")) for who in ("members", "nonmembers")),
    ]


def benchmarks(page: Sequence[str]) -> list[str]:
    """Where the measurements of the tool itself are told; `page` is theirs."""
    titles = [line.removeprefix("## ") for line in page if line.startswith("## ")]
    links = [f"* [{title}](results/benchmarks.md{anchor(title)})" for title in titles]
    return ["## Benchmarks", "", *links, ""] if links else []
