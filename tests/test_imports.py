"""Importing is cheap, and the public names are what they say."""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib.resources import files

import mnemoscope

HEAVY = ("torch", "transformers", "peft", "numpy", "pandas", "pyarrow", "scipy", "pydantic", "rich", "cyclopts")


def python(*arguments: str) -> str:
    """The output of a new interpreter."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def seconds(*arguments: str) -> float:
    """Processor time of the fastest of five starts: waiting for other processes is not the package's time."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_import_loads_nothing_heavy() -> None:
    """import mnemoscope loads none of its libraries."""
    code = f"import sys, mnemoscope; print([name for name in {HEAVY} if name in sys.modules])"
    assert python("-c", code).strip() == "[]"


def test_the_command_line_loads_no_torch() -> None:
    """--help needs neither torch nor numpy, and the list of attacks no torch."""
    heavy = tuple(name for name in HEAVY if name not in ("pydantic", "rich", "cyclopts"))
    loaded = f"print([name for name in {heavy} if name in sys.modules])"
    shown = f"import sys; from mnemoscope.cli import main; main(['--help']); {loaded}"
    assert python("-c", shown).strip().splitlines()[-1] == "[]"
    listed = "import sys; from mnemoscope.cli import main; main(['attacks']); print('torch' in sys.modules)"
    assert python("-c", listed).strip().endswith("False")


def test_import_is_quick() -> None:
    """import mnemoscope takes less than four times what the interpreter's start takes: 0.1 s or so."""
    assert seconds("-c", "import mnemoscope") < 4 * seconds("-c", "pass")


def test_help_is_quick() -> None:
    """mnemoscope --help takes less than four times what its libraries take to be imported: under a second."""
    assert seconds("-m", "mnemoscope", "--help") < 4 * seconds("-c", "import cyclopts, pydantic, rich.table")


def test_public_names() -> None:
    """The public names are sorted, all resolve, and dir() shows them."""
    names = list(mnemoscope.__all__)
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert all(getattr(mnemoscope, name) is not None for name in names)
    assert sorted(dir(mnemoscope)) == names


def test_public_names_stay_what_they_are() -> None:
    """A public name means the same thing after it was used."""
    code = (
        "import mnemoscope; names = mnemoscope.__all__; before = [getattr(mnemoscope, name) for name in names]; "
        "from mnemoscope import registry; registry.attacks(); "
        "print(before == [getattr(mnemoscope, name) for name in names])"
    )
    assert python("-c", code).strip() == "True"


def test_type_checkers_may_trust_the_annotations() -> None:
    """The package says that it is typed (PEP 561), or its users' type checkers would see only Any."""
    assert (files(mnemoscope) / "py.typed").is_file()


def test_public_functions_are_explained() -> None:
    """Every public name has a docstring of its own."""
    assert all(getattr(mnemoscope, name).__doc__ for name in mnemoscope.__all__)


def test_star_import() -> None:
    """from mnemoscope import * gives exactly the public names."""
    given: dict[str, object] = {}
    exec("from mnemoscope import *", given)
    assert sorted(set(given) - {"__builtins__"}) == sorted(mnemoscope.__all__)
