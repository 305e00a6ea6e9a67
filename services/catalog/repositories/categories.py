"""Categories, and which products stand in them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import typing_extensions
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

import contracts
from heliograph import Event, Signal, m2m_changed
from heliograph.database import Session, one_of
from heliograph.events import new_id
from services.catalog.errors import Conflict, NotFound, UnknownCategory
from services.catalog.models import MOST_CATEGORIES, Category, Product, product_category
from services.catalog.repositories.announcing import Announcer, flush, next_version, now
from services.catalog.repositories.products import ProductRepository
from services.catalog.snapshots import Snapshots

D = typing_extensions.TypeVar("D", default=None)

IDS_AT_ONCE = 10_000
"""In one statement; PostgreSQL takes 32,767 values, a batch of products may name 100,000 ids."""


class CategoryRepository:
    """The one way to categories; every write sends its signals."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshots = session.collaborators[Snapshots]
        self._announcer = Announcer(session, Category, self.snapshots.category)
        self._originals: dict[UUID, contracts.Category] = {}

    def snapshot(self, category: Category) -> contracts.Category:
        """Copy the category as the public sees it."""
        return self.snapshots.category(category)

    async def get(self, category_id: UUID) -> Category:
        """Load a category; raise `NotFound`."""
        category = await self.session.get(Category, category_id)
        if category is None:
            raise NotFound(f"there is no category {category_id}")
        return category

    async def page(self, *, limit: int, after: UUID | None = None) -> list[Category]:
        """List categories by id, beginning behind `after`."""
        query = select(Category).order_by(Category.id).limit(limit)
        if after is not None:
            query = query.where(Category.id > after)
        return list(await self.session.scalars(query))

    async def by_slug(self, slugs: Collection[str]) -> dict[str, UUID]:
        """Find the ids of categories by their slugs, those that exist."""
        query = select(Category.slug, Category.id).where(one_of(Category.slug.expression, slugs))
        return dict((await self.session.execute(query)).all())

    async def edit(self, category_id: UUID) -> Category:
        """Load a category to change it: nobody else can until the transaction ends."""
        category = await self.session.get(
            Category, category_id, with_for_update=True, populate_existing=True
        )
        if category is None:
            raise NotFound(f"there is no category {category_id}")
        self._originals[category.id] = self.snapshot(category)
        return category

    async def save(self, category: Category) -> contracts.Category:
        """Insert a new category or update one from `edit`; raise `Conflict` for a taken slug."""
        original = self._originals.get(category.id)
        category.updated_at = now()
        if original is None:
            category.created_at, category.version = category.updated_at, 0
        category.version = next_version(self.session, category.id, category.version)
        slug = category.slug  # a failed flush expires its rows
        draft = (category, original, category.version)
        try:
            async with self._announcer.saving([draft]) as snapshots:
                [snapshot] = snapshots
                if snapshot is original:
                    category.version, category.updated_at = original.version, original.updated_at
                else:
                    self.session.add(category)
                    await flush(self.session, [category])
        except IntegrityError as error:
            raise Conflict(f"another category has the slug {slug}") from error
        self._originals[category.id] = snapshot
        return snapshot

    async def announce(
        self, signal: Signal[D], category: Category, data: D | None = None
    ) -> contracts.Category:
        """Announce a signal of one's own about a category, as `ProductRepository.announce` does."""
        snapshot = await self._announcer.announce(signal, category, data, of=category)
        self._originals[category.id] = snapshot
        return snapshot

    async def delete(self, category: Category) -> None:
        """Delete a category from `edit`; raise `Conflict` while products stand in it."""
        used = select(product_category.c.product_id).where(
            product_category.c.category_id == category.id
        )
        in_use = Conflict(f"products stand in the category {category.name}: take them out first")
        if await self.session.scalar(used.limit(1)) is not None:
            raise in_use
        version = next_version(self.session, category.id, category.version)
        try:
            async with self._announcer.deleting([(category, version)]):
                await self.session.delete(category)
                await flush(self.session, [category])
        except IntegrityError as error:
            raise in_use from error


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of one product's categories; `pk_set` as the signal tells it."""

    product: Product
    pk_set: frozenset[UUID] | None
    after: list[Category]


class ProductCategories:
    """The relation between products and categories: `m2m_changed`, as Django sends it.

    Each call takes products from `ProductRepository.edit`, and is silent when it changes
    nothing. Unlike in Django the sender is the product's model, not the relation's table.
    """

    def __init__(self, products: ProductRepository) -> None:
        self.session = products.session
        self._products = products

    async def add(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Add the product to categories; raise `UnknownCategory` for those that are not there.

        Raises `Conflict` beyond `MOST_CATEGORIES`, as all of these do that add. `pk_set` holds
        those in which it did not stand yet.
        """
        new = frozenset(category_ids) - _ids(product)
        await self._change("add", [_with(product, new, await self.find(new))])

    async def remove(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Take the product out of categories; `pk_set` holds all that were given."""
        await self._change("remove", [_without(product, frozenset(category_ids))])

    async def clear(self, product: Product) -> None:
        """Take the product out of all its categories; `pk_set` is None."""
        await self._change("clear", [_Change(product, None, [])])

    async def set(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Let the product stand in exactly these: remove, then add."""
        await self.set_many([(product, category_ids)])

    async def set_many(self, wanted: Iterable[tuple[Product, Collection[UUID]]]) -> None:
        """Set the categories of each product as `set` does, at the price of a few statements."""
        both = [(product, _ids(product), frozenset(ids)) for product, ids in wanted]
        found = await self.find({id_ for _, old, new in both for id_ in new - old})
        await self._change("remove", [_without(product, old - new) for product, old, new in both])
        await self._change("add", [_with(product, new - old, found) for product, old, new in both])

    async def find(self, category_ids: Collection[UUID]) -> dict[UUID, Category]:
        """Load categories, which nobody can delete until the transaction ends, by id.

        Raises `UnknownCategory` naming all that are not there.
        """
        categories: dict[UUID, Category] = {}
        ordered = sorted(category_ids)
        for start in range(0, len(ordered), IDS_AT_ONCE):
            found = await self.session.scalars(
                select(Category)
                .where(Category.id.in_(ordered[start : start + IDS_AT_ONCE]))
                .order_by(Category.id)
                # Against a deletion meanwhile; any number of products may be added at once.
                .with_for_update(read=True, key_share=True)
            )
            categories |= {each.id: each for each in found}
        missing = set(category_ids) - categories.keys()
        if missing:
            raise UnknownCategory(missing)
        return categories

    async def _change(self, verb: str, changes: Sequence[_Change]) -> None:
        events = [
            (each, self._event(verb, each))
            for each in changes
            if len(each.after) != len(each.product.categories)
        ]
        if not events:
            return
        for each, _ in events:
            # What stands in more since an earlier release may stay, and leave.
            if len(each.after) > max(MOST_CATEGORIES, len(each.product.categories)):
                raise Conflict(f"a product can stand in at most {MOST_CATEGORIES} categories")
        for _, event in events:
            await m2m_changed.send(event, self.session.collaborators)
        moment = now()
        for change, _ in events:
            product = change.product
            product.categories = sorted(change.after, key=lambda category: category.id)
            product.version = next_version(self.session, product.id, product.version)
            product.updated_at = moment
        await flush(self.session, [change.product for change, _ in events])
        for change, event in events:
            snapshot = self._products.remember(change.product)
            after = replace(event, id=new_id(), action=f"post_{verb}", snapshot=snapshot)
            await m2m_changed.send(after, self.session.collaborators)
            self.session.check_unaltered(after)

    def _event(self, verb: str, change: _Change) -> Event[Product]:
        product = change.product
        return self._products.announcer.event(
            product,
            self._products.snapshot(product),
            next_version(self.session, product.id, product.version),
            action=f"pre_{verb}",
            field="categories",
            pk_set=change.pk_set,
            reverse=False,
            model=Category,
        )


def _ids(product: Product) -> frozenset[UUID]:
    return frozenset(category.id for category in product.categories)


def _with(product: Product, new: frozenset[UUID], found: Mapping[UUID, Category]) -> _Change:
    return _Change(product, new, [*product.categories, *(found[id_] for id_ in new)])


def _without(product: Product, gone: frozenset[UUID]) -> _Change:
    return _Change(product, gone, [each for each in product.categories if each.id not in gone])
