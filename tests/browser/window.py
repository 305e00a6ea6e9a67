"""A browser window that notices what is wrong with a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import browser

Scheme = Literal["light", "dark"]
WIDE, MIDDLE, NARROW = (1440, 900), (768, 1024), (390, 844)

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium."""
    # As root, as in containers, it has no sandbox.
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser(), args=flags)
        try:
            yield launched
        finally:
            launched.close()


@dataclass
class Window:
    """A page, and what went wrong while it was looked at."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    """What the console of the browser says is an error, and exceptions of scripts."""
    abroad: list[str] = field(default_factory=list)
    """Addresses of other hosts that the page asked for."""

    def watch(self) -> None:
        host = urlsplit(self.origin).netloc
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None
                if urlsplit(request.url).netloc == host or request.url.startswith("data:")
                else self.abroad.append(request.url)
            ),
        )

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.origin + path, wait_until="load")
        return self.page

    def violations(self) -> list[str]:
        """What axe finds wrong with the page, a line each."""
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": [*RULES]}})
        return [
            f"{each['id']}: {each['help']}: "
            + "; ".join(str(node["target"]) for node in each["nodes"][:3])
            for each in found.response["violations"]
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        wider: bool = self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wider


@contextmanager
def window(
    launched: Browser, origin: str, size: tuple[int, int] = WIDE, scheme: Scheme = "light"
) -> Iterator[Window]:
    """A window of that size; fails at the end if the page was wrong in any way."""
    context = launched.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
    )
    try:
        page = context.new_page()
        page.set_default_timeout(15_000)
        opened = Window(page, origin)
        opened.watch()
        yield opened
        assert opened.errors == []
        assert opened.abroad == []
    finally:
        context.close()
