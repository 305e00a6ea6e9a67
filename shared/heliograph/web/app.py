"""The web application that every service builds on."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp

from heliograph.http import Health, Metrics, NamedRoute, Problem, Watched, problems
from heliograph.tokens import Tokens
from heliograph.web.docs import add_docs
from heliograph.web.handlers import handle_problems
from heliograph.web.health import health_router
from heliograph.web.route import check_guards

S = TypeVar("S")


class Application(FastAPI):
    """A FastAPI application that answers every error with a problem and watches its requests."""

    def __init__(
        self, *, service: object, tokens: Tokens, metrics: Metrics, **options: Any
    ) -> None:
        self.service = service
        self.tokens = tokens
        self._metrics = metrics
        super().__init__(**options)

    def build_middleware_stack(self) -> ASGIApp:
        # Outside everything else: unexpected errors are answered out there.
        return Watched(super().build_middleware_stack(), self._metrics)

    def include_router(self, router: APIRouter, *args: Any, **options: Any) -> None:
        check_guards(router)
        super().include_router(router, *args, **options)

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= described.pop("$defs", {})
        schemas["Problem"] = described
        return schema


def application_of(request: Request) -> Application:
    """The application that answers the request."""
    app = request.app
    if not isinstance(app, Application):
        raise TypeError("no application of create_app answers the request")
    return app


def service_of(request: Request, kind: type[S]) -> S:
    """The service whose API answers the request; raise `TypeError` if it is of another class."""
    service = application_of(request).service
    if not isinstance(service, kind):
        raise TypeError(f"a {type(service).__name__} answers the request, not a {kind.__name__}")
    return service


def create_app(
    title: str,
    *,
    version: str,
    description: str,
    tokens: Tokens,
    health: Health,
    metrics: Metrics,
    service: object = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """An application with `/health/*`, `/metrics` and `/docs`, to which routers are added.

    Errors are problems, bodies are limited, every request is logged and measured by the
    template of its route, and `request_started` and `request_finished` are sent with the
    `Request`; in between, `got_request_exception` if it failed and was answered with 500.
    `request.state.traceparent` is the caller's trace context, or a new one. Routes reach
    `service` by `service_of`.
    """
    app = Application(
        service=service,
        tokens=tokens,
        metrics=metrics,
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        # A path has one form; a redirect would go to the host that the client named.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=problems("invalid", "event-too-large", "unavailable"),
    )
    handle_problems(app)
    app.include_router(health_router(health))
    app.router.routes.append(NamedRoute("/metrics", metrics.answer, include_in_schema=False))
    add_docs(app, title)
    return app
