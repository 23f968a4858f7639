"""Write docs/cli.md from --help of every command, docs/attacks.md from the registry, docs/study.schema.json.

python scripts/docs.py           writes them
python scripts/docs.py --check   writes nothing, names what is stale, exits 1 when anything is
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mnemoscope import registry
from mnemoscope.cli import app
from mnemoscope.store import canonical
from mnemoscope.study_file import schema

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
COMMANDS = ("demo", "finetune", "audit", "canaries", "study", "compare", "report", "attacks")
WRITTEN = "<!-- Written by scripts/docs.py: change the docstrings, then run it. -->"


def cli() -> str:
    """The help of every command, as it is on a terminal WIDTH columns wide."""
    listed = sorted(name for name in app if not name.startswith("-"))
    if listed != sorted(COMMANDS):
        raise SystemExit(f"scripts/docs.py: COMMANDS must be {', '.join(listed)}, in the order of the page")
    parts = ["# Commands", WRITTEN]
    for command in ((), *((name,) for name in COMMANDS)):
        parts += [f"## {' '.join(('mnemoscope', *command))}", f"```text\n{help_of(*command)}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(*command: str) -> str:
    """What `mnemoscope COMMAND --help` prints, without colours and trailing blanks."""
    page = io.StringIO()
    # every switch is said, so that no variable of the environment changes the page
    console = Console(
        file=page, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False, _environ={}
    )
    app([*command, "--help"], console=console, exit_on_error=False, result_action="return_value")
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())


def attacks() -> str:
    """One row for every registered attack."""
    parts = [
        "# Membership attacks",
        WRITTEN,
        "Higher = more likely a member. One file of src/mnemoscope/attacks is one attack. The cost is in forward "
        "passes over the records beyond the two that every audit makes; attacks that cost none are run when none is "
        "named. "
        "What was checked of each, and how: [papers.md](papers.md).",
    ]
    rows = ["| attack | needs | cost | tokens | score | source |", "|---|---|---|---|---|---|"]
    for one in registry.attacks().values():
        needs = ", ".join(one.needs) + (" (fitted)" if one.fitted else "")
        cells = (f"`{one.name}`", needs, one.cost, f"{one.min_tokens} or more", one.summary, one.source)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n\n".join([*parts, "\n".join(rows)]) + "\n"


def study_schema() -> str:
    """What a study file may hold, for editors."""
    return canonical(schema())


PAGES = {"docs/cli.md": cli, "docs/attacks.md": attacks, "docs/study.schema.json": study_schema}


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the pages below `root`, or check them; 1 where one is stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    check = parser.parse_args(arguments).check
    stale = []
    for name, render in PAGES.items():
        path, text = root / name, render()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is stale: run  python scripts/docs.py" if check else f"wrote {name}", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
