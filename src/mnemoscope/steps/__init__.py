"""The steps that `pipeline` lists: the only files that open the doors between the rooms."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
