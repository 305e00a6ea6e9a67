"""An SMTP server that accepts everything and keeps nothing, quick enough not to be measured.

It takes commands in groups (RFC 2920) and says so, as every common server does.

python -m benchmarks.peers.smtp_sink PORT
"""

import asyncio
import sys
from typing import cast

import uvloop


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = b""
        self._content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            end = b"\r\n.\r\n" if self._content else b"\r\n"
            command, found, rest = self._received.partition(end)
            if not found:
                return
            self._received = rest
            self._transport.write(self._answer(command[:4].upper()))

    def _answer(self, command: bytes) -> bytes:
        if self._content:
            self._content = False
            return b"250 taken\r\n"
        if command == b"DATA":
            self._content = True
            return b"354 go on\r\n"
        if command == b"EHLO":
            return b"250-sink\r\n250 PIPELINING\r\n"
        return b"221 bye\r\n" if command == b"QUIT" else b"250 sink\r\n"


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
