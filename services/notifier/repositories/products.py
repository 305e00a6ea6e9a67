"""What the notifier keeps of products, so that an email can be looked at again."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import JSON, Insert, Text, cast, delete, select, type_coerce

import contracts
from heliograph import Event
from heliograph.database import Inserting, Session, database_now, inserting
from heliograph.money import to_minor
from services.notifier.models import Product, ProductPrice

# Of the snapshot its name alone: a snapshot can have megabytes.
_NAME = type_coerce(cast(Product.snapshot, JSON().with_variant(Text(), "sqlite")), JSON)["name"]


class ProductRepository:
    """Products as the newest of their events showed them.

    Receivers write here in their own transaction. Whichever of them hears of an event first, and
    however late or often the others do: what is older never overwrites what is newer.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def keep(self, event: Event[contracts.Product], *, gone: bool = False) -> None:
        """Take over what the event shows, unless a newer one has been heard of."""
        product = event.instance
        await self._session.execute(
            _newest(inserting(self._session)),
            {
                "id": product.id,
                "sequence": sequence_of(event),
                "event_id": event.id,
                "gone": gone,
                "currency": product.currency,
                "price_minor": minor(product),
                "snapshot": product.model_dump_json(),
            },
        )

    async def is_first_price(self, event: Event[contracts.Product]) -> bool:
        """Whether no price of the product was heard of before the event's, in any currency.

        It is kept, so that it is the first one once.
        """
        product = event.instance
        prices = select(ProductPrice.minor).where(ProductPrice.product_id == product.id)
        if await self._session.scalar(prices.limit(1)) is not None:
            return False
        await self._keep_price(product, sequence_of(event))
        return True

    async def price_before(self, event: Event[contracts.Product]) -> int | None:
        """The last price in the event's currency before it, in minor units; None if unknown.

        Also when another currency stood between. Takes over the prices that the event shows.
        """
        product, original = event.instance, event.original
        before = None
        if isinstance(original, contracts.Product):
            if original.currency == product.currency:
                before = minor(original)
            else:
                before = await self._last_price(product, sequence_of(event))
                # It stood until now. Its own event may be of the same change, or not heard of.
                await self._keep_price(original, sequence_of(event))
        if original is None or (original.price, original.currency) != (
            product.price,
            product.currency,
        ):
            await self._keep_price(product, sequence_of(event))
        return before

    async def _last_price(self, product: contracts.Product, sequence: str) -> int | None:
        return await self._session.scalar(
            select(ProductPrice.minor).where(
                ProductPrice.product_id == product.id,
                ProductPrice.currency == product.currency,
                ProductPrice.sequence < sequence,
            )
        )

    async def _keep_price(self, product: contracts.Product, sequence: str) -> None:
        price = minor(product)
        if price is None:
            return
        await self._session.execute(
            _last_price(inserting(self._session)),
            {
                "product_id": product.id,
                "currency": product.currency,
                "minor": price,
                "sequence": sequence,
            },
        )

    async def names(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The names of those of these products that have been heard of."""
        found = await self._session.execute(
            select(Product.id, _NAME.as_string()).where(Product.id.in_(ids))
        )
        return {product_id: name for product_id, name in found if name}

    async def prune(self, kept: timedelta, limit: int) -> int:
        """Forget up to `limit` products that are gone for longer than `kept`; return how many."""
        old = (
            select(Product.id)
            .where(Product.gone, Product.heard_at < database_now(-kept.total_seconds()))
            .order_by(Product.heard_at)
            .limit(limit)
        )
        gone = (
            await self._session.scalars(
                delete(Product).where(Product.id.in_(old)).returning(Product.id)
            )
        ).all()
        if gone:
            await self._session.execute(
                delete(ProductPrice).where(ProductPrice.product_id.in_(gone))
            )
        return len(gone)


@cache
def _newest(insert: Inserting) -> Insert:
    kept = insert(Product.__table__).values(heard_at=database_now())
    news = kept.excluded
    return kept.on_conflict_do_update(
        index_elements=["id"],
        set_={each.name: each for each in news if each.name != "id"},
        where=Product.sequence <= news.sequence,
    )


@cache
def _last_price(insert: Inserting) -> Insert:
    kept = insert(ProductPrice.__table__)
    news = kept.excluded
    return kept.on_conflict_do_update(
        index_elements=["product_id", "currency"],
        set_={"minor": news.minor, "sequence": news.sequence},
        where=ProductPrice.sequence <= news.sequence,
    )


def sequence_of(event: Event[contracts.Product]) -> str:
    """The place of the event among all of its product; sorts as text."""
    return event.sequence or f"{event.version or event.instance.version:012d}.0000"


def minor(product: contracts.Product) -> int | None:
    """The price in minor units; None if nobody knows those of its currency."""
    try:
        return to_minor(product.price, product.currency)
    except ValueError:
        return None
