"""Every crash point once: the process dies there, starts again, and nothing is amiss."""

from pathlib import Path

from chaos.crash_points import POINTS
from chaos.points import kill_at_each
from chaos.world import Addresses, world
from heliograph.testing import SMTPServer
from tests.servers.postgresql import PostgreSQL


async def test_a_kill_at_each_crash_point_loses_nothing_and_repeats_nothing(
    tmp_path: Path, postgres_server: PostgreSQL, amqp_url: str, smtp_server: SMTPServer
) -> None:
    async with (
        postgres_server.database() as catalog,
        postgres_server.database() as notifier,
        world(
            tmp_path,
            direct=Addresses(catalog, notifier, amqp_url, smtp_server.url),
            smtp=smtp_server,
            images=tmp_path / "images",
        ) as here,
    ):
        verdict = await kill_at_each(here)
    assert verdict.findings.all() == []
    assert verdict.faults == dict.fromkeys(POINTS, 1)
    assert sum(here.fleet.kills.values()) >= len(POINTS)
