"""Events that the broker will not have, and a stranger's queue that turns all of them down."""

import asyncio
import random
import threading
import zlib
from contextlib import closing, suppress
from uuid import uuid4

import httpx2
import pika

from chaos.faults.targets import Missed, Targets, for_a_while, whole
from chaos.listener import EXCHANGE
from chaos.world import AWAY, World
from heliograph.outbox import PARTITIONS

TOO_LARGE = 16 * 1024 * 1024 + 1
"""Bytes of a body; see `max_message_size` in `tests.servers.rabbitmq_node`."""
AGAIN_S = 0.5
PARKED_WITHIN_S = 40.0
FULL = {"x-max-length": 0, "x-overflow": "reject-publish"}


async def write_too_large(world: World, subject: str) -> str:
    """Write an event into the outbox past the catalog, which would refuse it; return its id."""
    event_id = str(uuid4())
    partition = zlib.crc32(subject.encode()) % PARTITIONS
    while True:
        with suppress(*AWAY):
            await world.fetch(
                "catalog",
                "INSERT INTO outbox"  # noqa: S608 - values of ours
                " (partition, event_id, subject, exchange, routing_key, headers, body)"
                f" SELECT {partition}, '{event_id}', '{subject}', '{EXCHANGE}',"
                " 'catalog.product.post_save', '{}',"
                f" convert_to(repeat('x', {TOO_LARGE}), 'UTF8')"
                f" WHERE NOT EXISTS (SELECT FROM outbox WHERE event_id = '{event_id}')",
            )
            return event_id
        await asyncio.sleep(AGAIN_S)


async def parked(world: World, event_id: str) -> None:
    """Wait until the relay has given the event up."""
    while True:
        with suppress(*AWAY):
            if await world.fetch(
                "catalog",
                f"SELECT FROM outbox WHERE event_id = '{event_id}' AND parked_at IS NOT NULL",
            ):
                return
        await asyncio.sleep(AGAIN_S)


async def discard_all(world: World) -> None:
    """Give up what is parked in the outbox, as an operator does, as soon as an API answers."""
    while True:
        for member in world.fleet.of("catalog api"):
            with suppress(httpx2.HTTPError):
                async with httpx2.AsyncClient(
                    base_url=member.url, headers=world.headers, timeout=5
                ) as client:
                    answer = await client.post("/v1/outbox/discard", json={"all": True})
                    if answer.is_success:
                        return
        await asyncio.sleep(AGAIN_S)


async def operate(world: World) -> None:
    """Discard what is parked, again and again."""
    while True:
        await discard_all(world)
        await asyncio.sleep(AGAIN_S)


async def refuse_an_event(targets: Targets, rng: random.Random) -> None:
    """An event that the broker will not have stands among those of a product, then is discarded."""
    world = targets.world
    try:
        products = await world.fetch("catalog", "SELECT id FROM product ORDER BY id LIMIT 200")
    except AWAY as error:
        raise Missed from error
    if not products:
        raise Missed
    event_id = await write_too_large(world, str(rng.choice(products)["id"]))
    missed = True
    with suppress(TimeoutError):
        async with asyncio.timeout(PARKED_WITHIN_S):
            await parked(world, event_id)
            missed = False
    await for_a_while(rng)
    await discard_all(world)
    if missed:
        raise Missed


async def turn_events_down(targets: Targets, rng: random.Random) -> None:
    """A stranger's queue refuses every event that comes, until it is gone."""
    parameters = pika.URLParameters(targets.world.direct.bus)
    parameters.socket_timeout = 5
    mended = threading.Event()

    def stand() -> None:
        with closing(pika.BlockingConnection(parameters)) as connection:
            channel = connection.channel()
            # Exclusive: it goes with this connection, whatever becomes of it.
            channel.queue_declare("chaos.stranger", exclusive=True, arguments=FULL)
            channel.queue_bind("chaos.stranger", EXCHANGE, "#")
            while not mended.is_set():
                connection.process_data_events(time_limit=0.2)

    standing = asyncio.create_task(whole(stand))
    try:
        await for_a_while(rng)
    finally:
        mended.set()
        with suppress(pika.exceptions.AMQPError, OSError):
            await standing
