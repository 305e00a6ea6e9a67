"""Single faults, watched closely, on real servers and real programs."""

import asyncio
import operator
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pika
import pytest

from chaos.faults import clocks
from chaos.fleet import Member
from chaos.people import WATCHED
from chaos.reckoning.verdict import verdict
from chaos.world import Addresses, World, world
from heliograph.testing import SMTPServer
from tests import polling
from tests.servers.postgresql import PostgreSQL

GOOD = "catalog.product.post_save"
ANN = "ann@example.com"
LEASES_END_WITHIN = 30.0


@pytest.fixture
async def here(
    tmp_path: Path, postgres_server: PostgreSQL, amqp_url: str, smtp_server: SMTPServer
) -> AsyncIterator[World]:
    async with (
        postgres_server.database() as catalog,
        postgres_server.database() as notifier,
        world(
            tmp_path,
            direct=Addresses(catalog, notifier, amqp_url, smtp_server.url),
            smtp=smtp_server,
            images=tmp_path / "images",
            each=2,
        ) as made,
    ):
        yield made


until = partial(polling.until, within=20.0)


def publish(here: World, body: bytes, headers: dict[str, str], routing_key: str = GOOD) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(here.direct.bus))) as connection:
        properties = pika.BasicProperties(headers=headers, delivery_mode=2)
        connection.channel().basic_publish("catalog.events", routing_key, body, properties)


async def test_poison_is_parked_with_its_reason_and_given_up_by_rest(here: World) -> None:
    here.listener.end()
    await asyncio.to_thread(publish, here, b"{not json", {})
    await asyncio.to_thread(publish, here, b"{}", {"ce-type": "catalog.product.eaten.v9"})
    [api] = here.fleet.of("notifier api")
    async with httpx2.AsyncClient(base_url=api.url, headers=here.headers) as client:

        async def parked() -> list[dict[str, Any]] | None:
            items: list[dict[str, Any]] = (await client.get("/v1/inbox/parked")).json()["items"]
            return items if len(items) == 2 else None

        for each in await until(parked):
            assert each["receiver"] == "email_new_product"
            assert each["reason"].startswith("malformed: ")
        crowd = await here.crowd.client(0, [])
        assert await crowd.create() is not None
        await until(lambda: _told(here))
        answer = await client.post("/v1/inbox/discard", json={"all": True})
        assert answer.is_success
        assert (await client.get("/v1/inbox/parked")).json()["items"] == []


async def test_stopped_relays_and_workers_lose_their_work_to_others(here: World) -> None:
    crowd = await here.crowd.client(0, [])
    heard = len(here.listener.heard)
    busy = asyncio.create_task(_create(crowd.create))
    await until(lambda: len(here.listener.heard) > heard)
    with ExitStack() as stopped:
        for role in ("catalog relay", "notifier work"):
            stopped.enter_context(here.fleet.frozen(here.fleet.of(role)[0]))
        asked = len(here.ledger.entries)
        await until(lambda: len(here.ledger.entries) > asked + 5)
        busy.cancel()
        await asyncio.wait({busy})
        created = sum(each.outcome == "ok" for each in here.ledger.entries) - WATCHED

        async def all_told() -> bool:
            sent = f"SELECT FROM notification WHERE state = 'sent' AND email = '{ANN}'"
            return len(await here.fetch("notifier", sent)) >= created

        await until(all_told, within=LEASES_END_WITHIN)
    found = await verdict(here, {}, within=60)
    assert found.findings.all() == []


async def _create(create: Callable[[], Any]) -> None:
    while True:
        await create()


async def test_clocks_that_jump_an_hour_do_no_harm(here: World) -> None:
    """Wall clocks of programs, in both directions, and the databases', ahead."""
    crowd = await here.crowd.client(0, [])
    busy = asyncio.create_task(_create(crowd.act))
    for role in ("catalog api", "catalog relay", "catalog work", "notifier work"):
        for member, seconds in zip(here.fleet.of(role), ("3600", "-3600"), strict=True):
            await _start_again(here, member, **{clocks.VARIABLE: seconds})
    await here.answering()
    ahead = partial(clocks.put_ahead, here.direct.catalog_database)
    for let_it_jump in (ahead, here.let_an_hour_pass):
        await let_it_jump()
        asked, sent = len(here.ledger.entries), len(here.smtp.messages)
        await until(partial(_busier, here, asked + 20, sent))
    busy.cancel()
    await asyncio.wait({busy})
    found = await verdict(here, {}, within=60)
    assert found.findings.all() == []


def _busier(here: World, asked: int, sent: int) -> bool:
    return len(here.ledger.entries) > asked and len(here.smtp.messages) > sent


async def test_a_deleted_queue_takes_what_it_held_and_is_back_within_5_seconds(
    here: World,
) -> None:
    """Nobody else loses anything."""
    workers = here.fleet.of("notifier work")
    crowd = await here.crowd.client(0, [])
    for member in workers:
        await _start_again(here, member, NOTIFIER_BUS_URL="amqp://nobody@127.0.0.1:1/")
    # Nobody accepts what is announced now.
    heard = len(here.listener.heard)
    assert await crowd.create() is not None
    await until(lambda: len(here.listener.heard) == heard + 2)
    await asyncio.to_thread(delete, here, "notifier.email_new_product")
    for member in workers:
        await _start_again(here, member)
    await here.answering()
    await until(lambda: _ready(workers), within=5)

    # Once: RabbitMQ loses a queue for good whose declaring two deletions overlap (its issue 17457).
    before = _back(here)
    await asyncio.to_thread(delete, here, "notifier.email_new_product")
    await until(lambda: all(map(operator.gt, _back(here), before)), within=5)
    await until(lambda: _ready(workers), within=5)
    assert await crowd.create() is not None
    await until(lambda: _told(here))
    found = await verdict(here, {}, within=20)
    [*_, lost, _] = [each for each in here.listener.heard if each.routing_key == GOOD]
    assert found.findings.all() == [
        f"lost: email_new_product never got {lost.id}",
        f"lost: no notification of {(lost.id, ANN, 'new_product')}",
        f"lost: no notification of {(lost.id, 'fay@example.com', 'new_product')}",
    ]


def _back(here: World) -> list[int]:
    """How often each worker has said that it consumes the queue again."""
    said = "consuming notifier.email_new_product again"
    logs = sorted(here.folder.glob("notifier-work-*.log"))
    return [log.read_text().count(said) for log in logs]


def _told(here: World) -> bool:
    """Whether who asked for new products has got an email."""
    return any(ANN in each.recipients for each in here.smtp.messages)


async def _start_again(here: World, member: Member, **variables: str) -> None:
    former = member.pid
    here.fleet.arm(member, variables)
    await here.fleet.kill(member)
    await here.fleet.started(member, former)


def delete(here: World, queue: str) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(here.direct.bus))) as connection:
        connection.channel().queue_delete(queue)


async def _ready(members: list[Member]) -> bool:
    async with httpx2.AsyncClient() as client:
        answers = [await client.get(f"{each.url}/health/ready") for each in members]
    return all(answer.is_success for answer in answers)
