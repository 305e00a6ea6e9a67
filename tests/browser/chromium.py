"""Says where the browser is, and installs Debian's Chromium where that is ours to do.

`INSTALL=0` forbids it. Without a browser the run fails where `CI` is set.
"""

import os
import shutil
import subprocess
import sys

from tests.servers import Unavailable
from tests.servers.apt import install, may_install

NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """The path of the machine's Chromium.

    Raises:
        Unavailable: there is none.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise Unavailable("no Chromium is here: install the package chromium")


def prepare() -> str:
    """The path of the browser, after installing it if need be.

    Raises:
        Unavailable: it is missing and may not be installed.
        subprocess.CalledProcessError: apt failed.
    """
    try:
        return browser()
    except Unavailable:
        if not may_install():
            raise
    print("Chromium: none here; installing chromium with apt (INSTALL=0 forbids).", flush=True)
    # Without fonts every page is empty boxes.
    install("chromium", "fonts-dejavu-core")
    return browser()


def main() -> int:
    """Report the browser; fail without one only where `CI` is set."""
    try:
        print(f"Chromium: {prepare()}.", flush=True)
    except (Unavailable, subprocess.CalledProcessError) as problem:
        print(f"Chromium: not available, no page is tested. {problem}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
