"""The only room that knows torch: load, adapt, fine-tune, trace, generate."""

import importlib as _importlib
import logging as _logging
import sys as _sys
from importlib.util import find_spec as _find_spec

import lazy_loader as _lazy

# peft imports bitsandbytes where it is installed. That would say on some CPUs that an optional package is missing, and
# before each 8-bit product that it reads float16.
_logging.getLogger("bitsandbytes").setLevel(_logging.ERROR)
if "bitsandbytes" not in _sys.modules and _find_spec("bitsandbytes") and _find_spec("kernels"):
    # With that package it would fetch code from the hub on those CPUs and run it, which nobody asked for.
    _kernels = _sys.modules.get("kernels")
    _sys.modules["kernels"] = None  # type: ignore[assignment]  # an import of it fails
    try:
        _importlib.import_module("bitsandbytes")
    finally:
        _sys.modules.pop("kernels")
        _sys.modules.update({"kernels": _kernels} if _kernels else {})

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
