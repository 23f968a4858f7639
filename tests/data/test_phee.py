"""PHEE's layout, on made-up sentences and, where it is there, on the set itself."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import pytest

from mnemoscope import data
from mnemoscope.errors import DataError
from mnemoscope.records import Span

PHEE = Path(__file__).parents[3] / "shared" / "phee"

TEXT = "A boy of 9 got Zudavir and Ixapril for croup and had hiccups."


def argument(*values: str, **children: Any) -> dict[str, Any]:
    starts = [[TEXT.index(value)] for value in values]
    return {"text": [[value] for value in values], "start": starts, "entity_id": ["T1"], **children}


SUBJECT = argument("A boy of 9", Age=argument("9"), Gender=argument("boy"))
COMBINATION = [
    {"event_id": "E2", "event_type": "Combination", "Drug": argument("Zudavir", "Ixapril"), "Trigger": argument("and")}
]
TREATMENT = argument(
    "Zudavir and Ixapril for croup",
    Drug=argument("Ixapril", "Zudavir"),
    Disorder=argument("croup"),
    Time_elapsed={"text": [], "start": []},
    Combination=COMBINATION,
)
EVENT = {
    "event_id": "E1",
    "event_type": "Adverse_event",
    "Trigger": argument("had"),
    "Subject": SUBJECT,
    "Treatment": TREATMENT,
    "Effect": {"text": [["hiccups"]], "start": [[TEXT.index("hiccups")]]},
    "Severity": {**argument("had"), "value": "High"},
    "Negated": {**argument("had"), "value": True},
}
# two events that share their effect: the value counts once
ANNOTATIONS = [{"events": [EVENT, {"event_id": "E3", "Effect": argument("hiccups")}]}]
SPANS = (
    Span(2, 5, "gender"),
    Span(9, 10, "age"),
    Span(15, 22, "drug"),
    Span(27, 34, "drug"),
    Span(39, 44, "disorder"),
    Span(53, 60, "effect"),
)


def row(name: str, text: str = TEXT, annotations: Any = ANNOTATIONS) -> dict[str, Any]:
    return {"id": name, "context": text, "is_mult_event": False, "annotations": annotations}


def folder(path: Path, *train: dict[str, Any]) -> str:
    splits = {"train": train, "dev": [row("77_1", "Nothing here.", [])], "test": [row("88_1"), row("88_12")]}
    for stem, rows in splits.items():
        path.joinpath(f"{stem}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows))
    return str(path)


def test_layout(tmp_path: Path) -> None:
    """Values become spans once each, triggers and modifiers do not, and the group is the id up to the last "_"."""
    records = data.read(folder(tmp_path, row("12_3_4")))
    train = next(r for r in records if r.role == "member")
    assert (train.group, train.spans, train.part) == ("12_3", SPANS, "train")
    assert {(r.id, r.group, r.part) for r in records if r.role == "nonmember"} == {
        ("77_1", "77", "calibration"),
        ("88_1", "88", "evaluation"),
        ("88_12", "88", "evaluation"),
    }


def test_saved_by_datasets(tmp_path: Path) -> None:
    """Saved by datasets, absent arguments are null and the records stay the same."""
    rows = [row("1_1"), row("2_1", "Nothing here.", [{"events": [{"event_id": "E1"}]}])]
    parts = {"train": datasets.Dataset.from_list(rows), "test": datasets.Dataset.from_list([row("3_1")])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    assert [(r.group, r.spans) for r in data.read(str(tmp_path / "saved"))] == [("1", SPANS), ("2", ()), ("3", SPANS)]


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        ({"text": [["hiccups"]], "start": [[52]]}, "the effect said to begin at 52 is not there"),
        ({"text": [["hiccups"]], "start": [[-9]]}, "is not there"),
        ({"text": [["hiccups"]], "start": []}, "do not match"),
        ({"text": [["hiccups"]], "start": [["53"]]}, "do not match"),
        ({"text": [["hiccups"]]}, "no text and start lists"),
        ({"text": 5, "start": 5}, "no text and start lists"),
    ],
)
def test_malformed(tmp_path: Path, effect: Any, expected: str) -> None:
    """A value that does not stand where it says is refused with its line, without the value."""
    source = folder(tmp_path, row("1_1"), row("1_2", annotations=[{"events": [{"Effect": effect}]}]))
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: malformed spans") as caught:
        data.read(source)
    assert expected in str(caught.value)
    assert "hiccups" not in str(caught.value)


@pytest.mark.skipif(not PHEE.is_dir(), reason="PHEE is not in ../shared/phee (it is never part of the repository)")
def test_phee_itself() -> None:
    """PHEE v1 has 2898 members of 1108 abstracts and 1929 non-members of 730, and no abstract in both."""
    records = data.read(str(PHEE))
    report = data.describe(records, str(PHEE))
    assert dict(report.n_records) == {"member": 2898, "nonmember": 1929}
    assert dict(report.n_groups) == {"member": 1108, "nonmember": 730}
    assert report.groups_across == 0
    assert sum(r.part == "calibration" for r in records) == 961
    raw = [json.loads(line) for line in (PHEE / "dev.jsonl").read_text().split("\n") if line]
    by_id = {r.id: r for r in records}
    for item in raw:  # the effects, read here in the plainest way
        given = {
            (start, value)
            for events in item["annotations"]
            for event in events["events"]
            if "Effect" in event
            for value, start in zip(
                *(chain.from_iterable(event["Effect"][key]) for key in ("text", "start")), strict=True
            )
        }
        record = by_id[item["id"]]
        found = {(span.start, record.text[span.start : span.end]) for span in record.spans if span.type == "effect"}
        assert found == given
