"""Packages of the distribution, installed where that is ours to do."""

import os
import shutil
import subprocess
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")


def may_install() -> bool:
    """Tell whether apt is here, is ours to use and is not forbidden."""
    return (
        os.environ.get("INSTALL") != "0"
        and os.geteuid() == 0
        and shutil.which("apt-get") is not None
    )


def install(*packages: str) -> None:
    """Install packages of the distribution; services that they bring are not started.

    Raises:
        subprocess.CalledProcessError: apt failed.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Debian's way to keep a package from starting its service: a policy that says no.
    held = POLICY.exists()
    if not held:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        for arguments in (
            ["update"],
            ["install", "--yes", "--no-install-recommends", *packages],
        ):
            subprocess.run(
                ["apt-get", "--quiet=2", *arguments],
                check=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
    finally:
        if not held:
            POLICY.unlink(missing_ok=True)
