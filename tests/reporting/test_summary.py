"""The summary and the terminal: every number, no text, no places, no need of the extra."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mnemoscope.records import Evidence
from mnemoscope.reporting import summary
from mnemoscope.reporting.names import drawn, main_attack, main_prefix, nested, parts, ranked
from mnemoscope.reporting.plain import homeless, plain


def test_summary_is_strict_json(evidence: Evidence) -> None:
    """The summary passes through strict JSON unchanged, also where a number is not finite."""
    nan = float("nan")
    odd = [replace(e, value=nan, high=np.float64("inf"), p_value=nan, p_adjusted=nan) for e in evidence.estimates]
    for given in (evidence, replace(evidence, estimates=odd)):
        found = summary(given)
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_summary_holds_no_text_no_ids_no_places(evidence: Evidence) -> None:
    """No text, id or folder of the evidence is in the summary."""
    text = json.dumps(summary(evidence), ensure_ascii=False)
    for secret in ("lamotrigine", "pubmed-", "doc-1", "/home", "ann", "clinic"):
        assert secret not in text


def test_summary_holds_every_estimate(evidence: Evidence) -> None:
    """Each estimate stands at its dotted path, with its interval and counts."""
    found = summary(evidence)
    for e in evidence.estimates:
        node = found
        for key in parts(e.name):
            node = node[key]
        assert (e.value, e.low, e.high, e.level) == (node["value"], node["low"], node["high"], node["level"])
        assert node["counts"]["members"] == e.n_members
        assert ("fpr" in node) == (e.fpr is not None)
        assert node.get("p_value") == e.p_value
        assert node.get("p_adjusted") == e.p_adjusted


def test_every_family_is_there_even_empty(evidence: Evidence) -> None:
    """A reader may look into any family of an audit that has no estimates of it."""
    assert {"validity", "comparison", "counterfactual", "membership"} <= summary(replace(evidence, estimates=[])).keys()


def test_attacks_are_ranked_by_auc_with_unknown_ones_last() -> None:
    """Highest first, equal ones by name, those without a number last."""
    tree = {"a": {"auc": {"value": 0.6}}, "b": {}, "d": {"auc": {"value": 0.9}}, "c": {"auc": {"value": 0.9}}}
    assert ranked({**tree, "e": {"auc": {"value": None}}}) == ["c", "d", "a", "b", "e"]


def test_few_curves_are_drawn_and_the_best_is_not_chosen(evidence: Evidence) -> None:
    """Up to five curves are all drawn; of more, the headline's and four of a fixed list, whatever they reached."""
    assert drawn(["zlib", "loss", "lr_ratio"]) == ["lr_ratio", "loss", "zlib"]
    assert drawn(evidence.curves) == ["lr_ratio", "loss", "min_k_plus_plus_calibrated", "ez", "wbc"]
    assert drawn([]) == []


def test_summary_forgets_the_time(evidence: Evidence) -> None:
    """Timings never reach the summary."""
    assert summary(evidence) == summary(replace(evidence, timings={"x": {"seconds": 1}}))


def test_names_with_dots_in_numbers() -> None:
    """A number in a name stays one key."""
    assert parts("extraction.0.5.verbatim.members") == ("extraction", "0.5", "verbatim", "members")
    assert parts("extraction.25t.planted") == ("extraction", "25t", "planted")
    assert parts("membership.a.tpr_at_fpr.0.001") == ("membership", "a", "tpr_at_fpr", "0.001")
    assert nested([("a.0.5.b", 1), ("a.0.5.c", 2)]) == {"a": {"0.5": {"b": 1, "c": 2}}}


def test_headline_parts_are_fixed() -> None:
    """The attack and the prefix of the headline are the paper's, else the first by name, never the best."""
    assert main_attack(["loss", "lr_ratio"]) == "lr_ratio"
    assert main_attack(["zlib", "loss"]) == "loss"
    assert main_attack([]) is None
    assert main_prefix(["25t", "0.5"]) == "0.5"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/ann/notes.jsonl", "notes.jsonl"),
        ("C:\\Users\\ann\\notes.csv", "notes.csv"),
        ("../ann/notes.csv", "notes.csv"),
        ("data/ann/notes", "notes"),
        ("ann/notes.parquet", "notes.parquet"),
        ("/home/ann lee/my notes.txt", "my notes.txt"),
        ("org/model", "org/model"),
        ("3 records in /srv/ann/x.txt are empty", "3 records in x.txt are empty"),
        ("copies/no copies", "copies/no copies"),
    ],
)
def test_places_are_cut(given: str, kept: str) -> None:
    """A path keeps its last part; a hub name and a sentence stay as they are."""
    assert homeless(given) == kept


def test_plain_takes_what_numpy_gives() -> None:
    """Numpy numbers and arrays, tuples and sets become plain JSON."""
    given = {1: np.float32(0.5), "a": np.arange(2), "b": (True, None), "c": {"y", "x"}, "d": np.nan}
    assert plain(given) == {"1": 0.5, "a": [0, 1], "b": [True, None], "c": ["x", "y"], "d": None}


def test_summary_and_terminal_need_no_extra() -> None:
    """Summary, headline and terminal import none of the packages of the extra."""
    code = (
        "import sys; from mnemoscope.reporting import summary, headline, terminal; "
        "print(sorted({'jinja2', 'altair', 'vl_convert', 'torch', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
