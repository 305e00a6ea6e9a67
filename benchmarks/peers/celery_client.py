"""A Celery worker in a process of its own, with its work before it."""

import asyncio
import json
import os
import sys

import aiormq

from benchmarks.measure import Reading
from benchmarks.world import batches, messages
from heliograph.bus import Message

QUEUE = "bench.celery"
READING = b"reading:"
DEADLINE_S = 60


async def work(url: str, count: int) -> Reading:
    """Let a worker run `count` empty tasks of 1 KB each."""
    await _fill(url, count, "bench.receive")
    return await _run("celery_app", count, BENCH_BUS_URL=url)


async def write(url: str, database_url: str, count: int, threads: int) -> Reading:
    """Let a worker of so many threads run `count` tasks of 1 KB that write by a session."""
    await _fill(url, count, "bench.write")
    env = {"BENCH_DATABASE_URL": database_url, "BENCH_THREADS": str(threads)}
    return await _run("celery_ledger", count, BENCH_BUS_URL=url, **env)


async def _run(module: str, count: int, **environment: str) -> Reading:
    own = {"BENCH_COUNT": str(count), "PYTHONWARNINGS": "ignore"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.peers.{module}"),
        env=os.environ | environment | own,
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


async def _fill(url: str, count: int, task: str) -> None:
    """Put tasks into the queue as `delay` does, message protocol 2; their ids are the events'."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_purge(QUEUE)
        for batch in batches(messages(count), 500):
            await asyncio.gather(*(_publish(channel, task, each) for each in batch))


async def _publish(channel: aiormq.abc.AbstractChannel, task: str, event: Message) -> None:
    await channel.basic_publish(
        json.dumps([[json.loads(event.body)], {}, {}]).encode(),
        routing_key=QUEUE,
        properties=aiormq.spec.Basic.Properties(
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=event.id,
            message_id=event.id,
            delivery_mode=2,
            headers={
                "lang": "py",
                "task": task,
                "id": event.id,
                "root_id": event.id,
                "ignore_result": True,
            },
        ),
    )
