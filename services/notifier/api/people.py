"""People over REST: what is known of somebody, and how it is forgotten."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, status
from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts import Price
from heliograph.http import ProblemError, problems
from heliograph.web import GuardedRoute, requires
from services.notifier.api.dependencies import Email, Reading, Transaction
from services.notifier.api.notifications import NotificationView
from services.notifier.api.subscriptions import SubscriptionView
from services.notifier.api.suppressions import SuppressionView
from services.notifier.models import Frequency, Topic
from services.notifier.repositories.remembered import RememberedRepository

router = APIRouter(
    prefix="/v1/people",
    route_class=GuardedRoute,
    tags=["people"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class PersonsSubscription(SubscriptionView):
    """A subscription, also one that its person ended."""

    model_config = ConfigDict(title="PersonsSubscription")

    ended: bool


class RequestView(BaseModel):
    """A wish that somebody uttered for this address; `confirmed_at` says when it was confirmed."""

    model_config = ConfigDict(from_attributes=True, title="Request")

    id: UUID
    topic: Topic
    product_id: UUID | None
    target_price: Price | None
    currency: str | None
    frequency: Frequency
    locale: str | None
    time_zone: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    confirmed_at: AwareDatetime | None


class RefusalView(BaseModel):
    """What the person ended: `all`, a topic, or one wish."""

    model_config = ConfigDict(from_attributes=True, title="Refusal")

    scope: str
    created_at: AwareDatetime


class Bounces(BaseModel):
    """How many emails came back for good, how many for a while, and how many were called spam."""

    hard: int = 0
    soft: int = 0
    complaint: int = 0


class Emails(BaseModel):
    """The person's emails in the ledger: how many, and the last ones, the newest first."""

    count: int
    last: Sequence[NotificationView]


class Person(BaseModel):
    """All that is kept of one person."""

    email: str
    subscriptions: Sequence[PersonsSubscription]
    requests: Sequence[RequestView]
    refusals: Sequence[RefusalView]
    suppression: SuppressionView | None
    bounces: Bounces
    emails: Emails


# An address may have a slash.
@router.get(
    "/{email:path}", summary="Show what is known of somebody", responses=problems("not-found")
)
async def show_person(email: Annotated[Email, Path()], session: Reading) -> Person:
    """404 if nothing at all is known. Of who was forgotten that much is known, by a hash."""
    found = await RememberedRepository(session).of(email)
    if not found:
        raise ProblemError("not-found", "Nothing is known of this address.")
    return Person(
        email=email,
        subscriptions=[PersonsSubscription.model_validate(each) for each in found.subscriptions],
        requests=[RequestView.model_validate(each) for each in found.requests],
        refusals=[RefusalView.model_validate(each) for each in found.refusals],
        suppression=found.suppression and SuppressionView.model_validate(found.suppression),
        bounces=Bounces.model_validate(found.bounces),
        emails=Emails(
            count=found.email_count,
            last=[NotificationView.model_validate(each) for each in found.last_emails],
        ),
    )


@router.delete("/{email:path}", status_code=status.HTTP_204_NO_CONTENT, summary="Forget somebody")
async def forget_person(email: Annotated[Email, Path()], session: Transaction) -> None:
    """Subscriptions, requests and tokens go, and the address in the ledger. Doing it again is fine.

    What waits is not sent. A hash of the address stays: nobody else can subscribe them again (409
    `unsubscribed`), they themselves can, by asking and confirming.
    """
    await RememberedRepository(session).forget(email)
