"""Values inside a page, as JSON that no text in them can end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


def packed(value: Any) -> Markup:
    """Compact JSON for a script element that is data: `<`, `>`, `&` and line separators stand as their codes."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # JSON reads the codes as the characters, and HTML sees none of its own
