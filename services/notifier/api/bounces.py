"""Bounces over REST, for what hears of them from a mail provider."""

from typing import Annotated

from fastapi import APIRouter, status
from pydantic import Field

from heliograph.http import ProblemError, problems
from heliograph.payload import Payload
from heliograph.text import Line, Text
from heliograph.web import GuardedRoute, requires
from services.notifier.api.dependencies import Email, Transaction
from services.notifier.repositories.bounces import BounceKind, BounceRepository

# RFC 5322 2.1.1: the longest line.
LONGEST_MESSAGE_ID = 998
LONGEST_DETAIL = 2_000

_MESSAGE_ID = (
    "<019ac0de-0000-7000-8000-000000000001.019ac0de-0000-7000-8000-000000000002@shop.example>"
)

router = APIRouter(
    prefix="/v1/bounces",
    route_class=GuardedRoute,
    tags=["bounces"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class NewBounce(Payload):
    """What became of one of our emails, as the mail provider tells it.

    `hard`: there is no such recipient, or none any more. `soft`: not this time, or not this
    email. `complaint`: the recipient calls it spam. `message_id` is the email's header, with or
    without its angle brackets. Of `detail` the first 300 characters are kept, as one line.
    """

    email: Email
    kind: BounceKind
    message_id: Annotated[str, Line(LONGEST_MESSAGE_ID), Field(examples=[_MESSAGE_ID])]
    detail: Annotated[str, Text(LONGEST_DETAIL)] | None = None


@router.post(
    "",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Tell of an email that came back, or that somebody calls spam",
    responses=problems("not-found"),
)
async def report_bounce(new: NewBounce, session: Transaction) -> None:
    """Telling the same again changes nothing.

    Two emails that bounce hard, or one complaint, suppress the address. 404 if no email with
    that Message-ID was sent to that recipient: then nothing is kept.
    """
    outcome = await BounceRepository(session).record(
        email=new.email, kind=new.kind, message_id=new.message_id, detail=new.detail
    )
    if outcome == "foreign":
        raise ProblemError("not-found", "No email with this message_id was sent to this recipient.")
