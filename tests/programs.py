"""Our programs as processes of their own, as a user starts them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import Process, poll

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 60.0
"""Seconds; ten programs start side by side on two cores."""
DRAINS_WITHIN = 10.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, and of this process what a program needs to be found."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **settings}


def command(
    folder: Path, module: str, *words: str, settings: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env=environment(settings or {}),
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
    )


class Program(Process):
    """A program that runs until it is stopped; its output is in `log`."""

    def __init__(
        self, folder: Path, module: str, *words: str, settings: Mapping[str, str] | None = None
    ) -> None:
        name = "-".join([module, *words]).replace("/", "_")
        super().__init__(
            [sys.executable, "-m", module, *words],
            log=folder / f"{name}-{len(list(folder.glob('*.log')))}.log",
            env=environment(settings or {}),
        )

    def said(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.log.read_text(), re.MULTILINE)

    def wait_for(self, pattern: str) -> str:
        """Wait until it prints what matches, and return the first match's group."""
        self.wait_until(lambda: bool(self.said(pattern)), within=STARTS_WITHIN)
        return self.said(pattern)[0]

    def wait_for_url(self) -> str:
        """Wait until it says on which port it listens."""
        port = self.wait_for(r'"port": (\d+).*"event": "starting"')
        return f"http://127.0.0.1:{port}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.send(number)
        return self.exit_code()

    def exit_code(self, within: float = DRAINS_WITHIN) -> int:
        """Wait for its end; a program that was asked to end does so within ten seconds."""
        return self._popen.wait(within)


@dataclass(frozen=True)
class Running:
    """`python -m services`, as it announces itself."""

    program: Program
    catalog: str
    notifier: str
    console: str
    token: str
    sign_in: str
    """A link to the console, which signs in once."""


class Made(Program):
    """What `make` runs in a folder of its own, by the environment that the tests have."""

    def __init__(self, folder: Path, *words: str) -> None:
        made = ["make", "--file", str(ROOT / "Makefile"), f"VENV={sys.prefix}", *words]
        installed = f"--old-file={sys.prefix}/.run-ready"
        log = folder / f"make-{len(list(folder.glob('*.log')))}.log"
        Process.__init__(self, [*made, installed], log=log, env=environment({}))


def embedded(folder: Path, port: int = 0) -> AbstractContextManager[Running]:
    """Run all services in one process, in `folder`, until the end of the test."""
    return announced(Program(folder, "services", "--port", str(port)))


@contextmanager
def announced(program: Program) -> Iterator[Running]:
    """What a program with all services says of itself; it runs until the end of the test."""
    try:
        token = program.wait_for(r"^token +(\S+)$")
        [catalog] = program.said(r"^catalog +(\S+)$")
        [notifier] = program.said(r"^notifier +(\S+)$")
        [sign_in] = program.said(r"^console +(\S+)$")
        console = sign_in.partition("/sign-in/")[0]
        yield Running(program, catalog, notifier, console, token, sign_in)
    finally:
        program.stop(signal.SIGKILL)


def logged_errors(program: Program) -> list[str]:
    """The lines of its log that say of an error."""
    lines = [line for line in program.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if json.loads(line).get("level") in {"error", "critical"}]


def eventually(what: str, condition: Callable[[], bool], within: float = 20.0) -> None:
    """Fail unless the condition holds in time."""
    if not poll(condition, within=within):
        raise AssertionError(f"not within {within:.0f} s: {what}")
