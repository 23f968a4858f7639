"""Pages of every kind, written once, and a Chromium that may read files and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")
pytest.importorskip("playwright", reason="playwright is missing: pip install 'mnemoscope[browser]'")

from browser_pages import MAKERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is of the marker `browser`, and is left out where there is none."""
    missing = pytest.mark.skip(reason="no Chromium on this machine: apt-get install chromium")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind of page to its file; each is made once."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(kind: str) -> Path:
        path = folder / f"{kind}.html"
        path.write_text(MAKERS[kind](), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, who is who runs in a container
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@dataclass
class Opened:
    """A page in the browser, and what went wrong with it."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """Places that are not files and were asked for; all of them are refused."""
    faults: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and what was thrown."""

    def only_files(self, route: Route) -> None:
        if route.request.url.startswith("file://"):
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()


@pytest.fixture
def opened(browser: Browser, written: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Open a kind of page in a window of its own."""
    windows: list[Any] = []

    def show(kind: str, *, width: int = 1280, scheme: str = "light", ready: bool = True) -> Opened:
        path = written(kind)
        windows.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        made = Opened(windows[-1].new_page())
        made.page.route("**/*", made.only_files)
        made.page.on("console", lambda m: made.faults.append(m.text) if m.type in ("error", "warning") else None)
        made.page.on("pageerror", lambda error: made.faults.append(str(error)))
        made.page.on("requestfailed", lambda request: made.faults.append(f"failed: {request.url}"))
        made.page.goto(path.as_uri())
        if ready and kind in ("audit", "private", "large"):
            made.page.wait_for_selector("#records-pick:not([hidden])", timeout=20_000)
        return made

    yield show
    for window in windows:
        window.close()
