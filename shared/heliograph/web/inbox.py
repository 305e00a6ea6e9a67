"""The inbox over REST: what became of an event; parked ones, to redrive or discard.

Every service has this.
"""

from collections.abc import Sequence
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from heliograph.events import MAX_HEADER_LENGTH
from heliograph.http import ProblemError, problems
from heliograph.inbox import HandlingState, Inbox, NotWhole
from heliograph.payload import Payload
from heliograph.text import Line
from heliograph.web.auth import requires
from heliograph.web.paging import PAGE, Limit
from heliograph.web.route import GuardedRoute

LARGEST_ID = 2**63 - 1
MOST_IDS = 1000


def _whole(number: object) -> object:
    # To JSON Schema 2.0 is an integer, and nothing else that a lax reader would take for one.
    return int(number) if isinstance(number, float) and number.is_integer() else number


RowId = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LARGEST_ID)]


class ParkedEvent(BaseModel):
    """An event that a receiver gave up on, or that could not be read."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    receiver: str
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    received_at: AwareDatetime
    parked_at: AwareDatetime
    size: int | None
    """Bytes of the whole message, if only its beginning was kept: then it can only be discarded."""


class ParkedEventInFull(ParkedEvent):
    """A parked event with the message as it came, or the beginning of one that is too large.

    `body` is text, or base64 after the prefix `base64:` if it is not UTF-8.
    """

    headers: dict[str, object]
    body: str


class FailingEvent(BaseModel):
    """An event whose last attempt failed of `reason`, and that runs again at `again_at`."""

    model_config = ConfigDict(from_attributes=True)

    receiver: str
    event_id: str
    subject: str | None
    routing_key: str
    attempts: int
    reason: str
    again_at: AwareDatetime


class FailingEvents(BaseModel):
    """Events that failed and run again by themselves."""

    items: Sequence[FailingEvent]


class ParkedEvents(BaseModel):
    """A page of parked events, the oldest first; `next` is the next page's `after`."""

    items: Sequence[ParkedEvent]
    next: int | None


class FailedAttempt(BaseModel):
    """An attempt that failed, or never reported back; then `at` is the end of its lease."""

    model_config = ConfigDict(from_attributes=True)

    at: AwareDatetime
    reason: str


class EventAtReceiver(BaseModel):
    """What a receiver did with an event.

    `state`: `pending` waits for its turn or its next attempt, `held` waits behind a parked event of
    its subject, `running` is being worked on, `done` is done. `parked` waits for somebody to
    redrive or discard it, `discarded` was given up.

    `attempts` are those since it was redriven, `started_at` is when the last of all began.
    `failures` are the last 8, the oldest first, whether it was redriven meanwhile or not.
    """

    model_config = ConfigDict(from_attributes=True)

    receiver: str
    state: HandlingState
    attempts: int
    accepted_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    reason: str | None
    failures: Sequence[FailedAttempt]


class EventInInbox(BaseModel):
    """What each receiver that has got an event did with it."""

    event_id: str
    receivers: Sequence[EventAtReceiver]


class Selection(Payload):
    """Which parked events: those of `ids`, or all of them. One of the two must be given."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    ids: Annotated[list[RowId], Field(min_length=1, max_length=MOST_IDS)] = Field(default=[])
    all: bool = Field(default=False, json_schema_extra={"const": True})

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if len(self.model_fields_set) != 1 or not (self.ids or self.all):
            raise ValueError('Must be either {"ids": […]} or {"all": true}')
        return self

    @property
    def chosen(self) -> list[int] | None:
        """The ids; None for all."""
        return self.ids or None


class Redriven(BaseModel):
    """How many events run again; ids that were not parked are not counted."""

    redriven: int


class Discarded(BaseModel):
    """How many events were given up; ids that were not parked are not counted."""

    discarded: int


def inbox_router(service: str, inbox: Inbox) -> APIRouter:
    """The routes `/v1/inbox/…` over the service's inbox, for the scope `<service>:admin`."""
    router = APIRouter(
        prefix="/v1/inbox",
        route_class=GuardedRoute,
        tags=["inbox"],
        dependencies=[requires(f"{service}:admin")],
        responses=problems("unauthenticated", "forbidden"),
    )

    @router.get(
        "/events/{event_id}",
        summary="See what each receiver did with an event",
        responses=problems("not-found"),
    )
    async def show_event(
        event_id: Annotated[str, Path(), Line(MAX_HEADER_LENGTH)],
    ) -> EventInInbox:
        """Receivers that have not got it are left out; what is done is told for seven days."""
        found = await inbox.handlings.of(event_id)
        if not found:
            raise ProblemError("not-found", "No receiver has got an event with this id.")
        receivers = [EventAtReceiver.model_validate(each) for each in found]
        return EventInInbox(event_id=event_id, receivers=receivers)

    @router.get("/failing", summary="List events that failed and run again by themselves")
    async def list_failing(limit: Limit = PAGE) -> FailingEvents:
        """Those that failed most often come first. What has failed too often is parked."""
        found = await inbox.handlings.failing(limit)
        return FailingEvents(items=[FailingEvent.model_validate(each) for each in found])

    @router.get("/parked", summary="List parked events")
    async def list_parked(
        limit: Limit = PAGE,
        after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
    ) -> ParkedEvents:
        found = await inbox.parked.page(limit=limit + 1, after=after)
        return ParkedEvents(
            items=[ParkedEvent.model_validate(each) for each in found[:limit]],
            next=found[limit - 1].id if len(found) > limit else None,
        )

    @router.get("/parked/{id}", summary="Look at one parked event", responses=problems("not-found"))
    async def show_parked(
        id: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    ) -> ParkedEventInFull:
        found = await inbox.parked.show(id)
        if found is None:
            raise ProblemError("not-found", "No event is parked under this id.")
        return ParkedEventInFull.model_validate(found)

    @router.post("/redrive", summary="Let parked events run again", responses=problems("conflict"))
    async def redrive(selection: Selection) -> Redriven:
        try:
            return Redriven(redriven=await inbox.parked.redrive(selection.chosen))
        except NotWhole as error:
            raise ProblemError("conflict", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error

    @router.post("/discard", summary="Give parked events up")
    async def discard(selection: Selection) -> Discarded:
        return Discarded(discarded=await inbox.parked.discard(selection.chosen))

    return router
