"""What a page loads, runs and holds, as a browser would read it."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

LOADS = {"src", "href", "xlink:href", "action", "data", "srcset", "poster", "formaction"}
"""Attributes that make a browser ask for something."""


class Markup(HTMLParser):
    """Collects tags, places that are loaded or linked, event handlers, and scripts with what they hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.scripts: list[str] = []
        """Texts of the scripts that run."""
        self.blocks: dict[str, str] = {}
        """Texts of the data blocks, by their id."""
        self.policy = ""
        self._inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in LOADS]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "script":
            self._inside = given.get("id") if given.get("type") == "application/json" else ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "":
            self.scripts.append(data)
        elif self._inside is not None:
            self.blocks[self._inside] = data


def strangers(page: Markup) -> list[str]:
    """Scripts that the page's own policy would stop."""
    return [text for text in page.scripts if f"'sha256-{_digest(text)}'" not in page.policy]


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
