"""`make chaos`: break everything at random, or kill at every crash point."""

import asyncio
import logging
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import typer

from chaos.faults.proxy import proxy
from chaos.faults.targets import Targets
from chaos.points import kill_at_each
from chaos.reckoning.verdict import Verdict
from chaos.storm import Plan, weather
from chaos.world import Addresses, World, world
from heliograph.testing import SMTPServer, smtp
from tests.servers.postgresql import PostgreSQL
from tests.servers.postgresql_cluster import Cluster, find_binaries
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.rabbitmq_node import Node, find_scripts

T = TypeVar("T")

DISK_BYTES = 64 * 1024 * 1024

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seed: Annotated[int | None, typer.Option(help="Replays the faults of an earlier run.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long faults strike.")] = 10.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Faults a minute.")] = 30.0,
    points: Annotated[
        int, typer.Option(min=0, help="Kill at each crash point so many times instead.")
    ] = 0,
) -> None:
    """Break everything at random, then prove that nothing was lost and nothing came twice."""
    # Mail servers and broker clients tell of every fault, which is what we make.
    logging.disable(logging.CRITICAL)
    _end_in_order()
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311 - to be replayed
    plan = Plan(seed, minutes * 60, rate)
    verdict = asyncio.run(_kill(points) if points else _storm(plan))
    verdict.print()
    if not points:
        _tell(f"seed {seed}")
    sys.exit(0 if verdict.passed else 1)


def _end_in_order() -> None:
    """Let SIGINT and SIGTERM cancel the campaign, so that all it started is stopped.

    Set even where SIGINT is ignored, as a shell does for what it starts in the background.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _tell(line: str) -> None:
    typer.echo(line)


async def _kill(times: int) -> Verdict:
    async with _servers() as servers, servers.world() as here:
        return await kill_at_each(here, times, told=_tell)


async def _storm(plan: Plan) -> Verdict:
    _tell(f"seed {plan.seed}, {plan.seconds / 60:g} minutes, {plan.rate:g} faults a minute")
    async with _servers() as servers, AsyncExitStack() as stack:
        ports = {
            "broker link": _port(servers.node.url),
            "PostgreSQL link": servers.cluster.port,
            "SMTP link": servers.smtp.port,
        }
        links = {name: await stack.enter_async_context(proxy(port)) for name, port in ports.items()}
        here = await stack.enter_async_context(
            servers.world(
                reached={ports[name]: link.port for name, link in links.items()},
                each=2,
                seed=plan.seed,
            )
        )
        # RabbitMQ 3.10 writes down late where a new queue's log is: see `Node.kill`.
        await asyncio.to_thread(servers.node.stop)
        await asyncio.to_thread(servers.node.start)
        targets = Targets(
            here, servers.cluster, servers.broker, servers.node, links, servers.filler
        )
        return await weather(targets, plan, told=_tell)


class _Servers:
    """Real servers of our own, started for one run."""

    def __init__(
        self, folder: Path, images: Path, cluster: Cluster, node: Node, mail: SMTPServer
    ) -> None:
        self.cluster, self.node, self.smtp = cluster, node, mail
        self.broker = RabbitMQ(node.url, node.management_url, node)
        self.filler = images.parent / "filler" if images.parent != folder else None
        self._folder, self._images = folder, images

    @asynccontextmanager
    async def world(
        self, *, reached: dict[int, int] | None = None, each: int = 1, seed: int = 0
    ) -> AsyncIterator[World]:
        server = PostgreSQL(self.cluster.url, self.cluster)
        with self.broker.vhost() as amqp_url:
            async with server.database() as catalog, server.database() as notifier:
                direct = Addresses(catalog, notifier, amqp_url, self.smtp.url)
                async with world(
                    self._folder,
                    direct=direct,
                    reached=_moved(direct, reached or {}),
                    smtp=self.smtp,
                    images=self._images,
                    each=each,
                    seed=seed,
                ) as here:
                    yield here


@asynccontextmanager
async def _servers() -> AsyncIterator[_Servers]:
    scripts = find_scripts()
    if scripts is None:
        raise SystemExit("chaos kills a RabbitMQ of its own: install rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="heliograph-chaos-"))
    with (
        Cluster.private(find_binaries()) as cluster,
        Node.private(scripts) as node,
        smtp() as mail,
        _disk(folder) as images,
    ):
        _tell(f"logs are in {folder}")
        yield _Servers(folder, images, cluster, node, mail)


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """A small disk for the images, so that it can be full; root may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(disk)]
    mounted = shutil.which("mount") and subprocess.run(mount, check=False, capture_output=True)
    if not mounted or mounted.returncode:
        _tell("not tested: a full disk, for only root may mount one to fill")
        yield folder / "images"
        return
    try:
        yield disk / "images"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise ValueError("a server of ours has a port in its URL")
    return port


def _moved(addresses: Addresses, ports: dict[int, int]) -> Addresses:
    """The same addresses behind other ports."""

    def moved(url: str) -> str:
        port = _port(url)
        return url.replace(f":{port}", f":{ports.get(port, port)}")

    return Addresses(
        moved(addresses.catalog_database),
        moved(addresses.notifier_database),
        moved(addresses.bus),
        moved(addresses.smtp),
    )


if __name__ == "__main__":
    app()
