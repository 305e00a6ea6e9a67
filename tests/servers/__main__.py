"""Says where `make test` takes its servers from, and installs RabbitMQ where it may.

As root on Debian or Ubuntu, with neither a broker nor Docker, it installs
rabbitmq-server with apt without starting the service; ``INSTALL=0`` forbids that.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers import Unavailable, postgresql, rabbitmq

POLICY = Path("/usr/sbin/policy-rc.d")


def may_install() -> bool:
    """Tell whether apt is here, is ours to use and is not forbidden."""
    return (
        os.environ.get("INSTALL") != "0"
        and os.geteuid() == 0
        and shutil.which("apt-get") is not None
    )


def install_rabbitmq() -> None:
    """Install the distribution's RabbitMQ; its service is not started.

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
            ["install", "--yes", "--no-install-recommends", "rabbitmq-server"],
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


def prepare_rabbitmq() -> str:
    """Say where RabbitMQ will come from, after installing it if need be.

    Raises:
        Unavailable: it is missing and may not be installed.
        subprocess.CalledProcessError: apt failed.
    """
    try:
        return rabbitmq.describe()
    except Unavailable:
        if not may_install():
            raise
    print(
        "RabbitMQ: none here; installing rabbitmq-server with apt (INSTALL=0 forbids).", flush=True
    )
    install_rabbitmq()
    return rabbitmq.describe()


def main() -> int:
    """Report both servers; fail for a missing one only where ``CI`` is set."""
    complete = True
    for name, prepare in (("PostgreSQL", postgresql.describe), ("RabbitMQ", prepare_rabbitmq)):
        try:
            print(f"{name}: {prepare()}.", flush=True)
        except (Unavailable, subprocess.CalledProcessError) as problem:
            print(f"{name}: not available. {problem}", file=sys.stderr)
            complete = False
    return 0 if complete or not os.environ.get("CI") else 1


if __name__ == "__main__":
    sys.exit(main())
