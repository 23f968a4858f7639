"""The only room that knows torch: load, adapt, fine-tune, trace, generate."""

import logging as _logging

import lazy_loader as _lazy

# peft imports bitsandbytes where it is installed. That would say on some CPUs that an optional package is missing, and
# before each 8-bit product that it reads float16.
_logging.getLogger("bitsandbytes").setLevel(_logging.ERROR)

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
