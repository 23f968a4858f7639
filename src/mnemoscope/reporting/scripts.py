"""The page's scripts, and the policy that lets these and no others run, and nothing be asked of the network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

TABLE = "vendor/dataTables.min.js"
"""DataTables 3.1.5 (MIT), unchanged; see vendor/README.md."""
TABLE_SHA256 = "38017a5586acd9c6eb6bbfe8b6938e1a25bdc717c5acfcb07e0c9d663282c59d"

RECORDS = "templates/records.js"
"""The table of records and their tokens; needs TABLE before it."""


def script(name: str) -> str:
    """The text of a script of this room, fit to stand between script tags."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    if "</script" in text.lower():
        raise ValueError(f"{name} would end its own script element")
    return text


def policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy of a page with these inline scripts: no request of any kind, no other script."""
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
