"""Rows of the tables of what came back: by sampling, near copies, sensitive values, texts written without a prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.reporting import names
from mnemoscope.reporting.tables import Row, shown
from mnemoscope.reporting.wording import until

Tree = Mapping[str, Any]

SHOWN_QUERIES = ("n1", "n100", "n10000", "n1000000")
SIDES = ("members", "nonmembers")
CURVES = ("planted", *SIDES, "reference_members", "excess")
DISCRIMINATORS = {
    "ngram_share": "longest common run of tokens",
    "substring_share": "longest common run of characters",
    "bleu": "BLEU",
    "edit_similarity": "edit similarity",
    "rouge_l": "ROUGE-L",
    "tfidf": "TF-IDF cosine",
    "keyword": "sensitive values",
    "judge": "a model as judge",
}


def sampling(summary: Tree) -> dict[str, Any]:
    """The main prefix: its first decoding's curve, all decodings at some numbers of queries, minimum temperatures."""
    tree = summary["sampling"]
    prefix = names.main_prefix(tree)
    if prefix is None:
        return {"prefix": "", "decodings": [], "temperatures": [], "discoverable": []}
    node = {name: one for name, one in tree[prefix].items() if name != "minimum_temperature"}
    first = next(iter(node), None)
    return {
        "prefix": until(prefix),
        "first": first,
        "decodings": [row for name, one in node.items() for row in _expected(name, one["expected"], name == first)],
        "discoverable": _discoverable(node[first].get("discoverable", {})) if first else [],
        "temperatures": _temperatures(tree[prefix].get("minimum_temperature", {})),
    }


def _expected(decoding: str, expected: Tree, main: bool) -> list[Row]:
    """A row for each set of records: the first decoding's in full, of the others training and held out."""
    whose = [who for who in CURVES if any(who in one for one in expected.values())]
    return [
        {
            "decoding": decoding,
            "who": _WHO[who],
            "cells": [
                shown("sampling.excess" if who == "excess" else "sampling", expected[n].get(who)) for n in SHOWN_QUERIES
            ],
        }
        for who in whose
        if main or who in ("planted", *SIDES)
    ]


_WHO = {
    "planted": "planted",
    "members": "training",
    "nonmembers": "held out",
    "reference_members": "training, base model",
    "excess": "training minus held out",
}
_QUERIES = {"n1": "1 query", "n1000": "1,000 queries", "n1000000": "1,000,000 queries"}


def _discoverable(tree: Tree) -> list[Row]:
    return [
        {
            "p": p.removeprefix("p"),
            "who": _WHO[who],
            "cells": [shown("sampling", node[n].get(who)) for n in SHOWN_QUERIES],
        }
        for p, node in tree.items()
        for who in ("planted", "members", "nonmembers", "reference_members")
        if any(who in one for one in node.values())
    ]


def _temperatures(tree: Tree) -> list[Row]:
    """A row a least temperature: training and held out at each number of queries."""
    return [
        {
            "limits": limits,
            "temperature": least.removeprefix("t"),
            "cells": [shown("sampling", node[n].get(side)) for n in _QUERIES for side in SIDES],
        }
        for limits, grid in tree.items()
        for least, node in grid.items()
    ]


def discriminators(summary: Tree) -> list[Row]:
    """A row a decoding and discriminator: share of members above the threshold, false alarms, the threshold."""
    prefix = names.main_prefix(summary["discriminators"])
    return [
        {
            "decoding": decoding,
            "name": DISCRIMINATORS[name],
            "cells": [
                shown("discriminators", {**node["tpr"], "achieved_fpr": None}),
                shown("discriminators", node.get("fpr")),
            ],
            "threshold": shown("score", node["tpr"])["threshold"],
        }
        for decoding, nodes in (summary["discriminators"].get(prefix, {}) if prefix else {}).items()
        for name, node in nodes.items()
        if name in DISCRIMINATORS
    ]


def others(summary: Tree) -> list[Row]:
    """What continuations give back of somebody else's suffix: mean share by decoding, training and held out."""
    prefix = names.main_prefix(summary["discriminators"])
    return [
        {
            "decoding": decoding,
            "cells": [shown("discriminators", nodes["ngram_share_other"].get(side)) for side in SIDES],
        }
        for decoding, nodes in (summary["discriminators"].get(prefix, {}) if prefix else {}).items()
        if "ngram_share_other" in nodes
    ]


def unprompted(summary: Tree) -> dict[str, Any]:
    """Texts written without a prefix: share that are hits, and precision at each rank by attack."""
    tree = summary["unprompted"]
    ranked = {name: node["precision"] for name, node in tree.items() if "precision" in node}
    # the last rank is the number of texts that are left, which differs from attack to attack and side to side
    both = [{rank for rank, sides in node.items() if len(sides) == 2} for node in ranked.values()]
    ranks = sorted(set.intersection(*both), key=int)[:4] if both else []
    return {
        "found": [
            {
                "name": _FOUND[name],
                "cells": [shown("unprompted", tree[name].get(side)) for side in ("members", "heldout")],
            }
            for name in _FOUND
            if name in tree
        ],
        "ranks": [f"{int(rank):,}" for rank in ranks],
        "rows": [
            {
                "attack": name,
                "cells": [
                    shown("unprompted", node.get(rank, {}).get(side))
                    for rank in ranks
                    for side in ("members", "heldout")
                ],
            }
            for name, node in ranked.items()
        ],
    }


_FOUND = {
    "found": "texts that give back part of a record",
    "near": "texts that hold a whole record, nearly word for word",
    "records": "records that some text gives back in part",
}


def spans(summary: Tree) -> list[Row]:
    """A row a type, all types first: greedy hits of both classes, then what ranking among other values shows."""
    return [
        {
            "type": "all types" if name == "all" else name.replace("_", " "),
            "values": [node.get("greedy", {}).get(side, {}).get("counts", {}).get(side, 0) for side in SIDES],
            "greedy": [shown(f"spans.greedy.{who}", node.get("greedy", {}).get(who)) for who in (*SIDES, "excess")],
            "ranked": [
                shown(f"spans.{measure}", node.get(measure, {}).get(who))
                for measure, who in (
                    ("top1", "members"), ("top1", "nonmembers"), ("lift_reference", "members"),
                    ("lift_majority", "members"),
                )
            ],
        }
        for name, node in summary["spans"].items()
    ]  # fmt: skip


def canaries(summary: Tree) -> list[Row]:
    """A row a kind and number of copies, then those that were held out: detection, verbatim return, exposure."""
    return [
        {
            "kind": KINDS.get(kind, kind),
            "which": _which(which),
            "count": max(
                node.get("verbatim", {}).get("counts", {"members": 0, "nonmembers": 0}).get(side, 0) for side in SIDES
            ),
            "cells": [
                shown("auc", node.get("auc")),
                *(shown("tpr_at_fpr", node.get("tpr_at_fpr", {}).get(fpr)) for fpr in ("0.1", "0.01")),
                shown("verbatim", node.get("verbatim")),
                shown("canaries.exposure", node.get("exposure")),
            ],
        }
        for kind, sets in summary["canaries"].items()
        if kind != ONE_RUN
        for which, node in sets.items()
    ]


KINDS = {"digits": "secret number", "perplexing": "perplexing text", "note": "invented note"}
ONE_RUN = "one_run"


def _which(which: str) -> str:
    if which.startswith("copies_"):
        n = which.removeprefix("copies_")
        return "planted once" if n == "1" else f"planted {n} times"
    return {"included": "all planted", "heldout": "held out"}.get(which, which)


def one_run(summary: Tree) -> list[Row]:
    """Lower bounds on epsilon, each beside the most that so many guesses could have shown."""
    nodes = [("canaries", summary["canaries"].get(ONE_RUN)), ("groups of records", summary["one_run"] or None)]
    return [
        {
            "units": units,
            "count": sum(node["epsilon"]["counts"][side] for side in SIDES),
            "cells": [
                shown("one_run.epsilon", {**node["epsilon"], "low": None}),
                shown("one_run.ceiling", node["ceiling"]),
            ],
            "guessed": [shown("one_run.guesses", node.get(what))["value"] for what in ("guesses", "correct")],
            "method": node["epsilon"]["method"],
        }
        for units, node in nodes
        if node
    ]
