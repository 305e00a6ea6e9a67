"""Says where `make test` takes its servers from, and installs RabbitMQ where it may.

As root on Debian or Ubuntu, with neither a broker nor Docker, it installs
rabbitmq-server with apt without starting the service; ``INSTALL=0`` forbids that.
"""

import os
import subprocess
import sys

from tests.servers import Unavailable, postgresql, rabbitmq
from tests.servers.apt import install, may_install


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
    install("rabbitmq-server")
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
