"""The verdict on a terminal: ten lines, the numbers of the summary, plain when piped."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console

from mnemoscope.records import Evidence
from mnemoscope.reporting import summary, terminal
from mnemoscope.reporting.tiles import tiles
from mnemoscope.reporting.wording import estimate

LINES, FULL = 10, 11
"""Of an audit without planted secrets, and of one with everything; the place of the page is one more."""


def printed(evidence: Evidence, timings: Mapping[str, object] | None = None) -> str:
    """What a pipe of 80 columns gets."""
    pipe = io.StringIO()
    Console(width=80, file=pipe).print(terminal(summary(evidence), timings or evidence.timings))
    return pipe.getvalue()


def test_ten_lines_of_80_columns(evidence: Evidence) -> None:
    """Validity first, what leaked, a line an answer; none is longer than 80 columns and no number is cut."""
    lines = [line.rstrip() for line in printed(evidence).splitlines()]
    assert len(lines) <= FULL
    usual = [e for e in evidence.estimates if not e.name.startswith(("canaries.", "one_run.", "prefix_length."))]
    assert len(printed(replace(evidence, estimates=usual)).splitlines()) <= LINES
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert lines[0] == "Audit: VALID. Scores blind to the fine-tuned model do no better than chance."
    assert lines[1].startswith("What leaked: ")
    begins = ("Recognised", "Word for word", "10,000 queries", "Values", "Secrets", "Best of 15", "Not tested", "Time")
    assert [line.startswith(begin) for line, begin in zip(lines[-8:], begins, strict=True)] == [True] * 8


def test_the_answers_are_the_summarys(evidence: Evidence) -> None:
    """Each line has the estimate in its words beside what it is to be compared with."""
    numbers, text = summary(evidence), printed(evidence)
    verbatim = numbers["extraction"]["0.5"]["verbatim"]
    assert f"12 of 300 ({estimate('verbatim', verbatim['members'])}); held out 0 of 200" in text
    rate = numbers["membership"]["lr_ratio"]["tpr_at_fpr"]["0.01"]
    assert f"{estimate('tpr_at_fpr', rate)} at 1% false alarms; guessing 1%" in text
    expected = numbers["sampling"]["0.5"]["t1-k40"]["expected"]["n10000"]
    assert f"10,000 queries {estimate('sampling', expected['members'])}; held out" in text
    assert all(tile.line in " ".join(text.split()) for tile in tiles(numbers))


def test_a_pipe_gets_no_styles_and_markup_is_not_obeyed(evidence: Evidence) -> None:
    """Neither escape codes nor rich's own markup reach the output."""
    verdict = {"validity": "doubtful", "reason": "[red]lengths[/red] differ"}
    text = printed(replace(evidence, manifest={"verdict": verdict}))
    assert "\x1b" not in text
    assert "Audit: DOUBTFUL. [red]lengths[/red] differ" in " ".join(text.split())


def test_a_doubtful_audit_says_what_leaked_to_nobody(evidence: Evidence) -> None:
    """Where the audit is in doubt the numbers stay, and no leak is claimed."""
    text = printed(replace(evidence, manifest={"verdict": {"validity": "doubtful", "reason": "x"}}))
    assert "What leaked cannot be told from this audit." in text
    assert "What leaked:" not in text


@pytest.mark.parametrize("empty", [True, False])
def test_what_is_not_resolved_or_not_tested(evidence: Evidence, empty: bool) -> None:
    """An estimate without a value reads "not resolved"; an audit of nothing "not tested"."""
    blank = [replace(e, value=None, low=None, high=None, reason="not resolved: few") for e in evidence.estimates]
    text = printed(replace(evidence, estimates=[] if empty else blank))
    assert ("not tested" if empty else "not resolved") in text
    assert "No leak is resolved by what was tested" in text
    assert "None" not in text


def test_time_is_the_sum_and_the_slowest_stages(evidence: Evidence) -> None:
    """One line: all seconds together, then the three longest stages by their first name."""
    stages = {"train/vo-r8": {"seconds": 100.0}, "a": {"seconds": 1.5}, "b": {"seconds": 3.0}, "c": {"seconds": 2.0}}
    assert "Time           106.5 s (train 100.0, b 3.0, c 2.0)" in printed(evidence, {**stages, "host": "x"})


def test_the_order_of_a_files_keys_does_not_matter(evidence: Evidence) -> None:
    """A summary read back from a file with sorted keys gives the same answers."""

    def ordered(node: object) -> object:
        return {k: ordered(node[k]) for k in sorted(node)} if isinstance(node, dict) else node

    config = {"measurement": {"decodings": ["t1-k40", "t0.7-k40"]}}
    numbers = summary(replace(evidence, manifest={**evidence.manifest, "config": config}))
    again = ordered(numbers)
    assert isinstance(again, dict)
    assert tiles(again) == tiles(numbers)
