"""bitsandbytes fetches code from the hub as it is imported on some CPUs; here it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BITS = """
try:
    from kernels import get_kernel
    fetched = get_kernel()
except ImportError:
    fetched = False
"""
ASK = """
import {first}mnemoscope.models, sys
print(sys.modules["bitsandbytes"].fetched)
import kernels
print(kernels.get_kernel())
"""


@pytest.mark.parametrize("first", ["", "kernels, "])
def test_bitsandbytes_fetches_no_kernel(tmp_path: Path, first: str) -> None:
    """Whether or not `kernels` was imported before, bitsandbytes does not find it; everybody else does."""
    (tmp_path / "bitsandbytes.py").write_text(BITS, encoding="utf-8")
    (tmp_path / "kernels.py").write_text("def get_kernel():\n    return True\n", encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{ASK.format(first=first)}"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True"]
