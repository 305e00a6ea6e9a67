"""Says with what `make test-consumers` tests, and gets what it lacks where it may.

As root on Debian or Ubuntu it installs Node.js, a JDK and Jackson with apt; ``INSTALL=0`` forbids
that. npm installs the locked packages into the virtual environment.
"""

import os
import subprocess
import sys
from collections.abc import Callable

from tests.consumers.generated.toolchains import Missing, jackson, node_modules
from tests.servers.apt import install, may_install

TOOLS: dict[str, tuple[Callable[[], object], list[str]]] = {
    "Node.js and npm packages": (node_modules, ["nodejs", "npm"]),
    "Java and Jackson": (jackson, ["default-jdk-headless", "libjackson2-databind-java"]),
}


def prepare(name: str) -> object:
    """Say where a tool is, after installing it if need be.

    Raises:
        Missing: it is not here and cannot be had.
        subprocess.CalledProcessError: apt failed.
    """
    find, packages = TOOLS[name]
    try:
        return find()
    except Missing as problem:
        if not may_install():
            raise
        print(f"{problem} Installing with apt (INSTALL=0 forbids): {' '.join(packages)}.")
    install(*packages)
    return find()


def main() -> int:
    """Report all tools; fail for a missing one only where ``CI`` is set."""
    complete = True
    for name in TOOLS:
        try:
            print(f"{name}: {prepare(name)}.", flush=True)
        except (Missing, subprocess.CalledProcessError) as problem:
            print(f"{name}: not available. {problem}", file=sys.stderr)
            complete = False
    return 0 if complete or not os.environ.get("CI") else 1


if __name__ == "__main__":
    sys.exit(main())
