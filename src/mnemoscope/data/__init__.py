"""Text to records: files, saved and hub sets, PHEE, synthetic notes, canaries, and what a reader should know of them.

READ FIRST: reading.py. Modules load on first use (SPEC 1), so the room is cheap to import.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
