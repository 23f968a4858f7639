"""Every kind of page as a browser shows it: quiet, private, nothing cut, accessible, printable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_pages import COMMON

WIDTHS = (400, 1280)
PAPER = 688
"""CSS pixels between the margins of an A4 page."""
OVERFLOW = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
CUT = """[...document.querySelectorAll("main svg")].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(one => {
    const it = one.getBoundingClientRect();
    return it.width && (it.left < box.left - 1 || it.right > box.right + 1);
  }).map(one => one.textContent);
})"""
"""Words that stick out of their figure: at the window's edge they would be cut."""
WIDE = """[...document.querySelectorAll("main .scroll, main figure, main .text")]
  .filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => one.getAttribute("aria-label") ?? one.className)"""
"""Boxes that hold more than they can show on paper."""
REPEATED = "tbody tr:nth-child(n+31)"
"""Rows that are made like the thirty before them; the table of all estimates has hundreds."""
COLOUR = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
"""Red, green and blue behind the page."""


@pytest.mark.parametrize("kind", COMMON)
def test_a_page_is_quiet_and_asks_for_nothing(kind: str, opened: Callable) -> None:
    """No error, no warning, nothing thrown, and no request but for the file itself; also after a change of colours."""
    found = opened(kind)
    found.page.click("#theme")
    found.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    found.page.wait_for_timeout(100)
    assert found.faults == []
    assert found.asked == []


def test_the_policy_stops_what_a_page_must_not_do(opened: Callable) -> None:
    """The check can fail: a picture, a style and a call that somebody put into the page are refused by its policy."""
    found = opened("audit")
    found.page.evaluate("""() => {
      document.body.append(Object.assign(new Image(), {src: "https://example.org/x.png"}));
      fetch("https://example.org/").catch(() => {});
      document.body.insertAdjacentHTML("beforeend", "<button id=trap onclick='document.title = 1'>x</button>");
    }""")
    found.page.click("#trap")
    found.page.wait_for_timeout(200)
    assert len(found.faults) >= 3
    assert found.asked == []
    assert found.page.title() != "1"


@pytest.mark.parametrize("kind", COMMON)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(kind: str, width: int, opened: Callable) -> None:
    """What is too wide scrolls in its own place; no word of a figure is cut."""
    page = opened(kind, width=width).page
    page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
    inside, window = page.evaluate(OVERFLOW)
    assert inside <= window
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("kind", COMMON)
def test_it_prints_on_a4(kind: str, opened: Callable, tmp_path: Path) -> None:
    """Printed, folded parts are open, but endless tables are left out, with a line that says so; nothing is cut."""
    page = opened(kind, width=PAPER).page
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('main details:not([open], .unprinted)').length") == 0
    assert [one.is_visible() for one in page.locator(".onpaper, .unprinted").all()] == [True, False]
    inside, paper = page.evaluate(OVERFLOW)
    assert inside <= paper
    assert page.evaluate(WIDE) == []
    printed = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 2


@pytest.mark.parametrize("kind", ["audit", "study", "compare"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(kind: str, scheme: str, opened: Callable) -> None:
    """No violation that axe-core calls serious or critical; the dark page has the same parts: its contrast is asked."""
    page = opened(kind, scheme=scheme).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for button in page.locator(".openrow").all()[:1]:
        button.click()
    options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if scheme == "dark" else {})
    violations = Axe().run(page, context={"exclude": [[REPEATED]]}, options=options).response["violations"]
    found = [one for one in violations if one["impact"] in ("serious", "critical")]
    assert [
        f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"][:3]
    ] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_button_changes_the_colours_and_says_so(scheme: str, opened: Callable) -> None:
    """A click turns light into dark and back; the button names what it would do."""
    page = opened("compare", scheme=scheme).page

    def brightness() -> float:
        return sum(page.evaluate(COLOUR))

    before, label = brightness(), page.inner_text("#theme")
    page.click("#theme")
    assert (brightness() < before) == (scheme == "light")
    assert page.inner_text("#theme") != label
    page.click("#theme")
    assert brightness() == before


@pytest.mark.parametrize("kind", COMMON)
def test_links_lead_somewhere(kind: str, opened: Callable) -> None:
    """Each link inside the page has a place that it leads to, and no id stands twice."""
    page = opened(kind).page
    assert (
        page.evaluate("""[...document.querySelectorAll("a[href^='#']")].map(a => a.getAttribute("href"))
      .filter(href => !document.getElementById(href.slice(1)))""")
        == []
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
