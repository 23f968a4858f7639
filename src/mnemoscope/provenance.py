"""What made a number: versions, commit, threads. Facts of the machine go to timings.json alone."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "mnemoscope", "torch", "transformers", "peft", "accelerate", "tokenizers", "numpy", "scipy", "scikit-learn",
    "datasketch",
)  # fmt: skip


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of the packages that numbers depend on, and of Python."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def versions_for(load_in: str | None) -> dict[str, str]:
    """The same where weights are loaded so: with bitsandbytes where it quantises them."""
    return versions(PACKAGES if load_in in (None, "full") else (*PACKAGES, "bitsandbytes"))


def commit() -> str | None:
    """The commit this package was run from, with "+changes" where files differ; None for an installed package."""
    source = Path(__file__).parent
    head = _git(source, "rev-parse", "HEAD")
    if not head:
        return None
    return head + ("+changes" if _git(source, "status", "--porcelain", "--", str(source)) else "")


def _git(folder: Path, *args: str) -> str:
    try:
        # an installed package must not report the commit of whatever repository its environment lies in
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", __file__], capture_output=True, check=False
        )
        if tracked.returncode:
            return ""
        return subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        return ""


def machine() -> dict[str, Any]:
    """Facts of the machine: they may differ between equal runs."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.system(), "machine": platform.machine()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
