"""The ledger over REST: who was sent what for which event."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.http import problems
from heliograph.web import PAGE, GuardedRoute, Limit, requires
from services.notifier.api.dependencies import LARGEST_ID, Email, Reading
from services.notifier.models import Kind, State
from services.notifier.repositories.notifications import NotificationRepository

router = APIRouter(
    prefix="/v1/notifications",
    route_class=GuardedRoute,
    tags=["notifications"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class NotificationView(BaseModel):
    """An email and what became of it; `reason` says why its last attempt failed."""

    model_config = ConfigDict(from_attributes=True, title="Notification")

    id: int
    event_id: UUID
    subscription_id: UUID
    email: str
    topic: Kind
    state: State
    attempts: int
    reason: str | None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None


class Notifications(BaseModel):
    """A page of the ledger, the oldest first; `next` is the next page's `after`."""

    items: Sequence[NotificationView]
    next: int | None


@router.get("", summary="Read the ledger of emails")
async def list_notifications(
    session: Reading,
    limit: Limit = PAGE,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
    event_id: UUID | None = None,
    email: Annotated[Email | None, Query()] = None,
    state: State | None = None,
) -> Notifications:
    """All filters that are given apply; without any it is the whole ledger."""
    found = await NotificationRepository(session).list(
        limit=limit + 1, after=after, event_id=event_id, email=email, state=state
    )
    return Notifications(
        items=[NotificationView.model_validate(each) for each in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )
