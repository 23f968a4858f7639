"""Traces by hand, with every column that an attack may read."""

from __future__ import annotations

import evidence
import pytest


@pytest.fixture(name="traces")
def traces_maker():
    """The function that makes traces."""
    return evidence.make_traces
