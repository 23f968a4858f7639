"""Write docs/images from finished runs: the pages' first screens, light, dark and on a phone.

python scripts/screenshots.py --audit RUN --study RUN --compare RUN

Only redacted pages are shown; a page with text is refused. What is not given is left as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
PAGE, PRIVATE = "report.html", 'class="banner"'
LARGEST = 300_000
"""Bytes an image may have, so that the repository stays small."""


class Shot(NamedTuple):
    """One image: its name, whose page it shows, and the window."""

    name: str
    kind: str
    width: int
    height: int
    scheme: str


SHOTS = (
    Shot("audit", "audit", 1280, 1000, "light"),
    Shot("audit-dark", "audit", 1280, 1000, "dark"),
    Shot("audit-phone", "audit", 400, 860, "light"),
    Shot("study", "study", 1280, 1000, "light"),
    Shot("compare", "compare", 1280, 1000, "light"),
)


def page_of(run: Path) -> Path:
    """The page of a finished run.

    Raises:
        SystemExit: there is none, or it shows text.
    """
    page = run.resolve() / PAGE
    if not page.is_file():
        raise SystemExit(f"{run.name} has no {PAGE}: run mnemoscope report {run.name} first")
    if PRIVATE in page.read_text(encoding="utf-8"):
        raise SystemExit(f"{run.name}/{PAGE} shows text: write it again without --show-text")
    return page


def take(browser: Browser, shot: Shot, page: Path, folder: Path) -> Path:
    """Write one image; the same page and browser give the same image.

    Raises:
        SystemExit: the image is too large for the repository.
    """
    size = {"width": shot.width, "height": shot.height}
    window = browser.new_page(viewport=size, color_scheme=shot.scheme, reduced_motion="reduce", locale="en-GB")
    window.goto(page.as_uri())
    window.wait_for_load_state("networkidle")
    path = folder / f"{shot.name}.png"
    window.screenshot(path=path, animations="disabled", caret="hide")
    window.close()
    if path.stat().st_size > LARGEST:
        raise SystemExit(
            f"{path.name} has {path.stat().st_size:,} bytes, more than {LARGEST:,}: make its window smaller"
        )
    return path


def images(pages: dict[str, Path], folder: Path) -> Iterator[Path]:
    """Take every shot whose page is given."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=options)
        for shot in SHOTS:
            if shot.kind in pages:
                yield take(browser, shot, pages[shot.kind], folder)
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in dict.fromkeys(shot.kind for shot in SHOTS):
        parser.add_argument(f"--{kind}", type=Path, metavar="RUN", help=f"folder with the page of: {kind}")
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="FOLDER", help="where the images go")
    given = vars(parser.parse_args(arguments))
    folder = given.pop("out")
    pages = {kind: page_of(run) for kind, run in given.items() if run is not None}
    if not pages:
        parser.error("give at least one run")
    for path in images(pages, folder):
        print(f"{path.name}  {path.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
