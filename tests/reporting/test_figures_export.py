"""Figures as files: every figure in every format that is asked for, sharp, readable alone, equal for equal input."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

import study_sample as sample

from mnemoscope import steps
from mnemoscope.errors import ConfigError
from mnemoscope.records import Evidence
from mnemoscope.reporting import figure_files, gallery, roc, study_figure_files, study_summary, summary
from mnemoscope.reporting.svg import FORMATS, SHARPNESS, to_files
from mnemoscope.steps import drawing
from mnemoscope.store import Run


@pytest.fixture(scope="module")
def made(evidence: Evidence) -> Mapping[str, bytes]:
    """One figure in all formats."""
    return to_files([roc.roc(evidence)], FORMATS)


def size(svg: bytes) -> tuple[float, float]:
    root = ET.fromstring(svg)
    return float(root.attrib["width"]), float(root.attrib["height"])


def test_each_format_is_what_it_says(made: Mapping[str, bytes]) -> None:
    """An SVG with its own size and name, a PNG of twice that size, a PDF."""
    assert set(made) == {"roc.svg", "roc.png", "roc.pdf"}
    wide, high = size(made["roc.svg"])
    assert b"<title>ROC curves" in made["roc.svg"]
    assert made["roc.png"].startswith(b"\x89PNG")
    pixels = struct.unpack(">II", made["roc.png"][16:24])
    assert pixels == pytest.approx((SHARPNESS * wide, SHARPNESS * high), abs=2)
    assert made["roc.pdf"].startswith(b"%PDF")


def test_equal_figures_give_equal_files(made: Mapping[str, bytes], evidence: Evidence) -> None:
    """Drawn again, every file has the same bytes."""
    assert to_files([roc.roc(evidence)], FORMATS) == made


def test_an_audit_has_a_file_a_figure(evidence: Evidence) -> None:
    """As many as the page shows, and none of them names a record or holds its text."""
    found = figure_files(evidence, summary(evidence), ("svg",))
    assert len(found) == len(gallery.FIGURES)
    assert all(name.endswith(".svg") for name in found)
    whole = b"".join(found.values())
    assert not any(secret in whole for secret in (b"pubmed-", b"doc-1", b"lamotrigine"))


def test_a_study_has_its_figures_too() -> None:
    """What cannot be drawn has no file."""
    evidence = sample.single()
    assert set(study_figure_files(evidence, study_summary(evidence), ("svg",))) == {
        "roc-ranks.svg", "usefulness.svg", "decodings-members.svg",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "read"),
    [((), ()), (("svg",), ("svg",)), (("svg,PNG",), ("svg", "png")), ("pdf, .svg,pdf", ("pdf", "svg"))],
)
def test_formats_come_with_commas(given: Any, read: tuple[str, ...]) -> None:
    """In any case, with or without a dot, each once; nothing is asked for by default."""
    assert steps.figure_formats(given) == read


def test_an_unknown_format_is_refused_in_one_line() -> None:
    """It says what, and what is allowed, before anything is done."""
    with pytest.raises(ConfigError, match=r"--figures: unknown format 'jpg'\. .*Known: pdf, png, svg") as fault:
        steps.figure_formats("svg,jpg")
    assert "\n" not in str(fault.value)


def test_missing_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to get them."""
    monkeypatch.setattr("mnemoscope.reporting.available", lambda: False)
    assert steps.figure_formats(()) == ()
    with pytest.raises(ConfigError, match="pip install"):
        steps.figure_formats("svg")


def test_the_folder_holds_what_was_asked_for_last(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readable by the owner alone; the files of an earlier call are gone."""
    monkeypatch.setattr(drawing, "evidence", lambda _: evidence)
    chosen = {"loss": lambda: roc.roc(evidence)}
    monkeypatch.setattr(gallery, "charts", lambda *_: chosen)
    for formats in (("svg", "png"), ("pdf",)):
        steps.draw(Run(tmp_path / "run"), formats)
    (kept,) = (tmp_path / "run" / "figures").iterdir()
    assert kept.name == "roc.pdf"
    assert kept.stat().st_mode & 0o077 == 0
