"""`python -m services` with a story behind it, and a browser before it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.window import Window, chromium, window
from tests.programs import Running, embedded, environment
from tests.story import Shop


@pytest.fixture(scope="session")
def launched() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@dataclass
class Site:
    """Everything in one process, at work in a folder of its own."""

    running: Running
    folder: Path
    console: str
    """The console's origin."""

    @property
    def shop(self) -> Shop:
        return Shop(self.running.catalog, self.running.notifier, self.running.token)

    def link(self, scope: str = "console:admin") -> str:
        """A link that signs in once, by the command that prints one."""
        printed = subprocess.run(
            [sys.executable, "-m", "services.console", "link", "--scope", scope],
            cwd=self.folder,
            env=environment({"CONSOLE_PUBLIC_URL": self.console}),
            capture_output=True,
            text=True,
            check=True,
        )
        return printed.stdout.strip().removeprefix(self.console)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with embedded(folder) as running:
        [link] = running.program.said(r"^console +(\S+)$")
        found = re.match(r"https?://[^/]+", link)
        assert found is not None, link
        yield Site(running, folder, found[0])


@pytest.fixture
def signed_in(site: Site, launched: Browser) -> Iterator[Window]:
    """A wide window, signed in with all rights."""
    with window(launched, site.console) as opened:
        opened.go(site.link())
        yield opened
