"""Every example in a docstring gives what it says."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path
    for folder in ("src", "scripts", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def module(path: Path) -> ModuleType:
    """The module of a file; a script finds those beside it, as when it is run."""
    if path.is_relative_to(ROOT / "src"):
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        return importlib.import_module(name.removesuffix(".__init__"))
    spec = importlib.util.spec_from_file_location(f"{path.stem}_examples", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_hold(path: Path) -> None:
    """As the standard library's doctest runs them, each module by itself."""
    found = doctest.testmod(module(path), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert not found.failed
