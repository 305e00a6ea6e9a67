"""What a program answers that has no API: health and metrics."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from heliograph.http.health import Health, Liveness
from heliograph.http.metrics import Metrics
from heliograph.http.problems import answer_http_error, answer_unexpected
from heliograph.http.watched import NamedRoute, Watched


def plain_app(health: Health, metrics: Metrics) -> ASGIApp:
    """An application with `/health/live`, `/health/ready` and `/metrics`, and nothing else.

    It needs no FastAPI, which takes a second of CPU to load. Errors are problems.
    """

    async def live(_request: Request) -> Response:
        return JSONResponse(Liveness().model_dump())

    async def ready(_request: Request) -> Response:
        readiness = await health.readiness()
        return JSONResponse(readiness.model_dump(exclude_none=True), readiness.http_status)

    routes = [
        NamedRoute("/health/live", live),
        NamedRoute("/health/ready", ready),
        NamedRoute("/metrics", metrics.answer),
    ]
    handlers = {HTTPException: answer_http_error, Exception: answer_unexpected}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Watched(app, metrics)
