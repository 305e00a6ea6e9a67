"""Requests as they are watched: logged, measured, announced, and each answered.

Around any ASGI application; it adds security headers, compresses for who asks for it, and answers
with a problem where nothing was answered.
"""

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliograph.events import Event
from heliograph.http.body import Body
from heliograph.http.compression import Compressed
from heliograph.http.metrics import Metrics
from heliograph.http.problems import problem_response
from heliograph.signals import Signal, got_request_exception, request_finished, request_started

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Set on every response that does not set them itself."""

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

log = structlog.stdlib.get_logger("http")


def traceparent(headers: Headers) -> str:
    """The caller's W3C trace context, or a new one if there is none that is well formed."""
    given = headers.getlist("traceparent")
    if len(given) == 1 and _TRACEPARENT.fullmatch(given[0]):
        return given[0]
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Watched:
    """Tells about each request to an application: to the log, the metrics and the signals."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = Compressed(app)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        trace = traceparent(Headers(scope=scope))
        scope.setdefault("state", {})["traceparent"] = trace
        answer = _Answer(scope, receive, send)
        receive = Body(scope, receive, answer.has_begun).receive
        with structlog.contextvars.bound_contextvars(traceparent=trace):
            try:
                await _send_signal(request_started, scope, receive)
                await self._app(scope, receive, answer.send)
            # Starlette raises again what it has answered with 500.
            except Exception as error:
                log.exception("a request failed", route=_template(scope))
                await _tell_of(error, scope, receive)
                if not await answer.end():
                    raise
            finally:
                self._tell(scope, answer.status, time.perf_counter() - began)
            await _send_signal(request_finished, scope, receive)

    def _tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        # Not the path, which may hold the token of an unsubscribe link.
        route, method = _template(scope), scope["method"]
        # The names of methods are the client's to make up.
        known = method if method in _METHODS else "other"
        self._metrics.http_request_duration.labels(route, known, status or "none").observe(seconds)
        level = log.debug if route.startswith(("/health/", "/metrics")) else log.info
        level("request", method=known, route=route, status=status, ms=round(seconds * 1000, 1))


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Answer:
    """The response on its way out: adds headers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._complete = False
        self.status: int | None = None

    def has_begun(self) -> bool:
        return self.status is not None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            self.status = message["status"]
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> bool:
        """Answer with 500 if nothing was answered yet; False if an answer broke off."""
        if self.status is None:
            await problem_response("internal")(self._scope, self._receive, self.send)
        return self._complete


async def _send_signal(signal: Signal, scope: Scope, receive: Receive) -> None:
    if signal.has_listeners(Request):
        await signal.send(Event(sender=Request, instance=Request(scope, receive)))


async def _tell_of(error: Exception, scope: Scope, receive: Receive) -> None:
    """Send `got_request_exception`; who is to hear of a failure must not add another to it."""
    if not got_request_exception.has_listeners(Request):
        return
    event = Event(sender=Request, instance=Request(scope, receive), exception=error)
    for function, answer in await got_request_exception.send_robust(event):
        if isinstance(answer, Exception):
            log.error("a receiver failed", receiver=function.__qualname__, exc_info=answer)


class NamedRoute(Route):
    """A route of Starlette that says in the scope that it was chosen, as FastAPI's do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, chosen = super().matches(scope)
        return match, chosen if match is Match.NONE else {**chosen, "route": self}


def _template(scope: Scope) -> str:
    """The path of the route that was chosen, with the names of its parameters."""
    # FastAPI keeps the prefix of an included router beside the route, not in it.
    chosen = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    path: str | None = getattr(chosen, "path_format", None)
    return path or "unmatched"
