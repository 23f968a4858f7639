"""The first screen: whether the audit is valid, what leaked, and a tile for each question.

A tile is marked where its interval excludes what held-out records, the base model or guessing give, and in no other
case; there is no mark for the opposite. The marks fall away where the audit itself is in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from mnemoscope.reporting import names
from mnemoscope.reporting.queries import QUERIES, main_decoding
from mnemoscope.reporting.wording import NONE, count, estimate, interval, number, percent, rate, tally, until, value

Tree = Mapping[str, Any]
Beside = tuple[tuple[str, str], ...]

OPEN, UNASKED = "not resolved", "not tested"
HELDOUT = "held-out records"
MARKS = {True: "Above {floor}", False: "Not resolved above {floor}", None: "Not resolved"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One question with its number in words."""

    label: str
    """The question on a terminal, at most 14 characters."""
    question: str
    floor: str
    """What the number must exceed to be a leak."""
    leak: str
    """What leaked where it does, to follow "What leaked:"."""
    section: str
    """Where on the page the numbers are."""
    big: str = OPEN
    interval: str = ""
    text: str = ""
    """What it says, in a sentence; why there is none, where it is not resolved."""
    beside: Beside = ()
    """What it is to be compared with: a name and a number each."""
    line: str = OPEN
    """Number and comparison on a terminal."""
    above: bool | None = None
    """Whether the interval excludes the floor; None where that is not resolved."""

    @property
    def said(self) -> str:
        """The mark in words: colour alone would not be read by everybody."""
        return "Not tested" if self.big == UNASKED else MARKS[self.above].format(floor=self.floor)


def front(summary: Tree) -> dict[str, Any]:
    """What the first screen shows: claim and reason of the verdict, what leaked, the tiles, whether they are marked."""
    claim, _, reason = summary["headline"][0].partition(": ")
    shown = tiles(summary)
    return {
        "claim": claim.rstrip("."),
        "reason": reason[:1].upper() + reason[1:],
        "leaked": leaked(summary, shown),
        "tiles": shown,
        "marked": valid(summary),
    }


def valid(summary: Tree) -> bool:
    """Whether the numbers may be told as memory at all."""
    return bool(summary["verdict"]["validity"] == "valid")


def leaked(summary: Tree, shown: list[Tile]) -> str:
    """What leaked, in one sentence; it never says that nothing did."""
    if not valid(summary):
        return "What leaked cannot be told from this audit."
    if found := [tile.leak for tile in shown if tile.above]:
        return f"What leaked: {'; '.join(found)}."
    return "No leak is resolved by what was tested; that does not say that the model holds nothing."


def tiles(summary: Tree) -> list[Tile]:
    """The tiles of what was asked, in a fixed order; none is chosen by its result."""
    makers = (_recognised, _word_for_word, _many_queries, _values, _secrets)
    return [tile for make in makers if (tile := make(summary)) is not None]


def _recognised(summary: Tree) -> Tile:
    """True positives of the headline's attack at the lowest false-positive rate that is resolved."""
    attack = names.main_attack(summary["membership"])
    node = summary["membership"].get(attack, {})
    rates = sorted(node.get("tpr_at_fpr", {}).items(), key=lambda item: float(item[0]))
    blank = Tile(
        "Recognised", "Can training records be recognised?", "guessing", "which records were trained on", "membership"
    )
    if attack is None:
        return replace(blank, big=UNASKED, line=UNASKED, text="Membership was not tested.")
    found = next(((float(key), leaf) for key, leaf in rates if told(leaf) and "reason" not in leaf), None)
    if found is None:
        return replace(blank, text=_why(rates[-1][1]) if rates else "No rate of false alarms was asked for.")
    asked, leaf = found
    area = (("AUC", estimate("auc", node["auc"])),) if told(node.get("auc")) else ()
    return replace(
        blank,
        big=value("tpr_at_fpr", leaf),
        interval=interval("tpr_at_fpr", leaf),
        text=f"of training records, when at most {rate(asked)} of held-out records may be accused wrongly ({attack}).",
        beside=(("guessing", rate(asked)), *area),
        line=f"{estimate('tpr_at_fpr', leaf)} at {rate(asked)} false alarms; guessing {rate(asked)}",
        above=leaf["low"] is not None and leaf["low"] > asked,
    )


def _word_for_word(summary: Tree) -> Tile:
    """Records that greedy decoding gives back whole."""
    prefix = names.main_prefix(summary["extraction"])
    blank = Tile(
        "Word for word", "Does text come back word for word?", HELDOUT, "whole records word for word", "extraction"
    )
    if prefix is None:
        return replace(blank, big=UNASKED, line=UNASKED, text="Extraction was not tested.")
    node = summary["extraction"][prefix].get("verbatim", {})
    members, others, base = (node.get(who) for who in ("members", "nonmembers", "reference_members"))
    if not told(members):
        return replace(blank, text=_why(members))
    planted = summary["extraction"][prefix].get("planted")
    floors = _tallies(("held out", others, "nonmembers"), ("base model", base, "members"))
    hits = hits_of(members, "members")
    return replace(
        blank,
        big=hits,
        interval=estimate("verbatim", members),
        text=f"training records are continued exactly to their end from their {until(prefix)}, by greedy decoding.",
        beside=(*floors, *_tallies(("planted", planted, "members"))),
        line=_line(f"{hits} ({estimate('verbatim', members)})", floors).replace("base model", "base"),
        above=_exceeds(members, others, base),
    )


def _tallies(*given: tuple[str, Tree | None, str]) -> Beside:
    return tuple((name, hits_of(leaf, side)) for name, leaf, side in given if told(leaf))


def _many_queries(summary: Tree) -> Tile | None:
    """The expected share that sampling gives back at the number of queries that is fixed beforehand."""
    prefix = names.main_prefix(summary["sampling"])
    tree = summary["sampling"].get(prefix, {})
    decoding = main_decoding(tree, summary["settings"].get("config"))
    if prefix is None or decoding is None:
        return None
    node = tree[decoding]["expected"].get(f"n{QUERIES}", {})
    blank = Tile(
        f"{QUERIES:,} queries", "What would many queries give?", HELDOUT, "whole records over many queries",
        "sampling",
    )  # fmt: skip
    if not told(members := node.get("members")):
        return replace(blank, text=_why(members))
    n = members["counts"]["members"]
    text = (
        f"expected back whole when each is sampled {QUERIES:,} times from its {until(prefix)} ({decoding}): "
        f"about {members['value'] * n:,.1f} of {count(n, 'training record')}."
    )
    return replace(_shared(blank, "sampling", node), text=text)


def _values(summary: Tree) -> Tile | None:
    """Sensitive values that greedy decoding gives back, of all types."""
    node = summary["spans"].get("all", {}).get("greedy", {})
    if "members" not in node:
        return None
    blank = Tile("Values", "Do sensitive values come back?", HELDOUT, "sensitive values", "spans")
    if not told(node["members"]):
        return replace(blank, text=_why(node["members"]))
    text = "of the sensitive values of training records are given back, each from the true text before it."
    return replace(_shared(blank, "spans", node), text=text)


def _shared(blank: Tile, name: str, node: Tree) -> Tile:
    """A tile whose number is a share of members, beside held-out records and the base model."""
    members, others, excess = (node.get(who) for who in ("members", "nonmembers", "excess"))
    kinds = (("held out", others), ("base model", node.get("reference_members")))
    beside = tuple((said, estimate(name, leaf)) for said, leaf in kinds if told(leaf))
    apart = _exceeds(members, others) if members is not None else None
    return replace(
        blank,
        big=value(name, node["members"]),
        interval=interval(name, node["members"]),
        beside=beside,
        line=_line(estimate(name, node["members"]), beside[:1]),
        above=excess["low"] > 0 if told(excess) and excess["low"] is not None else apart,
    )


def _line(number_told: str, beside: Beside) -> str:
    return "; ".join([number_told, *(f"{name} {text}" for name, text in beside)])


def _secrets(summary: Tree) -> Tile | None:
    """What planted secrets, or coins over groups, prove."""
    canaries = {kind: node for kind, node in summary["canaries"].items() if kind != "one_run"}
    proof = summary["canaries"].get("one_run") or summary["one_run"]
    if not canaries and not proof:
        return None
    blank = Tile("Secrets", "Do planted secrets show?", "chance", "planted secrets", "canaries")
    if not canaries:
        blank = replace(blank, label="Coins", question="What do the coins prove?", leak="which groups were trained on")
    return _proved(replace(blank, beside=_whole(canaries)), proof, "canary" if canaries else "document or person")


def _whole(canaries: Tree) -> Beside:
    """How many secrets of each kind come back whole."""
    return tuple(
        (f"{kind}, whole", f"{hits_of(inside, 'members')}; held out {hits_of(outside, 'nonmembers')}")
        for kind, node in sorted(canaries.items())
        if told(inside := node.get("included", {}).get("verbatim"))
        and told(outside := node.get("heldout", {}).get("verbatim"))
    )


def _proved(blank: Tile, proof: Tree, unit: str) -> Tile:
    bound, most = proof.get("epsilon"), proof.get("ceiling")
    if not told(bound) or not told(most):
        return replace(blank, text=_why(bound))
    text = (
        f"With {percent(bound['level'])} confidence the training refutes every smaller ε of differential privacy, the "
        f"unit being a {unit}; perfect guesses would have shown {number(most['value'])}."
    )
    big = f"ε ≥ {number(bound['value'])}"
    line = f"{big}; perfect guesses would have shown {number(most['value'])}"
    return replace(blank, big=big, text=text, line=line, above=bound["value"] > 0)


def told(leaf: Tree | None) -> TypeGuard[Tree]:
    """Whether an estimate is there and has a value."""
    return leaf is not None and leaf["value"] is not None


def hits_of(leaf: Tree, side: str) -> str:
    """The hits behind a share, such as "12 of 2,898"; the share where it is no count."""
    n = leaf["counts"][side]
    hits = tally(leaf["value"], n)
    return estimate("verbatim", leaf) if hits is None else f"{hits:,} of {n:,}"


def _exceeds(members: Tree, *floors: Tree | None) -> bool | None:
    """Whether the members' interval lies wholly above each of the others'; the first of these must be there."""
    if floors[0] is None or floors[0]["high"] is None or members["low"] is None:
        return None
    highs = [floor["high"] for floor in floors if floor is not None and floor["high"] is not None]
    return bool(members["low"] > max(highs))


def _why(leaf: Tree | None) -> str:
    reason = (leaf or {}).get("reason", "no such estimate was made").removeprefix("not resolved: ").rstrip(".")
    return f"{reason[:1].upper()}{reason[1:]}." if reason else NONE
