"""Takes the figures of every service, for the charts."""

import asyncio
from datetime import UTC, datetime

import structlog
from prometheus_client import generate_latest

from heliograph import DatabaseUnavailable
from heliograph.database import Database
from heliograph.http import Metrics
from heliograph.waiting import stopped_within
from services.console.figures import Figures, read_figures
from services.console.peers import Peer, PeerError, Peers
from services.console.repositories.samples import SampleRepository

log = structlog.stdlib.get_logger(__name__)

EVERY_S = 10
OWN = "console"


async def figures_of(peer: Peer) -> Figures:
    """What the service says now; raise `PeerError`."""
    response = await peer.read("/metrics")
    try:
        return read_figures(response.text)
    except (ValueError, KeyError) as error:
        raise PeerError(peer.name, "its metrics cannot be read", response.status_code) from error


async def own_figures(metrics: Metrics) -> Figures:
    """What this program says now of the console itself."""
    await metrics.refresh()
    return read_figures(generate_latest(metrics.registry).decode())


class Sampler:
    """A part of a program. Any number may run: of a moment the first one's figures are kept."""

    name = "sampler"

    def __init__(self, database: Database, peers: Peers, metrics: Metrics) -> None:
        self._database = database
        self._peers = peers
        self._metrics = metrics

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.sample()
            except DatabaseUnavailable as error:
                log.warning("figures were not kept", reason=str(error))
            now = datetime.now(UTC).timestamp()
            await stopped_within(stopping, EVERY_S - now % EVERY_S)

    async def sample(self) -> None:
        """Take the figures of this moment; a service that does not answer leaves a gap."""
        now = int(datetime.now(UTC).timestamp())
        at = datetime.fromtimestamp(now - now % EVERY_S, UTC)
        answers = await self._peers.ask(figures_of)
        own = await own_figures(self._metrics)
        async with self._database.transaction() as session:
            repository = SampleRepository(session)
            for answer in answers:
                if answer.value is not None:
                    await repository.add(at, answer.service, answer.value.samples())
            heard = ("heard", await repository.heard())
            await repository.add(at, OWN, [heard, *own.samples()])
