"""The pages that describe the program are those the program would write."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

import mnemoscope
from mnemoscope import attacks, registry

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mnemoscope"


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """scripts/docs.py as a module."""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_fresh(docs: ModuleType) -> None:
    """docs/cli.md, docs/attacks.md and docs/study.schema.json are what scripts/docs.py writes."""
    assert docs.main(["--check"]) == 0


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_study_files_name_the_schema(docs: ModuleType, path: Path) -> None:
    """The first line of a study file tells editors where the schema lies, and there it lies."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()
    assert named.relative_to(ROOT).as_posix() in docs.PAGES
    assert json.loads(named.read_text(encoding="utf-8"))["properties"].keys() >= {"model", "data", "grid", "rules"}


def test_stale_page_is_named(docs: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check names the page that is stale or missing, exits with 1 and changes nothing; writing mends it."""
    assert docs.main(["--check"], root=tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert docs.main([], root=tmp_path) == 0
    assert docs.main(["--check"], root=tmp_path) == 0
    (tmp_path / "docs" / "cli.md").write_text("old")
    capsys.readouterr()
    assert docs.main(["--check"], root=tmp_path) == 1
    said = capsys.readouterr().err
    assert "docs/cli.md is stale" in said
    assert "attacks.md" not in said


def test_pages_do_not_hang_on_the_terminal(docs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages are the same on a narrow terminal and one with colours, and hold no colour codes."""
    before = docs.cli()
    for name, value in {"COLUMNS": "60", "FORCE_COLOR": "1", "TERM": "xterm-256color", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert docs.cli() == before
    assert "\x1b" not in before
    assert max(map(len, before.splitlines())) <= docs.WIDTH


def test_every_attack_and_command_has_its_place(docs: ModuleType) -> None:
    """Every registered attack is a row, and every command and option has its help."""
    assert all(f"| `{name}` |" in docs.attacks() for name in registry.attacks())
    page = docs.cli()
    for group in (mnemoscope.Columns, mnemoscope.Training, mnemoscope.Measurement, mnemoscope.Compute):
        assert all(f"--{name.replace('_', '-')} " in page for name in group.model_fields)


def readme_tree() -> list[str] | None:
    """The paths in README.md's fenced block ```tree; None where there is no such block."""
    found = re.search(
        r"^```tree\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    if found is None:
        return None
    return [line.split(" — ")[0].strip() for line in found[1].splitlines() if line.strip()]


def test_readme_lists_the_files() -> None:
    """README.md's tree names every file and room of the package, once, each with a line of its own."""
    shown = readme_tree()
    if shown is None:
        pytest.skip("README.md has no ```tree block")
    inside = [path for path in shown if path.startswith("src/mnemoscope/") and path != "src/mnemoscope/"]
    rooms = [f"src/mnemoscope/{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")]
    files = [f"src/mnemoscope/{path.name}" for path in PACKAGE.glob("*.py")]
    assert sorted(inside) == sorted(rooms + files)
    assert all((ROOT / path).exists() for path in shown)


def test_the_attack_of_contributing_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that CONTRIBUTING.md shows is an attack as soon as it lies in the room: nothing else is touched."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "mean_rank.py").write_text(block, encoding="utf-8")
    monkeypatch.setattr(attacks, "__path__", [*attacks.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_attacks", dict(registry._attacks))
    assert registry.find("mean_rank").summary.startswith("Minus the mean rank")
