"""HTTP load over kept connections, cheap enough not to be what is measured."""

import asyncio
import time
from collections.abc import Iterable, Iterator


class Refused(Exception):
    """The server answered with another status than wanted."""


async def load(
    port: int, requests: Iterable[bytes], *, seconds: float, connections: int, status: int
) -> int:
    """Send raw HTTP/1.1 requests, one at a time on each connection; returns how many."""
    sent = 0
    ends = time.monotonic() + seconds

    def until_it_ends() -> Iterator[bytes]:
        nonlocal sent
        for request in requests:
            if time.monotonic() > ends:
                return
            sent += 1
            yield request

    waiting = until_it_ends()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(_client(port, waiting, b"HTTP/1.1 %d" % status))
    return sent


async def _client(port: int, waiting: Iterator[bytes], wanted: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            if not head.startswith(wanted):
                raise Refused(f"{head.decode()}{body.decode(errors='replace')}")
    finally:
        writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    if b" 204 " in head.partition(b"\r\n")[0]:
        return 0
    raise Refused(f"no content-length: {head!r}")


def request(method: str, path: str, body: bytes = b"", token: str | None = None) -> bytes:
    """Write a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode() + body
