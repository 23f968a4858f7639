"""A chart as inline SVG (one accessible name, no ids that collide on a page, equal bytes for equal input) or a file."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

import altair as alt
import vl_convert

FORMATS = ("svg", "png", "pdf")
"""What a figure can be written as."""
SHARPNESS = 2
"""A PNG has so many pixels for each of the page."""
LARGEST = 1.2
"""A figure grows up to this where there is room; beyond it would look coarse."""
_SVG = "http://www.w3.org/2000/svg"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_RESOURCES = re.compile(rb"(?:^ +/[a-z]+\d+ \d+ 0 R\n){2,}", re.MULTILINE)
_DROPPED = ("class", "role", "aria-roledescription", "aria-label", "aria-hidden", "pointer-events")

ET.register_namespace("", _SVG)


def to_svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an `<svg role="img">` for a page: as wide as there is room, named by the chart's description."""
    root = _drawn(chart.to_dict())
    # width and height would keep the figure from shrinking to a phone
    width = float(root.attrib.pop("width"))
    del root.attrib["height"]
    root.attrib["style"] = f"width:100%;max-width:{width * LARGEST:.0f}px;height:auto"
    return ET.tostring(root, encoding="unicode")


def to_files(charts: Iterable[alt.TopLevelMixin], formats: Iterable[str]) -> dict[str, bytes]:
    """File name to content for every chart in each of FORMATS that is asked for; PNG and PDF on white."""
    specifications = [chart.to_dict() for chart in charts]
    return {f"{one['name']}.{form}": _file(one, form) for one in specifications for form in formats}


def _file(specification: dict[str, Any], form: str) -> bytes:
    if form == "svg":
        return (ET.tostring(_drawn(specification), encoding="unicode") + "\n").encode()
    config = {**specification["config"], "background": "white"}
    drawn: str = vl_convert.vegalite_to_svg({**specification, "config": config})
    if form == "png":
        return bytes(vl_convert.svg_to_png(drawn, scale=SHARPNESS))
    # equal figures give equal files: only the order in which a page names its resources differs from draw to draw
    return _RESOURCES.sub(lambda run: b"".join(sorted(run[0].splitlines(True))), vl_convert.svg_to_pdf(drawn))


def _drawn(specification: dict[str, Any]) -> ET.Element:
    """The SVG that vl-convert draws, without what comes from counters of the process: class names and ids."""
    root = ET.fromstring(vl_convert.vegalite_to_svg(specification))
    title = str(specification["description"])
    _renumber(root, re.sub(r"\W+", "-", str(specification["name"])))
    for element in root.iter():
        for attribute in _DROPPED:
            element.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-label": title}
    name = ET.Element(f"{{{_SVG}}}title")
    name.text = title
    root.insert(0, name)
    return root


def _renumber(root: ET.Element, prefix: str) -> None:
    """Ids in order of appearance, prefixed with the chart's name: inline SVGs share the page's ids."""
    named = [element for element in root.iter() if "id" in element.attrib]
    new = {element.attrib["id"]: f"{prefix}-{i}" for i, element in enumerate(named)}
    for element in named:
        element.attrib["id"] = new[element.attrib["id"]]
    for element in root.iter():
        for attribute, text in element.attrib.items():
            element.attrib[attribute] = _REFERENCE.sub(lambda found: f"url(#{new[found[1]]})", text)
