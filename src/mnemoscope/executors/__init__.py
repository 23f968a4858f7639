"""Where cells run: one after the other in this process, in several beside it, or spread over a Ray cluster."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
