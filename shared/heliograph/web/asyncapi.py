"""The events as `/docs` and `/openapi.json` have the calls: `/asyncapi`, `/asyncapi.json`."""

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from heliograph.asyncapi import STYLE, page
from heliograph.web.route import GuardedRoute

HEADERS = {
    # No script at all, and no style but our own file.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
STYLE_HEADERS = {
    **HEADERS,
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def asyncapi_router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """Answer the AsyncAPI document and its page, made when they are first asked for."""
    router = APIRouter(tags=["documents"], route_class=GuardedRoute)
    made = cache(document)
    written = cache(lambda: page(made()))

    @router.get("/asyncapi.json", summary="The AsyncAPI document of this service's events")
    async def read_asyncapi() -> dict[str, Any]:
        return made()

    @router.get("/asyncapi", include_in_schema=False)
    async def show_asyncapi() -> Response:
        return HTMLResponse(written(), headers=HEADERS)

    @router.get("/asyncapi/page.css", include_in_schema=False)
    async def style() -> Response:
        return Response(STYLE, headers=STYLE_HEADERS, media_type="text/css")

    return router
