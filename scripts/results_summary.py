"""The head of docs/results.md: what the studies say of each question, what each audit found, and where to read on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from leakage_tables import table

from mnemoscope.answers import Answer
from mnemoscope.reporting.paper import FINDINGS, SETTING
from mnemoscope.reporting.study_digest import QUESTIONS
from mnemoscope.reporting.study_findings import findings

Row = dict[str, Any]
Rows = Mapping[str, Row]
Tell = Callable[[Row | None], str]
MOST = 4
"""Claims of a study that are told of a question."""
HEADLINE = "lr_ratio"
"""The attack that the paper's code computes."""
WHY = {"matrices": "Why the AUC orders the matrices as it does"}
"""Question to the section that looks into its answer."""


def anchor(heading: str) -> str:
    """Where a heading stands on the page, as GitHub names it.

    >>> anchor("Study ranks: smollm2-135m-instruct-q4 on phee")
    '#study-ranks-smollm2-135m-instruct-q4-on-phee'
    """
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def questions(studies: Mapping[str, Sequence[Answer]], attacks: Mapping[str, str] | None = None) -> list[str]:
    """What every study says of the paper's questions; `studies` has the answers under the heading of each.

    `attacks` has the attack whose AUC a study compares; it is named where it is not the paper's.
    """
    lines = [
        "## The paper’s questions in short",
        "",
        f"The paper's numbers come from {SETTING}. Told here are, of each study, the first claims that the paper makes "
        f"too, at most {MOST} a question, those of more seeds first; which way it came out has no part in it. "
        "All claims stand in the sections of the studies, with the cells that are missing.",
        "",
    ]
    for question, title in QUESTIONS.items():
        told = [
            line for heading, answers in studies.items()
            for line in _told(question, heading, answers, (attacks or {}).get(heading, HEADLINE))
        ]  # fmt: skip
        if told:
            why = WHY.get(question)
            more = [f"* [{why}]({anchor(why)}): another reference than the base"] if why else []
            lines += [f"**{title}** The paper: {FINDINGS[question]}", "", *told, *more, ""]
    return lines if studies else []


def _told(question: str, heading: str, answers: Sequence[Answer], attack: str) -> list[str]:
    claims = [asdict(answer) for answer in answers if answer.question == question]
    if not claims:
        return []
    found = findings({"claims": claims}, MOST)
    lines = [
        f"* [{heading.partition(':')[0]}]({anchor(heading)})" + (f", AUC of {attack}" if attack != HEADLINE else "")
    ]
    lines += [f"  * {_claim(one)}" for one in found["told"]]
    return [*lines, f"  * {found['further']}"] if found["further"] else lines


def _claim(one: Row) -> str:
    numbers = f": {', '.join(one['numbers'])}" if one["numbers"] else ""
    why = f" ({one['why']})" if one["why"] else ""
    paper = f". The paper: {one['paper']}" if one["paper"] else ""
    return f"{one['claim']}{numbers}: **{one['decision']}**{why}{paper}"


def audits(runs: Mapping[str, tuple[Row, Rows]], tell: Tell) -> list[str]:
    """A row an audit; `runs` has the facts and estimates of each under its heading."""
    heads = ["audit", "trained", "verdict", "AUC, lr_ratio", "strongest attack", "its TPR at 1% FPR",
             "word for word, members", "word for word, held out"]  # fmt: skip
    rows = [[f"[{_name(heading)}]({anchor(heading)})", *_audit(facts, rows, tell)]
            for heading, (facts, rows) in runs.items()]  # fmt: skip
    text = (
        "Word for word: the share of records whose second half greedy decoding gives back. The strongest of several "
        "attacks is flattered by the choice."
    )
    return ["## Single audits in short", "", text, "", *table(heads, rows)] if rows else []


def _name(heading: str) -> str:
    return heading.partition(":")[0]


def _audit(facts: Row, rows: Rows, tell: Tell) -> list[str]:
    aucs = {name: row for name, row in rows.items() if re.fullmatch(r"membership\.\w+\.auc", name)}
    best = max(aucs, key=lambda name: float(aucs[name]["value"] or 0))
    attack, adapter = best.split(".")[1], facts["adapter"]
    trained = (
        f"{''.join(adapter['matrices'])}, rank {adapter['rank']}, {facts['data']['n_records']['member']:,} records"
    )
    return [
        trained + (f", {adapter['copies']} copies" if adapter["copies"] > 1 else ""),
        facts["verdict"]["validity"],
        tell(rows.get(f"membership.{HEADLINE}.auc")),
        f"{attack}, {tell(aucs[best])}",
        tell(rows.get(f"membership.{attack}.tpr_at_fpr.0.01")),
        *(tell(rows.get(f"extraction.0.5.verbatim.{who}")) for who in ("members", "nonmembers")),
    ]
