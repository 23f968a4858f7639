"""The only room that knows torch: load, adapt, fine-tune, trace, generate."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
