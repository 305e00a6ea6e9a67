"""Categories, and which products stand in them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.catalog.errors import Conflict, NotFound, UnknownCategory
from services.catalog.models import Category, Product, product_category
from services.catalog.repositories.announcing import AnnouncingRepository, next_version, now
from services.catalog.repositories.products import ProductRepository
from shared import contracts
from shared.database import Session
from shared.events import new_id
from shared.signals import m2m_changed


class CategoryRepository(AnnouncingRepository[Category, contracts.Category]):
    """The one way to categories; every write sends its signals."""

    model = Category

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._originals: dict[UUID, contracts.Category] = {}

    def snapshot(self, instance: Category) -> contracts.Category:
        return self.snapshots.category(instance)

    def unmark(self, instance: Category, original: contracts.Category) -> None:
        instance.version, instance.updated_at = original.version, original.updated_at

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
        try:
            await self._save_all([(category, original, category.version)])
        except IntegrityError as error:
            raise Conflict(f"another category has the slug {category.slug}") from error
        snapshot = self.snapshot(category)
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
            await self._delete_all([(category, version)])
        except IntegrityError as error:
            raise in_use from error


class ProductCategories:
    """The relation between products and categories: `m2m_changed`, as Django sends it.

    Each call takes products from `ProductRepository.edit`, and is silent when it changes
    nothing. Unlike in Django the sender is the product's model, not the relation's table.
    """

    def __init__(self, products: ProductRepository) -> None:
        self.session = products.session
        self._products = products

    async def add(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Add the product to categories; raise `UnknownCategory` for one that is not there.

        `pk_set` holds those in which it did not stand yet.
        """
        new = set(category_ids) - {each.id for each in product.categories}
        if new:
            categories = await self._find(new)
            await self._change(product, "add", new, lambda: product.categories.extend(categories))

    async def remove(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Take the product out of categories; `pk_set` holds all that were given."""
        given = set(category_ids)
        kept = [each for each in product.categories if each.id not in given]
        if len(kept) < len(product.categories):
            await self._change(product, "remove", given, lambda: self._replace(product, kept))

    async def clear(self, product: Product) -> None:
        """Take the product out of all its categories; `pk_set` is None."""
        if product.categories:
            await self._change(product, "clear", None, lambda: self._replace(product, []))

    async def set(self, product: Product, category_ids: Collection[UUID]) -> None:
        """Let the product stand in exactly these: remove, then add."""
        wanted = set(category_ids)
        await self._find(wanted - {each.id for each in product.categories})
        await self.remove(product, {each.id for each in product.categories} - wanted)
        await self.add(product, wanted)

    async def _find(self, category_ids: Collection[UUID]) -> Sequence[Category]:
        found = (
            await self.session.scalars(
                select(Category)
                .where(Category.id.in_(category_ids))
                .order_by(Category.id)
                # Against a deletion meanwhile; any number of products may be added at once.
                .with_for_update(read=True, key_share=True)
            )
        ).all()
        missing = sorted(set(category_ids) - {each.id for each in found})
        if missing:
            raise UnknownCategory(missing[0])
        return found

    @staticmethod
    def _replace(product: Product, categories: list[Category]) -> None:
        product.categories = categories

    async def _change(
        self,
        product: Product,
        verb: str,
        pk_set: Collection[UUID] | None,
        apply: Callable[[], None],
    ) -> None:
        version = next_version(self.session, product.id, product.version)
        event = self._products.event(
            product,
            version,
            action=f"pre_{verb}",
            field="categories",
            pk_set=None if pk_set is None else frozenset(pk_set),
        )
        await m2m_changed.send(event, self.session.within)
        apply()
        product.categories.sort(key=lambda category: category.id)
        product.version, product.updated_at = version, now()
        self.session.announce(product)
        await self.session.flush()
        snapshot = self._products.remember(product)
        await m2m_changed.send(
            replace(event, id=new_id(), action=f"post_{verb}", snapshot=snapshot),
            self.session.within,
        )
