"""Suppressions over REST: who is not written to, and why."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, status
from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.http import ProblemError, problems
from heliograph.web import PAGE, GuardedRoute, Limit, requires
from services.notifier.api.dependencies import Email, Reading, Transaction
from services.notifier.repositories.people import PeopleRepository, Reason

PERSON = r"^[0-9a-f]{64}$"

router = APIRouter(
    prefix="/v1/suppressions",
    route_class=GuardedRoute,
    tags=["people"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class SuppressionView(BaseModel):
    """An address that is not written to.

    `person` is the SHA-256 of the address, which alone is kept of somebody who was forgotten.
    `detail` is what the mail server or the provider said.
    """

    model_config = ConfigDict(from_attributes=True, title="Suppression")

    person: str
    email: str | None
    reason: Reason
    detail: str | None
    created_at: AwareDatetime


class Suppressions(BaseModel):
    """A page of suppressions, by `person`; `next` is the next page's `after`."""

    items: Sequence[SuppressionView]
    next: str | None


@router.get("", summary="List who is not written to")
async def list_suppressions(
    session: Reading,
    limit: Limit = PAGE,
    after: Annotated[str | None, Query(pattern=PERSON)] = None,
) -> Suppressions:
    """In an order that says nothing, but stays."""
    people = PeopleRepository(session)
    found = await people.suppressions(limit=limit + 1, after=after or "")
    return Suppressions(
        items=[SuppressionView.model_validate(each) for each in found[:limit]],
        next=found[limit - 1].person if len(found) > limit else None,
    )


# An address may have a slash.
@router.delete(
    "/{email:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Write to an address again",
    responses=problems("not-found", "unsubscribed"),
)
async def lift_suppression(email: Annotated[Email, Path()], session: Transaction) -> None:
    """Its subscriptions go on, and its bounces are counted anew.

    What its person ended stays so. Who was forgotten comes back by their own confirmation alone:
    409.
    """
    people = PeopleRepository(session)
    suppressed = await people.suppressed([email])
    if suppressed.get(email) == "forgotten":
        raise ProblemError("unsubscribed", "This person was forgotten: they come back themselves.")
    if not await people.lift(email):
        raise ProblemError("not-found", "There is no such suppression.")
