"""The proxy breaks what passes, in the way it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.faults.proxy import Proxy, proxy

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Proxy, Stream]]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, proxy(server.sockets[0].getsockname()[1]) as link, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        yield link, (reader, writer)
        writer.close()


async def say(stream: Stream, words: bytes) -> bytes:
    reader, writer = stream
    writer.write(words)
    return await reader.readexactly(len(words))


async def test_whole_it_passes_everything_on() -> None:
    async with echo() as (_, stream):
        assert await say(stream, b"hello" * 10_000) == b"hello" * 10_000


async def test_it_cuts_after_a_byte() -> None:
    async with echo() as (link, (reader, writer)):
        link.cut_after(3)
        writer.write(b"hello")
        assert len(await reader.read()) <= 3
        assert len(link.severed) == 1


async def test_what_is_held_arrives_once_it_is_healed() -> None:
    async with echo() as (link, stream):
        link.hold()
        answer = asyncio.create_task(say(stream, b"hello"))
        done, _ = await asyncio.wait({answer}, timeout=0.2)
        assert not done
        link.heal()
        assert await answer == b"hello"


async def test_dripping_is_slow_and_whole() -> None:
    async with echo() as (link, stream):
        link.drip()
        assert await say(stream, b"hello" * 100) == b"hello" * 100


async def test_a_reset_ends_every_connection() -> None:
    async with echo() as (link, (reader, writer)):
        await say((reader, writer), b"hello")
        link.reset()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
