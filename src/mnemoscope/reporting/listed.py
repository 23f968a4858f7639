"""What the section on records shows: the first rows in words, all rows and the opened ones as data."""

from __future__ import annotations

from typing import Any

from mnemoscope.records import Evidence
from mnemoscope.reporting.exposed import SIDES, columns, exposed, first_rows
from mnemoscope.reporting.hashes import record_hashes
from mnemoscope.reporting.opened import LIMIT, QUANTUM, TOKENS, Known, opened
from mnemoscope.reporting.packed import packed


def listed(evidence: Evidence, known: Known, *, show_text: bool) -> dict[str, Any]:
    """Content of templates/records.html.j2."""
    table = exposed(evidence, record_hashes(evidence.records), known.target)
    openable = min(LIMIT, len(table.order))
    return {
        "total": len(table.order),
        "attack": table.attack,
        "sides": SIDES,
        "rows": first_rows(table),
        "openable": openable,
        "limit": TOKENS,
        "quantum": QUANTUM,
        "columns": packed({"openable": openable, **columns(table)}),
        "opened": packed(opened(evidence, table, known, show_text=show_text)),
    }
