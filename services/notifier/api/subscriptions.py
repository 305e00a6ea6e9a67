"""Subscriptions over REST, for those who may subscribe others."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts import Price
from heliograph.http import ProblemError, problems
from heliograph.money import to_minor
from heliograph.payload import Payload
from heliograph.web import PAGE, GuardedRoute, Limit, requires, service_of
from services.notifier.api.dependencies import Email, Locale, Reading, TimeZone, Transaction
from services.notifier.models import Frequency, Topic
from services.notifier.repositories.people import PeopleRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.service import Notifier
from services.notifier.wishes import Delivery, Wish

PRICE = r"^[0-9]{1,15}(\.[0-9]{1,4})?$"
CURRENCY = r"^[A-Z]{3}$"

router = APIRouter(
    prefix="/v1/subscriptions",
    route_class=GuardedRoute,
    tags=["subscriptions"],
    dependencies=[requires("notifier:admin")],
    responses=problems("unauthenticated", "forbidden"),
)


class NewSubscription(Payload):
    """Who wants to be told of what, and how.

    A price drop may be of one product or of any; a target price needs a product and a
    currency, and is reached once the price falls from above it to it or below, or if it is there
    already. `frequency` is `instant` unless it is said; `daily` and `weekly` digests come at nine
    in the person's time zone, weekly on Mondays.
    """

    email: Email
    topic: Topic
    product_id: UUID | None = None
    target_price: Annotated[str, Field(pattern=PRICE, examples=["14.99"])] | None = None
    currency: Annotated[str, Field(pattern=CURRENCY, examples=["EUR"])] | None = None
    frequency: Frequency | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.topic == "new_product" and self.product_id is not None:
            raise ValueError("product_id is for the topic price_drop: a new product has none yet")
        if self.target_price is None:
            if self.currency is not None:
                raise ValueError("currency is that of target_price, which is missing")
        elif self.product_id is None or self.currency is None:
            raise ValueError("target_price needs product_id and currency")
        elif self.wish().target_minor == 0:
            raise ValueError("target_price must be more than 0")
        return self

    def wish(self) -> Wish:
        """Raises ValueError if the target is not an amount of its currency."""
        target = None
        if self.target_price is not None and self.currency is not None:
            target = to_minor(Decimal(self.target_price), self.currency)
        return Wish(
            email=self.email,
            topic=self.topic,
            product_id=self.product_id,
            target_minor=target,
            currency=self.currency,
        )

    def delivery(self) -> Delivery:
        return Delivery(frequency=self.frequency, locale=self.locale, time_zone=self.time_zone)


class SubscriptionView(BaseModel):
    """A subscription; without its token, which only the subscriber is sent.

    Where `locale` and `time_zone` are null, those of the service hold. `digest_at` is when the next
    digest is due; it is sent only if there is something to tell.
    """

    model_config = ConfigDict(from_attributes=True, title="Subscription")

    id: UUID
    email: str
    topic: Topic
    product_id: UUID | None
    target_price: Price | None
    currency: str | None
    frequency: Frequency
    locale: str | None
    time_zone: str | None
    digest_at: AwareDatetime | None
    created_at: AwareDatetime


class Subscriptions(BaseModel):
    """A page of subscriptions, the oldest first; `next` is the next page's `after`."""

    items: Sequence[SubscriptionView]
    next: UUID | None


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Subscribe somebody",
    responses={
        **problems("unsubscribed"),
        200: {"model": SubscriptionView, "description": "The same subscription exists."},
        201: {
            "headers": {
                "Location": {"description": "Path of the new one.", "schema": {"type": "string"}}
            }
        },
    },
)
async def subscribe(
    new: NewSubscription, session: Transaction, request: Request, response: Response
) -> SubscriptionView:
    """The same wish of the same address is kept once.

    How somebody is told is no part of the wish: of a subscription that exists, `frequency`,
    `locale` and `time_zone` are changed to what is given, and stay where nothing is.

    409 if the person ended this subscription, its topic, or all emails, and if nothing is sent to
    the address: `detail` says which. They come back by their own confirmation alone.
    """
    wish = new.wish()
    if objection := await PeopleRepository(session).objection(wish):
        raise ProblemError("unsubscribed", objection)
    repository = SubscriptionRepository(session, time_zone=service_of(request, Notifier).time_zone)
    subscription, is_new = await repository.add(wish, new.delivery())
    if is_new:
        location = request.app.url_path_for("show_subscription", id=subscription.id)
        response.headers["Location"] = location
    else:
        response.status_code = status.HTTP_200_OK
    return SubscriptionView.model_validate(subscription)


@router.get("", summary="List subscriptions")
async def list_subscriptions(
    session: Reading,
    limit: Limit = PAGE,
    after: UUID | None = None,
    email: Annotated[Email | None, Query()] = None,
    topic: Topic | None = None,
) -> Subscriptions:
    """Those that have ended are not among them."""
    found = await SubscriptionRepository(session).list(
        limit=limit + 1, after=after, email=email, topic=topic
    )
    return Subscriptions(
        items=[SubscriptionView.model_validate(each) for each in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )


@router.get("/{id}", summary="Read a subscription", responses=problems("not-found"))
async def show_subscription(id: UUID, session: Reading) -> SubscriptionView:
    """One that has ended is not found."""
    subscription = await SubscriptionRepository(session).get(id)
    if subscription is None:
        raise _not_found()
    return SubscriptionView.model_validate(subscription)


@router.delete(
    "/{id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="End a subscription; its emails that wait are not sent",
    responses=problems("not-found"),
)
async def delete_subscription(id: UUID, session: Transaction) -> None:
    """Forgets the address; the ledger still tells what was sent to it."""
    if not await SubscriptionRepository(session).delete(id):
        raise _not_found()


def _not_found() -> ProblemError:
    return ProblemError("not-found", "There is no such subscription.")
