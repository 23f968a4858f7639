"""A chart as inline SVG: one accessible name, no ids that collide on a page, equal bytes for equal input."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import altair as alt
import vl_convert

_SVG = "http://www.w3.org/2000/svg"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DROPPED = ("class", "role", "aria-roledescription", "aria-label", "aria-hidden", "pointer-events")

ET.register_namespace("", _SVG)


def to_svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an `<svg role="img">` whose name is the chart's description.

    Class names and ids come from counters of the process, so they are dropped or numbered anew.
    """
    specification: dict[str, Any] = chart.to_dict()
    root = ET.fromstring(vl_convert.vegalite_to_svg(specification))
    title = str(specification["description"])
    _renumber(root, re.sub(r"\W+", "-", str(specification["name"])))
    for element in root.iter():
        for attribute in _DROPPED:
            element.attrib.pop(attribute, None)
    # width and height would keep the figure from shrinking to a phone
    natural = root.attrib.pop("width")
    del root.attrib["height"]
    root.attrib |= {"role": "img", "aria-label": title, "style": f"width:100%;max-width:{natural}px;height:auto"}
    name = ET.Element(f"{{{_SVG}}}title")
    name.text = title
    root.insert(0, name)
    return ET.tostring(root, encoding="unicode")


def _renumber(root: ET.Element, prefix: str) -> None:
    """Ids in order of appearance, prefixed with the chart's name: inline SVGs share the page's ids."""
    named = [element for element in root.iter() if "id" in element.attrib]
    new = {element.attrib["id"]: f"{prefix}-{i}" for i, element in enumerate(named)}
    for element in named:
        element.attrib["id"] = new[element.attrib["id"]]
    for element in root.iter():
        for attribute, text in element.attrib.items():
            element.attrib[attribute] = _REFERENCE.sub(lambda found: f"url(#{new[found[1]]})", text)
