"""Server processes, with a scratch folder and ports of their own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.servers import Unavailable

MEMORY = Path("/dev/shm")  # noqa: S108 — a folder in it is made by mkdtemp
ROOM = 2 * 1024**3


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether something accepts connections on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def poll(condition: Callable[[], bool], *, within: float) -> bool:
    """Wait for a condition; return False when ``within`` seconds have passed."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def scratch_folder(server: str) -> Path:
    """Make an empty folder, in memory where there is room (Docker's /dev/shm has 64 MB)."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=f"heliograph-{server}-", dir=MEMORY if roomy else None))


class Process:
    """One server process and its children, stopped as a group.

    Output goes to ``log``, whose end is told when the server does not come up.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                env=env,
                user=user,
                group=None if user is None else log.parent.stat().st_gid,
                extra_groups=None if user is None else [],
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within: float) -> None:
        """Poll ``ready`` until it holds.

        Raises:
            Unavailable: the process ended, or ``within`` seconds passed.
        """
        if not poll(lambda: ready() or not self.running, within=within) or not self.running:
            end = self.log.read_text(errors="replace")[-2000:]
            raise Unavailable(f"{self._popen.args!r} did not come up:\n{end}")

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens when it is gone."""
        if self.running:
            os.killpg(self._popen.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within: float = 30.0) -> None:
        """Signal the group and wait; after ``within`` seconds, kill it."""
        self.send(number)
        try:
            self._popen.wait(within)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._popen.wait()
