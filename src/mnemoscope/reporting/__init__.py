"""Estimates -> tables, figures, one self-contained page.

`summary`, `headline` and `terminal` need nothing beyond the base install; `page` needs the extra `report`, and
`available` says whether it is there.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
