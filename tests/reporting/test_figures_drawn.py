"""The figures of an audit: they show the summary's numbers, have units, and read on a phone and in both themes."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from altair.utils.schemapi import debug_mode

from mnemoscope.records import Evidence, RocBand, RocCurve
from mnemoscope.reporting import curves, figures, gallery, names, roc, summary, theme
from mnemoscope.reporting.svg import LARGEST, to_svg
from mnemoscope.steps.curving import curves as audit_curves

PHONE = 371
"""Pixels inside the margins of a page of 400."""


@pytest.fixture(scope="module")
def numbers(evidence: Evidence) -> dict[str, Any]:
    return summary(evidence)


def layers(chart: Any) -> list[dict[str, Any]]:
    with debug_mode(False):
        specification = chart.to_dict()
    return specification.get("layer", [specification])


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_a_figure_obeys_the_schema_and_has_units(evidence: Evidence, numbers: dict[str, Any], name: str) -> None:
    """Valid, with a description, words on both axes, and no wider than a phone's page."""
    chart = gallery.charts(evidence, numbers)[name]()
    specification = chart.to_dict(validate=True)
    assert len(specification["description"]) > 10
    for axis in ("x", "y"):
        encodings = [layer["encoding"][axis] for layer in layers(chart) if axis in layer.get("encoding", {})]
        titles = {one["title"] for one in encodings if "title" in one}
        assert titles <= {None} if name == "aucs" and axis == "y" else all(titles), (name, titles)
    svg = to_svg(chart)
    natural = float(re.search(r"max-width:(\d+)px", svg)[1]) / LARGEST  # type: ignore[index]
    assert natural <= PHONE
    assert 'font-size="9' not in svg
    assert 'font-size="10' not in svg


def test_every_figure_of_a_whole_audit_is_there(evidence: Evidence, numbers: dict[str, Any]) -> None:
    """All have something to show; the names of their files differ."""
    wanted = gallery.charts(evidence, numbers)
    assert set(wanted) == set(gallery.FIGURES)
    assert len({build().to_dict()["name"] for build in wanted.values()}) == len(wanted)


def banded(evidence: Evidence) -> Evidence:
    """The audit with a band of the headline's curve."""
    band = RocBand(np.array([0.02, 0.1, 0.5]), np.array([0.0, 0.2, 0.6]), np.array([0.3, 0.5, 0.9]), 0.95, "x")
    found = dict(evidence.curves)
    return replace(evidence, curves={**found, "lr_ratio": replace(found["lr_ratio"], band=band)})


def test_the_headline_s_band_is_shaded(evidence: Evidence) -> None:
    """The ends of the band as they are, none below the log axis; without a band nothing is shaded."""
    linear, low = (layers(draw(banded(evidence))) for draw in (roc.roc, roc.roc_low))
    rows = linear[0]["data"]["values"]
    assert [(row["fpr"], row["tpr"], row["high"]) for row in rows] == [(0.02, 0, 0.3), (0.1, 0.2, 0.5), (0.5, 0.6, 0.9)]
    floor = low[0]["encoding"]["x"]["scale"]["domain"][0]
    assert low[0]["data"]["values"][0]["tpr"] == floor > 0
    assert [layer["mark"]["type"] for layer in layers(roc.roc(evidence))] == ["line", "line"]
    assert "shaded: 95% interval of lr_ratio, from 2.0% on" in to_svg(roc.roc_low(banded(evidence)))


def test_corners_below_a_log_axis_stand_on_its_edge() -> None:
    """A curve that begins with hits and no false alarm keeps them at the left edge, in its order."""
    curve = RocCurve(np.array([0.0, 0.0, 0.02, 1.0]), np.array([0.0, 0.4, 0.5, 1.0]))
    rows = [(row["fpr"], row["tpr"]) for row in roc.corners("x", curve, 0.01)]
    assert rows == [(0.01, 0.01), (0.01, 0.4), (0.02, 0.5), (1.0, 1.0)]


def test_a_tie_promises_nothing_on_logarithmic_axes(evidence: Evidence) -> None:
    """Where many records share the highest score, the TPR stays at the lower corner up to their FPR."""
    kinds = [layers(draw(evidence))[-1]["mark"]["interpolate"] for draw in (roc.roc, roc.roc_low)]
    assert kinds == ["linear", "step-after"]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    """Of 5,000 corners at most two grids' worth are drawn, among them the first and the last."""
    line = np.linspace(0, 1, 5000)
    rows = roc.corners("x", RocCurve(line, line), 0.0)
    assert len(rows) <= 2 * roc.POINTS
    assert (rows[0]["i"], rows[-1]["i"]) == (0, 4999)


def test_expected_numbers_are_shares_of_the_counts(numbers: dict[str, Any]) -> None:
    """Each mark is the estimate's share times the records it was made of, and the legend says of how many."""
    expected = numbers["sampling"]["0.5"]["t1-k40"]["expected"]
    chart = curves.queries(expected, "t1-k40")
    rows = layers(chart)[1]["data"]["values"]
    for row in rows:
        who, of = re.fullmatch(r"(.*), of (\d+)", row["who"]).groups()  # type: ignore[union-attr]
        leaf = expected[f"n{int(row['n'])}"][{words: name for name, words in curves.WHO.items()}[who]]
        size = leaf["counts"]["nonmembers" if who.startswith("held-out") else "members"]
        assert int(of) == size
        assert row["share"] == pytest.approx(leaf["value"] * size)
        assert (row["low"], row["high"]) == pytest.approx((leaf["low"] * size, leaf["high"] * size))
    assert len(rows) == 7 * 4


def leaf(value: float) -> dict[str, Any]:
    return {"value": value, "low": value / 2, "high": value * 2, "counts": {"members": 10, "nonmembers": 5}}


def test_temperatures_are_of_one_family_of_decodings() -> None:
    """Three share top-k 40; the two without a limit stay out. The base model stands where it was sampled."""
    nodes = {
        label: {
            "expected": {"n1": {"members": leaf(0.1 * i), "nonmembers": leaf(0.01 * i)}, "n7": {"members": leaf(1)}}
        }
        for i, label in enumerate(("t1-k40", "t1", "t0.2", "t2-k40", "t0.5-k40"), 1)
    }
    nodes["t1-k40"]["expected"]["n1"]["reference_members"] = leaf(0.001)
    rows = curves.temperature_rows(nodes)
    assert {row["asked"] for row in rows} == {"1 query"}
    assert [(row["temperature"], row["share"]) for row in rows if row["who"] == "members"] == [
        (0.5, 0.5), (1.0, 0.1), (2.0, 0.4),
    ]  # fmt: skip
    assert [row["temperature"] for row in rows if row["who"] == "reference_members"] == [1.0]
    assert {row["limits"] for row in rows} == {"top-k 40"}
    assert curves.temperature_rows({"t1": nodes["t1"], "t1-k40": nodes["t1-k40"]}) == []


def test_the_threshold_of_the_lowest_resolved_rate_is_drawn(evidence: Evidence, numbers: dict[str, Any]) -> None:
    """Of 10%, 1% and 0.1%, the last not resolved, it is that of 1%, and it says so."""
    node = numbers["membership"]["lr_ratio"]
    limit = gallery.resolved_limit(node)
    assert limit is node["tpr_at_fpr"]["0.01"]
    svg = to_svg(figures.score_histogram(evidence, "lr_ratio", limit))
    assert "at 1% false alarms" in svg
    assert gallery.resolved_limit({"tpr_at_fpr": {"0.001": node["tpr_at_fpr"]["0.001"]}}) is None
    assert "false alarms" not in to_svg(figures.score_histogram(evidence, "lr_ratio", None))


def test_a_cross_fitted_attack_has_no_threshold_on_its_scores(evidence: Evidence) -> None:
    """Its threshold is a rank inside folds, which the axis of scores does not have."""
    alone = replace(evidence, scores={"learned": evidence.scores["learned"]})
    assert names.main_attack(alone.scores) == "learned"
    assert "false alarms" not in to_svg(gallery.charts(alone, summary(evidence))["scores"]())


def test_the_band_is_of_the_headline_and_of_the_audit_s_seed(evidence: Evidence) -> None:
    """Only the headline's curve has a band; equal seeds give equal ones, others not."""
    few = {name: evidence.scores[name] for name in ("loss", "lr_ratio")}
    asked = {"config": {"measurement": {"level": 0.9, "resamples": 40}}}
    first, again, other = (audit_curves(evidence.records, few, {**asked, "seed": seed}) for seed in (1, 1, 2))
    assert first["loss"].band is None
    bands = [found["lr_ratio"].band for found in (first, again, other)]
    assert all(band is not None and band.level == 0.9 and "40 resamples" in band.method for band in bands)
    low = [band.low for band in bands if band is not None]
    assert np.array_equal(low[0], low[1])
    assert not np.array_equal(low[0], low[2])


def test_a_log_axis_has_a_label_at_every_tick() -> None:
    """By hand: 1, 2 and 5 of each power below two decades, powers alone from there on."""
    assert theme.log_axis(3, 60, "~s").to_dict()["values"] == [5, 10, 20, 50]
    assert theme.log_axis(0.001, 1, "~%").to_dict()["values"] == pytest.approx([0.001, 0.01, 0.1, 1])
    assert theme.log_axis(3, 60, "~s").to_dict()["tickCount"] == 4


def test_a_long_subtitle_is_broken_between_its_parts() -> None:
    """Short ones stay on one line, long ones never lose a word."""
    parts = ["larger: higher rank", "dashed: base model, 20.00, mean of 3 seeds", "8 of 12 kinds drawn"]
    title = theme.framed(theme.data([]).mark_point(), "x", "y", "; ".join(parts)).to_dict()["title"]["text"]
    assert len(title) == 3
    assert "; ".join(title) == "; ".join(parts)
    assert theme.framed(theme.data([]).mark_point(), "x", "y", "a; b").to_dict()["title"]["text"] == "a; b"


SEEN_AS = {
    "all cones": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB as it is seen (Machado, Oliveira & Fernandes 2009)."""


def linear(colour: str) -> Any:
    given = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)


def lab(rgb: Any) -> Any:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    scaled = xyz / [0.95047, 1, 1.08883]
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return light / dark


@pytest.mark.parametrize("kind", SEEN_AS)
@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_told_apart_in_both_themes(kind: str, dark: bool) -> None:
    """The first five differ for every common form of colour blindness; all stand out from the page."""
    shown = [theme.DARK[colour] if dark else colour for colour in theme.ATTACKS]
    points = [lab(np.array(SEEN_AS[kind]) @ linear(colour)) for colour in shown[:5]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2)) > 7
    assert min(contrast(colour, "#14171a" if dark else "#ffffff") for colour in shown) >= 3


def test_the_page_repaints_every_colour() -> None:
    """Each colour of the attacks has its rules for fill and stroke, and its dark twin is in the page's style."""
    folder = files("mnemoscope.reporting") / "templates"
    style = "".join((folder / name).read_text(encoding="utf-8") for name in ("page.css", "figures.css"))
    for light, dark in theme.DARK.items():
        assert f'[fill="{light}"]' in style
        assert f'[stroke="{light}"]' in style
        assert dark in style
