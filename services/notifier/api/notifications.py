"""The ledger over REST: who was sent what for which event."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from heliograph.http import ProblemError, problems
from heliograph.web import PAGE, GuardedRoute, Limit, requires, service_of
from services.notifier.api.dependencies import LARGEST_ID, Email, Reading
from services.notifier.mail.errors import MailRefused
from services.notifier.models import Kind, State
from services.notifier.repositories.ledger import LedgerRepository, Order
from services.notifier.service import Notifier

RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]

router = APIRouter(
    prefix="/v1/notifications",
    route_class=GuardedRoute,
    tags=["notifications"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class NotificationView(BaseModel):
    """What one person is to be told, and what became of it.

    `reason` says why the last attempt failed, what it waits for, or why it was cancelled. With
    `told_by` the email of that row tells this too. `event_id` of a digest or a confirmation is
    its own.
    """

    model_config = ConfigDict(from_attributes=True, title="Notification")

    id: int
    event_id: UUID
    subscription_id: UUID
    email: str
    topic: Kind
    state: State
    attempts: int
    reason: str | None
    product_id: UUID | None
    told_by: int | None
    waits_until: AwareDatetime | None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None


class NotificationDetails(NotificationView):
    """A row of the ledger with what the mail servers know of its email.

    `message_id` is that of the email that tells it, null before the first attempt; `answer` is
    what the mail server said as it took the email.
    """

    model_config = ConfigDict(title="NotificationDetails")

    message_id: str | None
    answer: str | None


class EmailContent(BaseModel):
    """An email as its recipient reads it; secrets in its links that have ended are left out.

    `sent` is true if it went out so, or may have; false if it would be so now.
    """

    subject: str
    text: str
    html: str
    sent: bool


class Notifications(BaseModel):
    """A page of the ledger; `next` is the next page's `after`."""

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
    order: Order = "oldest",
) -> Notifications:
    """All filters that are given apply; without any it is the whole ledger.

    `order` says which come first, and `after` which row a page is behind in that order.
    """
    found = await LedgerRepository(session).list(
        limit=limit + 1, after=after, event_id=event_id, email=email, state=state, order=order
    )
    return Notifications(
        items=[NotificationView.model_validate(each) for each in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )


@router.get("/{id}", summary="Read a row of the ledger", responses=problems("not-found"))
async def show_notification(session: Reading, id: RowId) -> NotificationDetails:
    """With the Message-ID of its email, and what the mail server answered."""
    repository = LedgerRepository(session)
    found = await repository.get(id)
    if found is None:
        raise _not_found()
    lead = found if found.told_by is None else await repository.get(found.told_by)
    return NotificationDetails(
        **NotificationView.model_validate(found).model_dump(),
        message_id=lead and await repository.message_id(lead),
        answer=lead and lead.answer,
    )


@router.get("/{id}/content", summary="Read an email", responses=problems("not-found"))
async def show_content(session: Reading, id: RowId, request: Request) -> EmailContent:
    """The email as it was sent; of one that waits, as it would be sent when it is due.

    What was cancelled, or is told by an email that was, has none.
    """
    claims = service_of(request, Notifier).claims
    try:
        found = await claims.content(session, id)
    except (MailRefused, ValidationError) as error:
        raise _not_found("This email cannot be composed.") from error
    if found is None:
        raise _not_found("There is no such email: nothing was sent, nor will be.")
    letter, addressee, sent = found
    content = letter.preview(addressee)
    return EmailContent(subject=content.subject, text=content.text, html=content.html, sent=sent)


def _not_found(detail: str = "There is no such row.") -> ProblemError:
    return ProblemError("not-found", detail)
