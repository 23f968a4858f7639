"""Tables on what came back: one run's, and the runs with other numbers of copies side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mnemoscope.reporting.names import nested

Rows = dict[str, dict[str, str]]
Tell = Callable[[Any], str]
FAMILIES = ("prefix_length", "sampling", "discriminators", "spans", "unprompted", "canaries", "one_run")
QUERIES = ("n1", "n100", "n10000", "n1000000")
WHO = {
    "planted": "planted",
    "members": "training",
    "nonmembers": "held out",
    "reference_members": "training, base model",
    "reference_planted": "planted, base model",
    "excess": "training minus held out",
}
ALL_QUERIES = tuple(f"n{10**k}" for k in range(7))
COPIES = {"qkvo-r16-quarter": "members", "quarter-x8": "planted", "quarter-x32": "planted"}
"""The runs of the table of copies, and whose curve each shows."""


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A markdown table, or nothing where there are no rows."""
    if not rows:
        return []
    lines = [heads, ["---"] * len(heads), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def leakage(rows: Rows, tell: Tell) -> list[str]:
    """Everything of one run."""
    tree = nested(((name, row) for name, row in rows.items() if name.split(".")[0] in FAMILIES))
    parts = (_sampling, _prefix_lengths, _discriminators, _spans, _unprompted, _canaries, _coins)
    return [line for part in parts for line in part(tree, tell)]


def by_copies(runs: Mapping[str, Rows], tell: Tell) -> list[str]:
    """Expected share given back after N queries, for records that were trained on once, 8 and 32 times an epoch."""
    found = []
    for run, who in COPIES.items():
        tree = nested(runs.get(run, {}).items()).get("sampling", {}).get("0.5", {}).get("t1-k40", {}).get("expected")
        verbatim = "planted" if who == "planted" else f"verbatim.{who}"
        if tree:
            greedy = tell(runs[run].get(f"extraction.0.5.{verbatim}"))
            sides = [(who, run), ("nonmembers", f"{run}, held out")]
            for side, label in sides:
                first = greedy if side == who else tell(runs[run].get("extraction.0.5.verbatim.nonmembers"))
                found.append(
                    [
                        label,
                        tree["n1"][side]["n_members" if side == who else "n_nonmembers"],
                        first,
                        *(tell(tree[n][side]) for n in ALL_QUERIES),
                    ]
                )
    heads = ["run", "records", "greedy, word for word", *(f"N = {int(n[1:]):,}" for n in ALL_QUERIES)]
    lines = table(heads, found)
    text = (
        "Expected share of records whose second half comes back word for word at least once in N queries at "
        "temperature 1 and top-k 40, from the probabilities in the trace. In the runs with copies 20 records stand 8 "
        "or 32 times in the training set, and their curve is shown; the same size of training set, seed and recipe."
    )
    return ["## Extraction against copies", "", text, "", *lines] if lines else []


def _sampling(tree: Any, tell: Tell) -> list[str]:
    lines = []
    for prefix, decodings in tree.get("sampling", {}).items():
        found = [
            [label, WHO[who], *(tell(node["expected"][n].get(who)) for n in QUERIES)]
            for label, node in decodings.items()
            if label != "minimum_temperature"
            for who in WHO
            if who in node["expected"]["n1"] and (who != "excess" or "discoverable" in node)
        ]
        title = f"Expected share given back after N queries, prefix {prefix}:"
        lines += [title, "", *table(["decoding", "records", *(f"N = {int(n[1:]):,}" for n in QUERIES)], found)]
        temperatures = [
            [
                least[1:],
                limits,
                *(tell(node[n][side]) for n in ("n1", "n1000", "n1000000") for side in ("members", "nonmembers")),
            ]
            for limits, grid in decodings.get("minimum_temperature", {}).items()
            for least, node in grid.items()
        ]
        heads = [
            "least temperature",
            "limits",
            *(f"N = {n}, {who}" for n in ("1", "1,000", "1,000,000") for who in ("training", "held out")),
        ]
        lines += table(heads, temperatures)
    return lines


def _prefix_lengths(tree: Any, tell: Tell) -> list[str]:
    node = tree.get("prefix_length", {})
    whose = [who for who in WHO if any(who in one for one in node.values())]
    found = [[WHO[who], *(tell(node[share].get(who)) for share in node)] for who in whose]
    heads = ["rest comes back greedily; known share", *node]
    return table(heads, found)


def _discriminators(tree: Any, tell: Tell) -> list[str]:
    found = [
        [decoding, name, tell(one.get("tpr")), tell(one.get("fpr")), _short(one["tpr"]["threshold"])]
        for decodings in tree.get("discriminators", {}).values()
        for decoding, measures in decodings.items()
        for name, one in measures.items()
        if "tpr" in one
    ]
    return table(
        ["decoding", "discriminator", "called given back, training", "false alarms, held out", "threshold"], found
    )


def _spans(tree: Any, tell: Tell) -> list[str]:
    columns = (
        ("greedy", "members"),
        ("greedy", "nonmembers"),
        ("greedy", "excess"),
        ("top1", "members"),
        ("top1", "nonmembers"),
        ("lift_reference", "members"),
        ("lift_majority", "members"),
        ("logprob_gain", "members"),
        ("logprob_gain", "nonmembers"),
    )
    found = [
        [kind, node["greedy"]["members"]["n_members"], *(tell(node.get(what, {}).get(who)) for what, who in columns)]
        for kind, node in tree.get("spans", {}).items()
        if "members" in node.get("greedy", {})
    ]
    heads = [
        "sensitive values",
        "training values",
        "greedy, training",
        "greedy, held out",
        "difference",
        "ranked first, training",
        "ranked first, held out",
        "above base",
        "above most frequent",
        "gain, nats a token, training",
        "gain, held out",
    ]
    return table(heads, found)


def _unprompted(tree: Any, tell: Tell) -> list[str]:
    node = tree.get("unprompted", {})
    if not node:
        return []
    shares = [[what, tell(node[what]["members"]), tell(node[what]["heldout"])] for what in ("found", "near", "records")]
    ranked = {name: one["precision"] for name, one in node.items() if "precision" in one}
    both = [{k for k, sides in one.items() if len(sides) == 2} for one in ranked.values()]
    ranks = sorted(set.intersection(*both), key=int)
    found = [
        [name, *(tell(one[k][side]) for k in ranks for side in ("members", "heldout"))] for name, one in ranked.items()
    ]
    heads = [
        "unprompted, ranked by",
        *(f"precision at {k}, {side}" for k in ranks for side in ("training", "held out")),
    ]
    return [*table(["unprompted texts", "training", "held out"], shares), *table(heads, found)]


def _canaries(tree: Any, tell: Tell) -> list[str]:
    found = [
        [
            kind,
            which.replace("_", " "),
            node["verbatim"]["n_nonmembers" if which == "heldout" else "n_members"],
            tell(node.get("auc")),
            tell(node.get("tpr_at_fpr", {}).get("0.1")),
            tell(node["verbatim"]),
            tell(node.get("exposure")),
        ]
        for kind, sets in tree.get("canaries", {}).items()
        if kind != "one_run"
        for which, node in sets.items()
    ]
    return table(["canaries", "", "number", "AUC", "TPR at 10% FPR", "secret comes back", "exposure, bits"], found)


def _coins(tree: Any, tell: Tell) -> list[str]:
    nodes = {"canaries": tree.get("canaries", {}).get("one_run"), "groups": tree.get("one_run")}
    found = [
        [
            units,
            _short(node["epsilon"]["value"]),
            tell(node.get("ceiling")),
            tell(node.get("guesses")),
            tell(node.get("correct")),
            node["epsilon"]["method"],
        ]
        for units, node in nodes.items()
        if node
    ]
    return table(["coins over", "epsilon at least", "ceiling", "guesses", "correct", "method"], found)


def _short(text: str) -> str:
    return f"{float(text):.3f}" if text else "–"
