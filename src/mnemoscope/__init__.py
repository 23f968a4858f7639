"""mnemoscope shows what a fine-tuned language model remembers of its training text.

>>> import mnemoscope
>>> audit = mnemoscope.audit("smollm2-135m-instruct-q4", adapter="runs/a")  # doctest: +SKIP
>>> audit.estimates  # doctest: +SKIP
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
