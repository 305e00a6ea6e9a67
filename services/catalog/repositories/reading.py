"""Reading one product in one statement: the round trips are most of what a read costs."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, literal_column, select
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

import contracts
from heliograph.database import Database, query_for
from services.catalog.errors import NotFound
from services.catalog.models import Base, Image, Product, product_category
from services.catalog.snapshots import Snapshots

M = TypeVar("M", Product, Image)

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
_OF_PRODUCT = tuple(_TABLES["product"].columns)
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

    async def read(self, product_id: UUID) -> tuple[Product, contracts.Product]:
        """Read a product, and how the public sees it; raise `NotFound`.

        It is detached: no session knows it. Its images are loaded, its categories are in the
        snapshot alone.
        """
        rows = await self._query.run(id=product_id)
        if not rows:
            raise NotFound(f"there is no product {product_id}")
        product = _loaded(Product, _PRODUCT_KEYS, rows[0][1:_IMAGE])
        images = [
            _loaded(Image, _IMAGE_KEYS, row[_IMAGE:]) for row in rows if row[_IMAGE] is not None
        ]
        set_committed_value(product, "images", images)
        categories: str | None = rows[0][0]
        category_ids = sorted(map(UUID, categories.split(","))) if categories else ()
        return product, self._snapshots.product(product, category_ids)


def _loaded(model: type[M], keys: Iterable[str], values: Sequence[Any]) -> M:
    instance = model()
    for key, value in zip(keys, values, strict=True):
        set_committed_value(instance, key, value)
    make_transient_to_detached(instance)
    return instance
