"""The data blocks of the section on records: nothing private, nothing that runs, and a script that says the same."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

pytest.importorskip("altair")
pytest.importorskip("jinja2")

from markup import Markup, strangers
from records_sample import known_of, table_of, traced, whole_page

from mnemoscope.records import Evidence, Span
from mnemoscope.reporting.gallery import FIGURES
from mnemoscope.reporting.opened import LIMIT, PIECE, Known, opened
from mnemoscope.reporting.packed import packed
from mnemoscope.reporting.scripts import TABLE, TABLE_SHA256
from mnemoscope.reporting.visible import CHARACTERS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "</script><script>alert(1)</script> <!-- \"quoted\" 'single' 🧬 \u202egnp.exe\u202c\u2028 &amp; {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def known(evidence: Evidence) -> Known:
    """Traces of target and reference and the sensitive values."""
    return known_of(evidence)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures: they take most of a page's time."""
    monkeypatch.setattr("mnemoscope.reporting.gallery.drawn", lambda *_: dict.fromkeys(FIGURES, ""))


# The data blocks


@pytest.mark.parametrize("value", [EVIL, "</SCRIPT >", "<!--<script>", "\u2029]]>", "\\u003c", '"', "\\"])
def test_no_text_ends_its_block(value: str) -> None:
    """Whatever the text, the block is read back as it was, and holds no sign of HTML."""
    block = str(packed({"text": [value]}))
    assert json.loads(block) == {"text": [value]}
    assert not set("<>&\u2028\u2029") & set(block)


def marked(evidence: Evidence) -> tuple[Evidence, Known, list[str]]:
    """The audit with marks in every place that is as private as the text, and all of the marks."""
    sign = "zqvx{}xvqz{}"

    def renamed(identity: str) -> str:
        return sign.format("id", identity.removeprefix("pubmed-"))

    records = [
        replace(
            record,
            id=renamed(record.id),
            text=f"{sign.format('text', i)} {record.text} {sign.format('end', i)} {EVIL}",
            group=sign.format("group", i),
        )
        for i, record in enumerate(evidence.records)
    ]
    bad = replace(
        evidence,
        records=[replace(r, spans=(Span(0, len(r.text) - len(EVIL), "age"),)) for r in records],
        extractions=[replace(row, id=renamed(row.id)) for row in evidence.extractions],
        generations=[
            replace(row, id=renamed(row.id), text=f"{sign.format('wrote', i)} {EVIL}")
            for i, row in enumerate(evidence.generations)
        ],
    )
    return bad, known_of(bad), ["zqvx", "xvqz"]


def strings(value: Any) -> Iterator[str]:
    """All strings and numbers in a value, and what base64 hides in them."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from (str(key), *strings(inside))
    elif isinstance(value, list):
        for inside in value:
            yield from strings(inside)
    else:
        yield str(value)
        if isinstance(value, str) and len(value) % 4 == 0:
            try:
                yield base64.b64decode(value, validate=True).decode("latin-1")
            except ValueError:
                return


@pytest.mark.usefixtures("unpainted")
def test_redacted_page_holds_nothing_private(evidence: Evidence) -> None:
    """No text, id, group, token id, value or continuation stands anywhere in the file, in no block and no encoding."""
    bad, marks, private = marked(evidence)
    text = whole_page(bad, marks, show_text=False)
    markup = Markup(text)
    assert set(markup.blocks) >= {"records-data", "records-opened"}
    told = [one for block in markup.blocks.values() for one in strings(json.loads(block))]
    assert len(told) > 10 * len(bad.records)
    for part in (html.unescape(text), *told):
        for secret in (*private, "alert(1)", "gnp.exe", "lamotrigine", "pubmed", "doc-1", "17000"):
            assert secret not in part
    assert strangers(markup) == []
    rows = json.loads(markup.blocks["records-opened"])["rows"]
    assert not {"pieces", "whole", "found", "text"} & {name for row in rows for name in row}
    assert not {"text"} & {name for row in rows for one in row["written"] for name in one}


@pytest.mark.usefixtures("unpainted")
def test_the_same_marks_are_there_when_text_is_shown(evidence: Evidence) -> None:
    """The marks of the test above would be seen: with text shown, the blocks hold them; ids and groups still not."""
    bad, marks, _ = marked(evidence)
    text = whole_page(bad, marks, show_text=True)
    markup = Markup(text)
    joined = "".join("".join(row["pieces"]) for row in json.loads(markup.blocks["records-opened"])["rows"])
    for sign in ("zqvxtextxvqz0", "zqvxendxvqz0"):
        assert sign in joined
    assert "zqvxwrotexvqz" in markup.blocks["records-opened"]
    assert "zqvxidxvqz" not in text
    assert "zqvxgroupxvqz" not in text
    assert "⟨U+202E⟩" in joined
    assert strangers(markup) == []


def test_endless_texts_are_cut(evidence: Evidence) -> None:
    """A text of 100 kB is cut piece by piece, with traces and without, and says so."""
    endless = [replace(record, text="x" * 100_000, spans=()) for record in evidence.records[:2]]
    some = replace(
        evidence, records=endless, scores={}, generations=[replace(evidence.generations[0], text="y" * 100_000)]
    )
    known = Known(traced(endless, "target"), traced(endless, "reference"))
    for given, longest in ((known, max(PIECE, CHARACTERS)), (Known(), CHARACTERS)):
        table, _ = table_of(some, given)
        told = str(packed(opened(some, table, given, show_text=True)))
        assert "x" * (longest + 1) not in told
        assert "y" * (CHARACTERS + 1) not in told
        assert "characters more)" in told


@pytest.mark.usefixtures("unpainted")
def test_equal_evidence_gives_equal_blocks(evidence: Evidence, known: Known) -> None:
    """A second page is equal byte for byte."""
    assert whole_page(evidence, known, show_text=True) == whole_page(evidence, known, show_text=True)


def test_only_the_first_records_open(evidence: Evidence) -> None:
    """Of many records the table holds all, and the first LIMIT can be opened."""
    records = [replace(evidence.records[i % 500], id=str(i)) for i in range(LIMIT + 200)]
    many = replace(evidence, records=records, scores={"loss": np.ma.masked_array(np.arange(LIMIT + 200.0))})
    table, found = table_of(many)
    assert len(found["score"]) == LIMIT + 200
    assert len(opened(many, table, Known(), show_text=False)["rows"]) == LIMIT


def test_a_record_takes_few_bytes(evidence: Evidence) -> None:
    """A row of the table is at most 60 bytes of the page."""
    _, found = table_of(evidence)
    assert len(packed(found)) <= 60 * len(evidence.records)


def test_the_vendored_table_is_unchanged() -> None:
    """DataTables is byte for byte what the hash says."""
    content = (files("mnemoscope.reporting") / TABLE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == TABLE_SHA256
