"""`/asyncapi.json`: the events, as `/openapi.json` is for the calls."""

from typing import Any

from fastapi import APIRouter

from heliograph.web import GuardedRoute
from services.catalog.asyncapi import document

router = APIRouter(tags=["documents"], route_class=GuardedRoute)


@router.get("/asyncapi.json", summary="The AsyncAPI document of the catalog's events")
async def read_asyncapi() -> dict[str, Any]:
    return document()
