"""Events that the broker will not have, over REST; for every service that announces."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.http import ProblemError, problems
from heliograph.outbox import Outbox
from heliograph.web.auth import requires
from heliograph.web.inbox import LARGEST_ID, Discarded, Redriven, Selection
from heliograph.web.paging import PAGE, Limit
from heliograph.web.route import GuardedRoute


class UnpublishedEvent(BaseModel):
    """An event that the broker refused for what it is; later ones of its subject wait behind it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    event_id: str
    subject: str
    routing_key: str
    attempts: int
    reason: str
    bytes: int
    created_at: AwareDatetime
    parked_at: AwareDatetime


class UnpublishedEventInFull(UnpublishedEvent):
    """A parked event with the message as it would leave.

    `body` is text, or base64 after the prefix `base64:` if it is not UTF-8. Of a body with more
    than 64 KiB it is the beginning; `bytes` tells how many there are.
    """

    headers: dict[str, object]
    body: str


class UnpublishedEvents(BaseModel):
    """A page of parked events, the oldest first; `next` is the next page's `after`."""

    items: Sequence[UnpublishedEvent]
    next: int | None


def outbox_router(service: str, outbox: Outbox) -> APIRouter:
    """The routes `/v1/outbox/…` over the service's outbox, for the scope `<service>:admin`."""
    router = APIRouter(
        prefix="/v1/outbox",
        route_class=GuardedRoute,
        tags=["outbox"],
        dependencies=[requires(f"{service}:admin")],
        responses=problems("unauthenticated", "forbidden"),
    )
    parked = outbox.parked

    @router.get("/parked", summary="List events that the broker refused")
    async def list_unpublished(
        limit: Limit = PAGE,
        after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
    ) -> UnpublishedEvents:
        found = await parked.page(limit=limit + 1, after=after)
        return UnpublishedEvents(
            items=[UnpublishedEvent.model_validate(each) for each in found[:limit]],
            next=found[limit - 1].id if len(found) > limit else None,
        )

    @router.get("/parked/{id}", summary="Look at one of them", responses=problems("not-found"))
    async def show_unpublished(
        id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    ) -> UnpublishedEventInFull:
        found = await parked.show(id)
        if found is None:
            raise ProblemError("not-found", "No event is parked under this id.")
        return UnpublishedEventInFull.model_validate(found)

    @router.post("/redrive", summary="Publish them again, before later ones of their subjects")
    async def redrive_unpublished(selection: Selection) -> Redriven:
        return Redriven(redriven=await parked.redrive(selection.chosen))

    @router.post("/discard", summary="Never publish them, so that later ones go")
    async def discard_unpublished(selection: Selection) -> Discarded:
        return Discarded(discarded=await parked.discard(selection.chosen))

    return router
