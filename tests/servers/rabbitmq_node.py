"""A private RabbitMQ node, made from the scripts installed on the machine."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import httpx2

from tests.servers import Unavailable
from tests.servers.processes import Process, answers, free_port, poll, scratch_folder

# Debian's commands in /usr/sbin change to the user rabbitmq and to its folders; the
# scripts behind them run as anybody and anywhere.
PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
USER = "heliograph"
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
default_user = {user}
default_pass = {user}
disk_free_limit.absolute = 50MB
max_message_size = 16777216
raft.wal_max_size_bytes = 33554432
log.console = true
log.console.level = warning
log.file = false
"""


def find_scripts() -> Path | None:
    """Return the folder of ``rabbitmq-server`` and ``rabbitmqctl``, or None."""
    on_path = shutil.which("rabbitmq-server")
    places = [*map(Path, PLACES), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((place for place in places if (place / "rabbitmq-server").exists()), None)


class Node:
    """A node on free ports of the loopback interface, with an epmd and a cookie of its own."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        self._scripts = scripts
        self._folder = folder
        self._port, management_port, distribution_port, self._epmd_port = (
            free_port() for _ in range(4)
        )
        self.url = f"amqp://{USER}:{USER}@127.0.0.1:{self._port}"
        self.management_url = f"http://127.0.0.1:{management_port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if "RABBITMQ" not in name},
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "heliograph@localhost",
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            # Idle schedulers sleep: the tests need the processors.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"
            " -kernel inet_dist_use_interface {127,0,0,1}",
        }
        (folder / "rabbitmq.conf").write_text(
            CONFIGURATION.format(port=self._port, management_port=management_port, user=USER)
        )
        (folder / "rabbitmq-env.conf").touch()
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        self._broker: Process | None = None

    @classmethod
    @contextmanager
    def private(cls, scripts: Path) -> Iterator[Self]:
        """Run a new node and remove every trace of it afterwards."""
        with ExitStack() as stack:
            folder = scratch_folder("rabbitmq")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            node = cls(scripts, folder)
            stack.enter_context(node._named())
            stack.callback(node.kill)
            node.start()
            yield node

    def start(self) -> None:
        """Start the broker; it keeps its ports and its data over a restart.

        Raises:
            Unavailable: it does not come up within 2 minutes.
        """
        self._broker = Process(
            [self._scripts / "rabbitmq-server"],
            log=self._folder / "log",
            env=self._environment,
        )
        self._broker.wait_until(self._ready, within=120)

    def stop(self) -> None:
        """Shut the broker down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash the broker; what it had confirmed is there after a start.

        Except that RabbitMQ 3.10 loses a quorum queue declared in the last 3 seconds: it
        writes down late where the queue's log is.
        """
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the broker: connections stay open and nothing answers."""
        if self._broker is not None:
            self._broker.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        if self._broker is not None:
            self._broker.send(signal.SIGCONT)

    def block(self) -> None:
        """Raise the memory alarm: the broker blocks every connection that publishes."""
        self.control("set_vm_memory_high_watermark", "0")

    def unblock(self) -> None:
        """Clear the memory alarm."""
        self.control("set_vm_memory_high_watermark", "0.4")

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` (1 to 2 seconds a call) and return its output.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        return subprocess.run(
            [self._scripts / "rabbitmqctl", "--quiet", *arguments],
            check=True,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Run epmd, Erlang's name server; the node would start one that outlives it."""
        epmd = Process(
            [_epmd(), "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            log=self._folder / "epmd.log",
        )
        try:
            epmd.wait_until(lambda: answers(self._epmd_port), within=10)
            yield
        finally:
            epmd.stop()

    def _end(self, number: signal.Signals) -> None:
        if self._broker is not None:
            self._broker.stop(number)
            # The script that started the broker may end before it.
            poll(lambda: not answers(self._port), within=30)
            self._broker = None

    def _ready(self) -> bool:
        if not answers(self._port):
            return False
        try:
            return httpx2.get(f"{self.management_url}/api/whoami", auth=(USER, USER)).is_success
        except httpx2.TransportError:
            return False


def _epmd() -> str:
    found = shutil.which("epmd") or next(map(str, Path("/usr/lib/erlang").glob("**/epmd")), None)
    if found is None:
        raise Unavailable("RabbitMQ is installed but epmd, a part of Erlang, is not found.")
    return found
