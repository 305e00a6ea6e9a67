"""Reading one product in one statement: the round trips are most of what a read costs."""

from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, literal_column, select
from sqlalchemy.orm import joinedload

from services.catalog.errors import NotFound
from services.catalog.models import Product, product_category
from services.catalog.snapshots import Snapshots
from shared import contracts
from shared.database import Session

# As one text: joined like the images, each category would repeat all of them. A separator
# that is a parameter would have the statement compiled anew each time.
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
_PRODUCT = (
    select(Product, _CATEGORIES)
    .where(Product.id == bindparam("id"))
    .options(joinedload(Product.images))
)


async def product(session: Session, product_id: UUID) -> tuple[Product, contracts.Product]:
    """Read a product, and how the public sees it; raise `NotFound`.

    Its images are loaded, its categories are in the snapshot alone.
    """
    found = (await session.execute(_PRODUCT, {"id": product_id})).unique().one_or_none()
    if found is None:
        raise NotFound(f"there is no product {product_id}")
    read, categories = found
    category_ids = sorted(map(UUID, categories.split(","))) if categories else ()
    snapshots: Snapshots = session.within[Snapshots]
    return read, snapshots.product(read, category_ids)
