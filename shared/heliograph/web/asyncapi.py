"""`/asyncapi.json`: the events, as `/openapi.json` is for the calls."""

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter

from heliograph.web.route import GuardedRoute


def asyncapi_router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """Answer the AsyncAPI document, made when it is first asked for."""
    router = APIRouter(tags=["documents"], route_class=GuardedRoute)
    made = cache(document)

    @router.get("/asyncapi.json", summary="The AsyncAPI document of this service's events")
    async def read_asyncapi() -> dict[str, Any]:
        return made()

    return router
