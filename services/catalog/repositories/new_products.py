"""New products, written by one statement in place of a flush.

A flush works out what depends on what, and sends a statement a row. New products that
bring neither images nor categories depend on nothing.
"""

from collections.abc import Sequence
from operator import itemgetter

from sqlalchemy.orm.attributes import instance_state

from heliograph.database import BulkInsert, Session
from services.catalog.models import Base, Product

_TABLE = Base.metadata.tables["product"]
_COLUMNS = tuple(_TABLE.columns.keys())
_ROWS = BulkInsert(_TABLE, _COLUMNS)
_values = itemgetter(*_COLUMNS)


def is_bare(product: Product) -> bool:
    """Whether no session knows the product yet, nor anything that hangs on it."""
    return instance_state(product).transient and not product.images and not product.categories


async def insert_bare(session: Session, products: Sequence[Product]) -> None:
    """Insert bare products, between their signals.

    From then on the session knows them as if it had flushed.
    """
    # From the dictionaries: none lacks a value once a snapshot was taken, and asking each
    # attribute for its value takes ten times as long.
    await _ROWS.insert(session, [_values(vars(product)) for product in products])
    session.sync_session.adopt(products)
