"""What to change, for who trains the model: only what this audit's own numbers ask for, each with that number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mnemoscope.reporting import checks, names
from mnemoscope.reporting.queries import QUERIES, main_decoding
from mnemoscope.reporting.tiles import Tile, told, valid
from mnemoscope.reporting.wording import count, estimate, rate, until

Tree = Mapping[str, Any]
Advice = dict[str, str]

GROUPS = 2
"""A rate of false alarms is resolved where the held-out groups times the rate are at least this many."""
COMPARE = "mnemoscope compare"
LEARNED = 0.9
"""Held-out perplexity after over before fine-tuning, below which the domain that was learned is worth a word."""


def advice(summary: Tree, shown: list[Tile]) -> list[Advice]:
    """What to do, why (the number it rests on), and the section where that number stands.

    Args:
        summary: the audit's.
        shown: its tiles.
    """
    if not valid(summary):
        reason = checks.readable(summary["verdict"]["reason"]) or "nobody judged whether its numbers can be trusted"
        return [_item("Mend the audit first: as it stands, it supports no change to the model.", reason, "validity")]
    rules: list[Callable[[Tree], Advice | None]] = [_deduplicate, _repeated, _limit, _temperature, _groups, _domain]
    return [*_training(summary, shown), *(item for rule in rules if (item := rule(summary)))]


def _item(do: str, why: str, section: str) -> Advice:
    why = why.strip().rstrip(".")
    return {"do": do, "why": f"{why[:1].upper()}{why[1:]}.", "section": section}


def _training(summary: Tree, shown: list[Tile]) -> list[Advice]:
    """Train otherwise, where anything leaked."""
    found = [tile for tile in shown if tile.above]
    if not found:
        return []
    why, section = f"{found[0].label}: {found[0].line}", found[0].section
    less = "Train with fewer epochs, a lower learning rate or a lower rank, and audit again"
    first = _item(
        f"{less}; {COMPARE} sets both audits side by side, their usefulness too.", f"{why}{_setting(summary)}", section
    )
    proof = next((tile for tile in found if tile.section == "canaries"), found[0])
    private = "Only differentially private training bounds what any attacker can learn, also those not tested here."
    return [first, _item(private, f"{proof.label}: {proof.line}", proof.section)]


def _setting(summary: Tree) -> str:
    """How the adapter was trained, where that is known."""
    training = _part(_part(summary["settings"], "config"), "training")
    rank = _part(summary["settings"], "adapter").get("rank")
    known = [
        f"rank {rank}" if rank else "",
        f"{training['epochs']:g} epochs" if training.get("epochs") else "",
        f"learning rate {training['learning_rate']:g}" if training.get("learning_rate") else "",
    ]
    told_of = ", ".join(text for text in known if text).replace("1 epochs", "1 epoch")
    return f". This run: {told_of}" if told_of else ""


def _part(settings: Tree, name: str) -> Tree:
    part = settings.get(name)
    return part if isinstance(part, Mapping) else {}


def _deduplicate(summary: Tree) -> Advice | None:
    """Planted records, which stand in the training set several times, come back more often than all."""
    prefix = names.main_prefix(summary["extraction"])
    node = summary["extraction"].get(prefix, {})
    planted, whole = node.get("planted"), node.get("verbatim", {}).get("members")
    if prefix is None or not told(planted) or not told(whole) or not _apart(planted, whole):
        return None
    why = (
        f"of {count(planted['counts']['members'], 'record')} that stand in the training set several times "
        f"{estimate('planted', planted)} come back from the {until(prefix)}, of all {estimate('verbatim', whole)}"
    )
    twice = summary["data"]["duplicates_within"].get("member") or 0
    why += f"; {count(twice, 'training record')} there have the exact text of another" if twice else ""
    return _item("Deduplicate the training text.", why, "extraction")


def _repeated(summary: Tree) -> Advice | None:
    """Canaries that were planted more often come back more often."""
    for kind, node in summary["canaries"].items():
        doses = sorted((int(name.removeprefix("copies_")), name) for name in node if name.startswith("copies_"))
        leaves = [(n, leaf) for n, name in doses if told(leaf := node[name].get("verbatim"))]
        if len(leaves) > 1 and _apart(leaves[-1][1], leaves[0][1]):
            seldom, often = (
                f"planted {count(n, 'time')} {estimate('verbatim', leaf)}" for n, leaf in (leaves[0], leaves[-1])
            )
            why = f"of the canaries ({kind}) that were {often} come back whole, of those {seldom}"
            return _item("Deduplicate the training text: secrets come back by being repeated.", why, "canaries")
    return None


def _limit(summary: Tree) -> Advice | None:
    """Many queries give back more than one does."""
    tree = summary["sampling"].get(names.main_prefix(summary["sampling"]), {})
    decoding = main_decoding(tree, summary["settings"].get("config"))
    node = tree[decoding]["expected"] if decoding is not None else {}
    one, many = (node.get(f"n{n}", {}).get("members") for n in (1, QUERIES))
    if not told(one) or not told(many) or not _apart(many, one):
        return None
    why = (
        f"one query a record is expected to give back {estimate('sampling', one)} of training records, {QUERIES:,} "
        f"queries {estimate('sampling', many)} ({decoding})"
    )
    return _item("Limit how often the same beginning may be sampled.", why, "sampling")


def _temperature(summary: Tree) -> Advice | None:
    """Also the highest least temperature that was read off leaves more than held-out records give."""
    prefix = names.main_prefix(summary["sampling"])
    for limits, grid in summary["sampling"].get(prefix, {}).get("minimum_temperature", {}).items():
        least = max(grid, key=lambda key: float(key.removeprefix("t")))
        queries = max(grid[least], key=lambda key: int(key.removeprefix("n")))
        members, others = (grid[least][queries].get(who) for who in ("members", "nonmembers"))
        if told(members) and told(others) and _apart(members, others):
            shares = (
                f"{estimate('sampling', members)} of training and {estimate('sampling', others)} of held-out records"
            )
            why = (
                f"at temperature {least.removeprefix('t')} or above ({limits}), {int(queries.removeprefix('n')):,} "
                f"queries are still expected to give back {shares}"
            )
            return _item("Do not rely on a minimum temperature.", why, "sampling")
    return None


def _groups(summary: Tree) -> Advice | None:
    """More held-out groups, where a rate of false alarms is not resolved for want of them."""
    attack = names.main_attack(summary["membership"])
    rates = summary["membership"].get(attack, {}).get("tpr_at_fpr", {})
    open_rates = [(float(key), leaf) for key, leaf in rates.items() if "non-member groups" in leaf.get("reason", "")]
    if not open_rates:
        return None
    fpr, leaf = max(open_rates, key=lambda item: item[0])
    needed = math.ceil(round(GROUPS / fpr, 6))
    do = f"Hold out at least {needed:,} documents or persons, so that {rate(fpr)} false alarms can be resolved."
    return _item(do, f"this audit has {leaf['counts']['nonmember_groups']:,}", "membership")


def _apart(higher: Tree, lower: Tree) -> bool:
    """Whether the first interval lies wholly above the second."""
    return None not in (higher["low"], lower["high"]) and bool(higher["low"] > lower["high"])


def _domain(summary: Tree) -> Advice | None:
    """A reference that knows the domain, where fine-tuning taught much of it and the base alone was held against."""
    target, base = (summary["perplexity"].get(model, {}).get("nonmembers") for model in ("target", "reference"))
    if set(names.KNOW_THE_DOMAIN) & summary["membership"].keys() or not told(target) or not told(base):
        return None
    if not summary["membership"] or target["value"] > LEARNED * base["value"]:
        return None
    do = "Audit again with --in-domain before you rely on a low number: its reference knows the domain, too."
    why = (
        f"perplexity of held-out records fell from {estimate('perplexity', base)} to {estimate('perplexity', target)}; "
        "what was learned of all such text hides what was learned by heart"
    )
    return _item(do, why, "membership")
