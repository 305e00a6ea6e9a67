"""A Celery worker in a process of its own, with its work before it."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

import aiormq

from benchmarks.measure import Reading
from benchmarks.world import messages

QUEUE = "bench.celery"
READING = b"reading:"
DEADLINE_S = 60


async def work(url: str, count: int) -> Reading:
    """Let a worker run `count` empty tasks of 1 KB each."""
    await _fill(url, count)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.celery_app"),
        env={
            **os.environ,
            "BENCH_BUS_URL": url,
            "BENCH_COUNT": str(count),
            "PYTHONWARNINGS": "ignore",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdout is None:
        raise RuntimeError("the worker has no output")
    try:
        async with asyncio.timeout(DEADLINE_S):
            # Its banner comes first.
            async for line in process.stdout:
                if line.startswith(READING):
                    _, done, seconds, cpu = line.split()
                    return Reading(int(done), float(seconds), float(cpu))
    finally:
        process.kill()
        await process.wait()
    raise RuntimeError("the Celery worker ended before its work was done")


async def _fill(url: str, count: int) -> None:
    """Put tasks into the queue as `delay` does, message protocol 2."""
    bodies = [json.loads(each.body) for each in messages(count)]
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_purge(QUEUE)
        for start in range(0, count, 500):
            await _publish(channel, bodies[start : start + 500], start)


async def _publish(
    channel: aiormq.abc.AbstractChannel, bodies: Sequence[object], first: int
) -> None:
    await asyncio.gather(
        *(
            channel.basic_publish(
                json.dumps([[body], {}, {}]).encode(),
                routing_key=QUEUE,
                properties=aiormq.spec.Basic.Properties(
                    content_type="application/json",
                    content_encoding="utf-8",
                    correlation_id=f"task-{number}",
                    message_id=f"task-{number}",
                    delivery_mode=2,
                    headers={
                        "lang": "py",
                        "task": "bench.receive",
                        "id": f"task-{number}",
                        "root_id": f"task-{number}",
                        "ignore_result": True,
                    },
                ),
            )
            for number, body in enumerate(bodies, first)
        )
    )
