"""HTTP connections that take no more than their share of memory, time and places."""

import asyncio
import math
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import httptools
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from heliograph.http import SECURITY_HEADERS, problem_response
from heliograph.service.http_limits import Limits

log = structlog.stdlib.get_logger("http")

# RFC 3986, section 3.2.2; empty where the target of the request has no authority.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?")


class BoundedConfig(uvicorn.Config):
    """A server's configuration, and what its connections have in common."""

    def __init__(self, app: ASGIApp, limits: Limits, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.limits = limits
        self.waiting: dict[BoundedProtocol, None] = {}
        """Connections without a request for the application, longest first."""
        self.crowded = 0
        """How many connections were closed or refused for want of a place."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within `Limits`.

    uvicorn bounds neither headers nor URL nor any time but that between two requests. What it
    calls on its protocols and what it takes from them is no documented interface: the tests of
    this class meet each bound over a socket.

    Whoever comes when all places are taken gets that of the connection that has waited longest
    without a request; 503 only if the application works for all.
    """

    config: BoundedConfig

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._deadline = math.inf
        self._in_headers = False
        self._complete = True
        """Whether the last request has been read to its end."""
        self._keep_alive = False
        """Whether the connection outlives the last request, if that is read to its end."""
        self._deaf = False
        """Whether what comes is dropped."""
        self._closing = False
        self._stopping = False
        self._refusal: str | None = None
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._dropped_bytes = 0
        self._unsent, self._sent_at = 0, 0.0

    # What the server calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._wire = transport
        self.transport = cast("asyncio.Transport", _Wire(transport, self._close))
        self._wait(self._limits.header_s)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.config.waiting.pop(self, None)
        super().connection_lost(exc)

    def check(self, now: float) -> None:
        """End what has taken too long; `now` is the loop's time."""
        unsent = self._wire.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._sent_at = unsent, now
        stuck = unsent > 0 and now - self._sent_at > self._limits.write_s
        if not stuck and now < self._deadline:
            return
        if stuck or self._closing:
            self._wire.abort()
        elif self._in_headers:
            self._refuse("too-slow")
        else:
            self._close()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._wire.abort()

    def shutdown(self) -> None:
        self._stopping, self._keep_alive = True, False
        if self._closing or not self._is_answering():
            self._wire.close()
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        request, content = self.scope, self._body_bytes
        in_headers, in_body = self._in_headers, not (self._in_headers or self._complete)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Refused by an answer of HTTP/1.1; what follows may be of any protocol.
            self._hear_no_more()
        except httptools.HttpParserError:
            self._refuse(self._refusal or "malformed")
        else:
            if self.scope is not request:
                return
            if in_headers and self._in_headers:
                self._head_bytes += len(data)
                if self._head_bytes > self._limits.head_bytes:
                    self._refuse("headers-too-large")
            elif in_body and not self._complete:
                self._framing_bytes += len(data) - (self._body_bytes - content)
                if self._framing_bytes > self._limits.framing_bytes + self._body_bytes // 4:
                    self._refuse("malformed")

    # What the parser calls; raising ends its work with an `HttpParserError`

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            raise OverflowError
        super().on_message_begin()
        self._in_headers, self._complete = True, False
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._deadline = self.loop.time() + self._limits.header_s

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._refusal = "url-too-long"
            raise OverflowError

    def on_headers_complete(self) -> None:
        size = sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.header_bytes or len(self.headers) > self._limits.headers:
            self._refusal = "headers-too-large"
            raise OverflowError
        self._check_host()
        super().on_headers_complete()
        self._in_headers = False
        # For trailers, which the application would take for headers.
        self.headers = []
        self._deadline = math.inf
        self.config.waiting.pop(self, None)
        # An answer that begins before the end of its request ends the connection.
        self._keep_alive = self.cycle.keep_alive and not self._stopping
        self.cycle.keep_alive = False

    def _check_host(self) -> None:
        """Refuse a request whose host is missing, given twice or none (RFC 9112, section 3.2)."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if not hosts and self.parser.get_http_version() == "1.0":
            return
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip(b" \t")):
            raise ValueError

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._complete = True
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    # What answers call

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._closing or self._is_answering():
            return
        self.config.waiting[self] = None
        if not self._in_headers:
            self._deadline = self.loop.time() + self._limits.idle_s

    def timeout_keep_alive_handler(self) -> None:
        """Leave that to `check`."""

    def _is_answering(self) -> bool:
        # Before the first request there is none, whatever uvicorn declares.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        self.config.waiting[self] = None

    def _make_room(self) -> None:
        self.config.crowded += 1
        longest = next(iter(self.config.waiting))
        if longest is self:
            self._refuse("busy")
        else:
            self.config.waiting.pop(longest)
            longest.abort()

    def _refuse(self, name: str) -> None:
        """Answer with a problem what no application has seen or can go on with, and close."""
        log.info("a request is refused", problem=name)
        if self._is_answering():
            if self._complete or self._in_headers or self.pipeline or self.cycle.response_started:
                self._hear_no_more()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._complete = False
        self._wire.write(self._problem(name))
        self._close()

    def _problem(self, name: str) -> bytes:
        headers = {"Connection": "close", **SECURITY_HEADERS}
        if name == "busy":
            headers["Retry-After"] = "1"
        response = problem_response(name, headers=headers)
        status = HTTPStatus(response.status_code)
        lines = [
            f"HTTP/1.1 {status} {status.phrase}".encode(),
            *(
                name + b": " + value
                for name, value in (*self.server_state.default_headers, *response.raw_headers)
            ),
        ]
        return b"\r\n".join([*lines, b"", bytes(response.body)])

    def _hear_no_more(self) -> None:
        """Answer what has been asked, and close."""
        self._deaf, self._deadline = True, math.inf
        self._keep_alive = self.cycle.keep_alive = False

    def _drop(self, count: int) -> None:
        self._dropped_bytes += count
        limits = self._limits
        most = limits.linger_head_bytes if self._in_headers else limits.linger_bytes
        if self._dropped_bytes > most:
            self._wire.abort()

    def _close(self) -> None:
        """Close once the client has our answer; see `Limits.linger_bytes`."""
        if self._closing:
            return
        self._closing = self._deaf = True
        self._wait(self._limits.linger_s)
        if self._complete or self._stopping or self._wire.is_closing():
            self._wire.close()
        else:
            self.flow.resume_reading()
            self._wire.write_eof()


class _Wire:
    """A transport for answers to write to; that it is to be closed is told to the protocol."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self._is_closed = False
        self._close = close
        self.write = transport.write

    def close(self) -> None:
        self._is_closed = True
        self._close()

    def is_closing(self) -> bool:
        return self._is_closed or self._transport.is_closing()
