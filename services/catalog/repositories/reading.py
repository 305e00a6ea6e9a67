"""Reading one product in one statement: the round trips are most of what a read costs."""

from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, literal_column, select

import contracts
from heliograph.database import Database, query_for
from services.catalog.errors import NotFound
from services.catalog.models import Base, Image, Product, product_category
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


class ProductReader:
    """Reads single products, past the session: it would take most of the time."""

    def __init__(self, database: Database, snapshots: Snapshots) -> None:
        self._query = query_for(database, _PRODUCT)
        self._snapshots = snapshots

    async def read(self, product_id: UUID) -> contracts.Product:
        """Read a product as the public sees it; raise `NotFound`."""
        rows = await self._query.run(id=product_id)
        if not rows:
            raise NotFound(f"there is no product {product_id}")
        categories: str | None = rows[0][0]
        return self._snapshots.product_of(
            dict(zip(_PRODUCT_KEYS, rows[0][1:_IMAGE], strict=True)),
            images=[
                dict(zip(_IMAGE_KEYS, row[_IMAGE:], strict=True))
                for row in rows
                if row[_IMAGE] is not None
            ],
            categories=sorted(map(UUID, categories.split(","))) if categories else (),
        )
