"""Reading products as the public sees them, from columns: of objects most would be thrown away."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, literal_column, select

import contracts
from heliograph.database import Database, Session, one_of, query_for
from services.catalog.errors import NotFound
from services.catalog.models import Base, Image, Product, product_category
from services.catalog.repositories.listing import Listing
from services.catalog.repositories.search import search
from services.catalog.snapshots import Snapshots

# As one text: joined like the images, each category would repeat all of them.
_CATEGORIES = (
    select(
        func.aggregate_strings(
            cast(product_category.c.category_id, Text),
            literal_column("','"),  # type: ignore[arg-type]  # declared as text only
        )
    )
    .where(product_category.c.product_id == Product.id)
    .scalar_subquery()
)
_TABLES = Base.metadata.tables
_OF_PRODUCT = tuple(each for each in _TABLES["product"].columns if each.key != "search_terms")
_OF_IMAGE = tuple(_TABLES["image"].columns)
_PRODUCTS = select(_CATEGORIES, *_OF_PRODUCT)
_IMAGES = select(*_OF_IMAGE).order_by(Image.position, Image.id)
_PRODUCT = (
    select(_CATEGORIES, *_OF_PRODUCT, *_OF_IMAGE)
    .select_from(_TABLES["product"].outerjoin(_TABLES["image"]))
    .where(Product.id == bindparam("id"))
    .order_by(Image.position, Image.id)
)
_PRODUCT_KEYS = [column.key for column in _OF_PRODUCT]
_IMAGE_KEYS = [column.key for column in _OF_IMAGE]
_IMAGE = 1 + len(_OF_PRODUCT)
"""Where the columns of an image begin."""
_ID, _OF = _TABLES["product"].columns["id"], _TABLES["image"].columns["product_id"]
_PLACE_OF_ID = 1 + _PRODUCT_KEYS.index(_ID.key)


class ProductReader:
    """Reads products that nobody is about to change."""

    def __init__(self, database: Database, snapshots: Snapshots) -> None:
        self._query = query_for(database, _PRODUCT)
        self._snapshots = snapshots

    async def read(self, product_id: UUID) -> contracts.Product:
        """Read a product, in one statement past the session, which would take most of the time.

        Raises `NotFound`.
        """
        rows = await self._query.run(id=product_id)
        if not rows:
            raise NotFound(f"there is no product {product_id}")
        images = [_image(row[_IMAGE:]) for row in rows if row[_IMAGE] is not None]
        return self._product(rows[0][:_IMAGE], images)

    async def page(
        self, session: Session, listing: Listing
    ) -> tuple[list[contracts.Product], str | None]:
        """Read a page of a list, and the cursor of the next page if there is one.

        Raises `InvalidCursor`.
        """
        if listing.q is None:
            query = listing.paged(_PRODUCTS.where(*listing.conditions()))
            found = list(await session.execute(query))
            count = len(found)
        else:
            ids = await search(session, listing, listing.q)
            products = await session.execute(_PRODUCTS.where(one_of(_ID, ids)))
            found = sorted(products, key=lambda row: ids.index(row[_PLACE_OF_ID]))
            count = len(ids)  # one may be gone by now
        rows = found[: listing.limit]
        images = await self._images(session, [row[_PLACE_OF_ID] for row in rows])
        page = [self._product(row, images[row[_PLACE_OF_ID]]) for row in rows]
        return page, listing.cursor(page[-1]) if page and count > listing.limit else None

    async def _images(
        self, session: Session, product_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Mapping[str, Any]]]:
        images = defaultdict(list)
        for row in await session.execute(_IMAGES.where(one_of(_OF, product_ids))):
            image = _image(row)
            images[image["product_id"]].append(image)
        return images

    def _product(
        self, row: Sequence[Any], images: Sequence[Mapping[str, Any]]
    ) -> contracts.Product:
        categories: str | None = row[0]
        return self._snapshots.product_of(
            dict(zip(_PRODUCT_KEYS, row[1:], strict=True)),
            images,
            sorted(map(UUID, categories.split(","))) if categories else (),
        )


def _image(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(_IMAGE_KEYS, row, strict=True))
