"""People with digests, and what happened to products, for tests; times are seconds from now."""

import asyncio
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

import contracts
from heliograph.database import database_now
from heliograph.events import new_id
from heliograph.money import to_minor
from services.notifier.digests import DigestMaker
from services.notifier.models import Digest, Notification, Occasion, Product, Subscription
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier
from tests.samples import product

DAY = 86_400.0
HOUR = 3_600.0
DUE = -60.0
"""A digest that was due a minute ago."""

_WISH = ("product_id", "target_minor", "currency")


async def wish(notifier: Notifier, email: str, topic: Any = "new_product", **wanted: Any) -> UUID:
    """Somebody with a digest, as `wish_all` makes them; returns the subscription."""
    of = {name: wanted.pop(name) for name in _WISH if name in wanted}
    [id_] = await wish_all(notifier, Wish(email=email, topic=topic, **of), **wanted)
    return id_


async def wish_all(
    notifier: Notifier,
    *wanted: Wish,
    since: float = -DAY,
    due: float = DUE,
    frequency: str = "daily",
    time_zone: str | None = None,
) -> list[UUID]:
    """Subscriptions with a digest of what happened between these moments."""
    async with notifier.database.transaction() as session:
        repository = SubscriptionRepository(session)
        ids = [(await repository.add(each))[0].id for each in wanted]
        await session.execute(
            update(Subscription)
            .where(Subscription.id.in_(ids))
            .values(
                frequency=frequency,
                time_zone=time_zone,
                digested_until=database_now(since),
                digest_at=database_now(due),
            )
        )
    return ids


def costing(of: contracts.Product, price: str, currency: str = "EUR") -> contracts.Product:
    """The product at this price."""
    return of.model_copy(update={"price": Decimal(price), "currency": currency})


async def shown(notifier: Notifier, shows: contracts.Product, *, gone: bool = False) -> None:
    """Let the notifier know a product as it is now."""
    async with notifier.database.transaction() as session:
        await session.merge(
            Product(
                id=shows.id,
                sequence="1",
                event_id=new_id(),
                gone=gone,
                currency=shows.currency,
                price_minor=to_minor(shows.price, shows.currency),
                snapshot=shows.model_dump_json(),
                heard_at=shows.updated_at,
            )
        )


async def created(notifier: Notifier, at: float = -HOUR, **fields: Any) -> contracts.Product:
    """A product that was created then."""
    made = product(**fields)
    await shown(notifier, made)
    await _happened(notifier, made, "new_product", at, None, None)
    return made


async def lowered(
    notifier: Notifier, of: contracts.Product, old: str, new: str, at: float = -HOUR
) -> None:
    """Let its price have fallen then, as the last that was heard of it."""
    made = costing(of, new, of.currency)
    await shown(notifier, made)
    await _happened(
        notifier, made, "price_drop", at, *(to_minor(Decimal(x), of.currency) for x in (old, new))
    )


async def _happened(
    notifier: Notifier,
    made: contracts.Product,
    topic: Any,
    at: float,
    old: int | None,
    new: int | None,
) -> None:
    async with notifier.database.transaction() as session:
        session.add(
            Occasion(
                event_id=new_id(),
                topic=topic,
                product_id=made.id,
                currency=made.currency,
                old_minor=old,
                new_minor=new,
                happened_at=(await session.scalars(select(database_now(at)))).one(),
            )
        )


@dataclass(frozen=True)
class Told:
    """A digest as somebody gets it."""

    email: str
    items: list[UUID] = field(default_factory=list)
    old: list[int | None] = field(default_factory=list)
    more: int = 0


async def make(notifier: Notifier) -> None:
    """Make what is due, as a maker that has just started."""
    await DigestMaker(notifier.database, time_zone="UTC").make_due(asyncio.Event())


async def digests(notifier: Notifier) -> list[Told]:
    """What is in the ledger, the oldest first."""
    query = (
        select(Notification.email, Digest.facts)
        .join(Digest, Digest.id == Notification.event_id)
        .where(Notification.topic == "digest")
        .order_by(Notification.id)
    )
    async with notifier.database.reading() as session:
        found = (await session.execute(query)).all()
    told = []
    for email, text in found:
        facts = json.loads(text)
        items = facts["items"]
        told.append(
            Told(
                email,
                [UUID(each["product_id"]) for each in items],
                [each["old_minor"] for each in items],
                facts["more"],
            )
        )
    return told


async def made(notifier: Notifier) -> list[Told]:
    """Make what is due; returns all that is in the ledger."""
    await make(notifier)
    return await digests(notifier)


async def wishes(notifier: Notifier) -> list[Subscription]:
    async with notifier.database.reading() as session:
        return list(await session.scalars(select(Subscription).order_by(Subscription.id)))
