"""Jinja as every page uses it: always escaping, one frame, the scripts of the page and their policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mnemoscope.reporting.scripts import policy, script
from mnemoscope.reporting.wording import count, number

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

FRAME = "templates/frame.js"
"""Runs on every page."""


def rendered(template: str, runs: Sequence[str] = (), **content: Any) -> str:
    """The page of this template, as one HTML file that runs these scripts, in their order, and the frame's."""
    texts = [script(name) for name in (*runs, FRAME)]
    return environment().get_template(template).render(**content, scripts=texts, policy=policy(texts))


def environment() -> jinja2.Environment:
    """The templates of this room, which escape whatever they show."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("mnemoscope.reporting"),
        autoescape=True,  # always: the templates' suffix .j2 would not be recognised
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"breakable": _breakable, "count": count, "number": number, "grouped": lambda n: f"{n:,}"}
    return made


def _breakable(name: str) -> Markup:
    """An attack's name, safe for HTML, that a narrow screen may break at its underscores."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>"))
