"""A FastStream program with a handler that writes by a session, and nothing to do.

python -m benchmarks.peers.faststream_idle
"""

import asyncio
import os
from decimal import Decimal
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.rabbit import QueueType, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from benchmarks.peers.ledger import FIRST_SIGHT, PriceSeen

QUEUE = RabbitQueue("bench.faststream", queue_type=QueueType.QUORUM, durable=True)

broker = RabbitBroker(os.environ["BENCH_BUS_URL"], logger=None)
sessions = async_sessionmaker(create_async_engine(os.environ["BENCH_DATABASE_URL"]))


@broker.subscriber(QUEUE, ack_policy=AckPolicy.NACK_ON_ERROR)
async def handle(body: dict[str, Any], message: RabbitMessage) -> None:
    """Write the row, once."""
    product = body["instance"]
    async with sessions.begin() as session:
        if await session.scalar(FIRST_SIGHT, {"event_id": message.message_id}) is not None:
            price = Decimal(product["price"])
            session.add(PriceSeen(product_id=product["id"], name=product["name"], price=price))


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
