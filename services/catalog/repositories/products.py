"""Products: loading, saving, deleting."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import typing_extensions
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

import contracts
from heliograph import Signal
from heliograph.database import Session, one_of
from services.catalog.errors import Conflict, NotFound, PreconditionFailed, SkuTaken
from services.catalog.models import Product
from services.catalog.repositories.announcing import Announcer, flush, next_version, now
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.new_products import insert_bare, is_bare
from services.catalog.repositories.terms import terms
from services.catalog.repositories.views import ViewRepository
from services.catalog.snapshots import Snapshots

D = typing_extensions.TypeVar("D", default=None)

_WHOLE = (selectinload(Product.images), selectinload(Product.categories))
"""Loads what a snapshot shows. Not by a join: rows that are joined to one that has to be waited for
are, on PostgreSQL, those from before the wait."""

STEP = 1_000
"""Rows that a bulk write holds in memory at once."""


class ProductRepository:
    """The one way to products; every write sends its signals."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._snapshots = session.collaborators[Snapshots]
        self.announcer = Announcer(session, Product, self._snapshots.product)
        self._originals: dict[UUID, contracts.Product] = {}

    def snapshot(self, product: Product) -> contracts.Product:
        """Copy the product as the public sees it."""
        return self._snapshots.product(product)

    async def get(self, product_id: UUID) -> Product:
        """Load a product with its images and categories; raise `NotFound`."""
        return await self._load(product_id, lock=False)

    async def exists(self, product_id: UUID) -> bool:
        """Whether there is such a product now."""
        found = await self.session.scalar(select(Product.id).where(Product.id == product_id))
        return found is not None

    async def edit(self, product_id: UUID, *, version: int | None = None) -> Product:
        """Load a product to change it: nobody else can until the transaction ends.

        Raises `NotFound`, and `PreconditionFailed` if `version` is given and not current.
        """
        product = await self._load(product_id, lock=True)
        if version is not None and product.version != version:
            raise PreconditionFailed(
                f"the product has version {product.version}, not {version}: read it again"
            )
        self.remember(product)
        return product

    async def edit_many(self, product_ids: Collection[UUID]) -> dict[UUID, Product]:
        """Load products to change them, those that exist, by id.

        They are locked in the order of their ids, so that two that lock several never wait
        for each other in a circle.
        """
        return await self._edit_where(Product.id.in_(product_ids))

    async def edit_skus(self, skus: Collection[str]) -> dict[str, Product]:
        """Load products to change them, those that exist, by SKU."""
        found = await self._edit_where(Product.sku.in_(skus))
        return {product.sku: product for product in found.values()}

    async def following(self, after: UUID) -> list[Product]:
        """Read the next products behind that id, at most `STEP`, in the order of their ids."""
        query = select(Product).where(Product.id > after).order_by(Product.id).limit(STEP)
        return list(await self.session.scalars(query.options(*_WHOLE)))

    async def count(self) -> int:
        """How many products there are."""
        return await self.session.scalar(select(func.count()).select_from(Product)) or 0

    async def _edit_where(
        self, condition: ColumnElement[bool], limit: int | None = None
    ) -> dict[UUID, Product]:
        query = select(Product).where(condition).order_by(Product.id).limit(limit).options(*_WHOLE)
        found = await self.session.scalars(_locking(query))
        products = {product.id: product for product in found}
        self._originals |= {each.id: self.snapshot(each) for each in products.values()}
        return products

    def remember(self, product: Product) -> contracts.Product:
        """Take the product as it is now for the `original` of its next save."""
        snapshot = self._originals[product.id] = self.snapshot(product)
        return snapshot

    async def _load(self, product_id: UUID, *, lock: bool) -> Product:
        product = await self.session.scalar(_LOCKED if lock else _ONE, {"id": product_id})
        if product is None:
            raise NotFound(f"there is no product {product_id}")
        return product

    async def save(self, product: Product) -> contracts.Product:
        """Insert a new product or update one from `edit`; return it as the public sees it.

        A save that changes nothing writes nothing and announces nothing. Raises `Conflict`
        if another product has the SKU.
        """
        [saved] = await self.save_many([product])
        return saved

    async def save_many(self, products: Sequence[Product]) -> list[contracts.Product]:
        """Save as `save` does, all or nothing, at the price of a few statements."""
        moment = now()
        drafts = [self._draft(product, moment) for product in products]
        skus = [product.sku for product in products]  # a failed flush expires its rows
        if len(products) > 1:
            # The constraint names none of them.
            clashing = await self.clashing(products)
            for sku in skus:
                if sku in clashing:
                    raise SkuTaken(sku)
        try:
            async with self.announcer.saving(drafts) as snapshots:
                changed = []
                for (product, original, _), snapshot in zip(drafts, snapshots, strict=True):
                    if snapshot is original:
                        product.version, product.updated_at = original.version, original.updated_at
                    else:
                        changed.append(product)
                if changed:
                    await self._write(changed)
        except IntegrityError as error:
            if len(skus) > 1:
                raise Conflict("one of the SKUs is taken by now") from error
            raise SkuTaken(skus[0]) from error
        self._originals |= {each.id: each for each in snapshots}
        return snapshots

    def _draft(
        self, product: Product, moment: datetime
    ) -> tuple[Product, contracts.Product | None, int]:
        original = self._originals.get(product.id)
        product.updated_at = moment
        if original is None:
            product.created_at = moment
        current = 0 if original is None else product.version
        product.version = version = next_version(self.session, product.id, current)
        return product, original, version

    async def _write(self, products: Sequence[Product]) -> None:
        stored: dict[Product, str] = {}
        bare: list[Product] = []
        others: list[Product] = []
        for each in products:
            original = self._originals.get(each.id)
            if original is None or _searched(original) != _searched(each):
                each.search_terms = terms(*_searched(each))
            if original is not None:
                stored[each] = original.sku
            else:
                (bare if is_bare(each) else others).append(each)
        # A stored one may give up the SKU that a new one takes.
        await self._update_stored(stored)
        if others:
            self.session.add_all(others)
            await flush(self.session, others)
        if bare:
            await insert_bare(self.session, bare)

    async def _update_stored(self, before: Mapping[Product, str]) -> None:
        """Write products, each with the SKU it had, so that one is given up before it is taken.

        The flush itself goes by their ids. Raises `Conflict` for a swap.
        """
        holders = {sku: product for product, sku in before.items()}
        wanted = {each: each.sku for each in before if holders.get(each.sku, each) is not each}
        for each in wanted:
            each.sku = before[each]
        await flush(self.session, before)
        while wanted:
            held = {before[each] for each in wanted}
            free = [each for each, sku in wanted.items() if sku not in held]
            if not free:
                raise Conflict(f"products swap the SKUs {', '.join(sorted(held))}")
            for each in free:
                each.sku = wanted.pop(each)
            await flush(self.session, free)

    async def clashing(self, products: Sequence[Product]) -> set[str]:
        """The SKUs that several of these products have, or that others in the catalog have."""
        uses = Counter(product.sku for product in products)
        ids = {product.id for product in products}
        owners = await self.session.execute(
            select(Product.sku, Product.id).where(one_of(Product.sku.expression, uses))
        )
        repeated = {sku for sku, count in uses.items() if count > 1}
        return repeated | {sku for sku, owner in owners if owner not in ids}

    async def announce(
        self, signal: Signal[D], product: Product, data: D | None = None
    ) -> contracts.Product:
        """Announce a signal of one's own about a product from `edit`, with what it carries.

        It counts as a change: the product gets its next version. Raises `CannotAnnounce`, and
        `TypeError` or `ValueError` for data that are not the signal's.
        """
        snapshot = await self.announcer.announce(signal, product, data, of=product)
        self._originals[product.id] = snapshot
        return snapshot

    async def update_where(
        self, condition: ColumnElement[bool], change: Callable[[Product], None]
    ) -> int:
        """Apply `change` to every product that meets the condition, with signals for each row.

        Returns how many products there were. Loads them in steps of 1,000 rows; the events are
        held until the commit.
        """
        return await self._in_steps(condition, partial(self._update, change))

    async def delete_where(self, condition: ColumnElement[bool]) -> int:
        """Delete every product that meets the condition, with signals for each row."""
        return await self._in_steps(condition, self.delete_many)

    async def _in_steps(
        self,
        condition: ColumnElement[bool],
        work: Callable[[Sequence[Product]], Awaitable[object]],
    ) -> int:
        count, last = 0, UUID(int=0)
        while True:
            step = await self._edit_where(and_(condition, Product.id > last), STEP)
            if not step:
                return count
            await work(tuple(step.values()))
            count, last = count + len(step), max(step)

    async def _update(self, change: Callable[[Product], None], products: Sequence[Product]) -> None:
        for product in products:
            change(product)
        await self.save_many(products)

    async def delete(self, product: Product) -> None:
        """Delete a product from `edit`, after its images, which announce that they go with it."""
        await self.delete_many([product])

    async def delete_many(self, products: Sequence[Product]) -> None:
        """Delete as `delete` does, at the price of a few statements."""
        drafts = [(each, next_version(self.session, each.id, each.version)) for each in products]
        await ImageRepository(self.session).delete_all(drafts)
        async with self.announcer.deleting(drafts):
            await self.session.delete_all(products)
            await flush(self.session, products)
        await ViewRepository(self.session).keep_counts([each.id for each in products])
        for product in products:
            self._originals.pop(product.id, None)


def _locking(query: Select[Product]) -> Select[Product]:
    return query.with_for_update().execution_options(populate_existing=True)


# Made once: to make one costs as much as to run it.
_ONE = select(Product).where(Product.id == bindparam("id")).options(*_WHOLE)
_LOCKED = _locking(_ONE)


def _searched(product: Product | contracts.Product) -> tuple[str, str, str]:
    return product.name, product.sku, product.description
