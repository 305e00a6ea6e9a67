"""Answers in gzip for who asks for it (RFC 9110, section 12.5.3)."""

import asyncio
import re
import zlib
from collections.abc import Awaitable
from functools import lru_cache
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST = 1024
"""Bytes of a body that is worth the work, unless the client takes nothing but gzip."""

LEVEL = 4
"""Of zlib's 1 to 9."""

LARGE = 64 * 1024
"""Bytes that are compressed in a thread, so that others are answered meanwhile."""

_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_VARY = (b"vary", b"Accept-Encoding")
_CODING = re.compile(r"([^\s;]+)(?:\s*;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")
_SENT_AS_THEY_ARE = frozenset({204, 206, 304})


class Accepted(NamedTuple):
    """Whether a client would rather have gzip, and whether it takes plain bytes."""

    gzip: bool
    plain: bool


class Compressed:
    """Compresses the texts that an application answers, for clients that ask for that.

    Only what is sent whole: streams, files and images leave as they are, and so does what says
    `Cache-Control: no-transform`. Whoever holds a secret beside words of the client says that, for
    the length of the answer would betray the secret. A client that takes neither gzip nor plain
    bytes gets plain ones.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            send = _Answer(scope, send).send
        return self._app(scope, receive, send)


def gzip_tag(tag: str) -> str:
    """The strong entity tag of an answer in gzip: other bytes, another tag (section 8.8.3.3)."""
    return f'{tag[:-1]}-gzip"'


class _Answer:
    """An answer on its way out; its head waits for its body where that is to be compressed."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._accepted = Accepted(gzip=False, plain=True)
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._waits(message):
                await self._send(message)
            return
        if self._start is not None:
            start, self._start = self._start, None
            message = await self._compress(start, message)
            await self._send(start)
        await self._send(message)

    def _waits(self, start: Message) -> bool:
        headers = dict(start["headers"])
        if not _is_text(headers.get(b"content-type", b"")):
            return False
        if b"vary" not in headers:
            start["headers"] = [*start["headers"], _VARY]
        asked = [value for name, value in self._scope["headers"] if name == b"accept-encoding"]
        if not asked:
            return False
        self._accepted = accepted(b",".join(asked))
        if (
            not self._accepted.gzip
            or start["status"] in _SENT_AS_THEY_ARE
            or b"content-encoding" in headers
            or b"no-transform" in headers.get(b"cache-control", b"")
        ):
            return False
        self._start = start
        return True

    async def _compress(self, start: Message, message: Message) -> Message:
        body = message.get("body", b"")
        smallest = SMALLEST if self._accepted.plain else 1
        if message.get("more_body", False) or len(body) < smallest:
            return message
        body = await asyncio.to_thread(_gzip, body) if len(body) > LARGE else _gzip(body)
        headers = MutableHeaders(scope=start)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        if headers.get("etag", "").startswith('"'):
            headers["ETag"] = gzip_tag(headers["etag"])
        return {**message, "body": body}


@lru_cache(maxsize=64)
def accepted(header: bytes) -> Accepted:
    """Read an `Accept-Encoding`; what is malformed in it counts for nothing."""
    weights: dict[str, float] = {}
    for each in header.decode("latin-1").lower().split(","):
        if found := _CODING.fullmatch(each.strip()):
            weights[found[1]] = float(found[2] or 1)
    others = weights.get("*")
    gzip = weights.get("gzip", weights.get("x-gzip", others or 0.0))
    # Plain bytes need not be named to be taken, but what is named comes first.
    plain = weights.get("identity", 0.0)
    return Accepted(gzip > 0 and gzip >= plain, weights.get("identity", others) != 0)


@lru_cache(maxsize=64)
def _is_text(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].rstrip()
    if kind.startswith(b"text/"):
        return kind != b"text/event-stream"
    return kind.endswith((b"/json", b"+json", b"/openmetrics-text"))


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL, _WITH_GZIP_HEADER)
