"""Scores to estimates: every number with its interval, level, method and counts. Intervals resample groups."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
