"""Bodies of requests: how large they may be, and how slow."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES = 1024 * 1024
"""Of a request, unless its endpoint has `max_body`."""

RATE_BYTES = 64 * 1024
RATE_S = 20.0
"""A body that is waited for brings `RATE_BYTES`, or its end, each `RATE_S` seconds: less than a
telephone line gave, and more than a client that stalls."""

F = TypeVar("F", bound=Callable[..., Any])


def max_body(size: int) -> Callable[[F], F]:
    """Let the requests of an endpoint have bodies of `size` bytes.

    FastAPI's own `max_body_size` answers 413 in place of any other answer, a 401 too.
    """

    def mark(endpoint: F) -> F:
        endpoint.max_body = size  # type: ignore[attr-defined]
        return endpoint

    return mark


class Body:
    """A request's body as an application asks for it, within its bounds.

    Raises the framework's `HTTPException`, 413 or 408, to be answered as any other. A client that
    says that its body is too large is not let send it.
    """

    def __init__(self, scope: Scope, receive: Receive, answered: Callable[[], bool]) -> None:
        self._scope = scope
        self._receive = receive
        self._answered = answered
        self._limit: int | None = None
        self._size = 0
        self._complete = False
        self._seconds, self._bytes = RATE_S, 0

    async def receive(self) -> Message:
        if self._complete or self._answered():
            # What comes now is at most the news that the client has gone.
            return await self._receive()
        if self._limit is None:
            # Known by now: the endpoint was chosen, and asks for the body.
            self._limit = getattr(self._scope.get("endpoint"), "max_body", MAX_BODY_BYTES)
            self._check(_declared(self._scope), self._limit)
        message = await self._in_time()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._check(self._size, self._limit)
            self._complete = not message.get("more_body", False)
        return message

    def _check(self, size: int, limit: int) -> None:
        if size > limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    async def _in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError:
            if self._answered():
                return await self._receive()
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        # Only what the client lets us wait is counted.
        self._seconds -= loop.time() - began
        self._bytes += len(message.get("body", b""))
        if self._bytes >= RATE_BYTES:
            self._seconds, self._bytes = RATE_S, 0
        return message


def _declared(scope: Scope) -> int:
    """The size that the client says; 0 if it says none."""
    size = Headers(scope=scope).get("content-length", "")
    return int(size) if size.isdecimal() else 0
