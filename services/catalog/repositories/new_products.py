"""New products, written by one statement in place of a flush.

A flush works out what depends on what, and sends a statement a row. New products that
bring neither images nor categories depend on nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy.orm.attributes import instance_state

from heliograph import Event
from heliograph.database import BulkInsert, Session
from heliograph.events import write_content
from services.catalog.models import Base, Product

_TABLE = Base.metadata.tables["product"]
_COLUMNS = tuple(_TABLE.columns.keys())
_ROWS = BulkInsert(_TABLE, _COLUMNS)
_values = itemgetter(*_COLUMNS)


def is_bare(product: Product) -> bool:
    """Whether no session knows the product yet, nor anything that hangs on it."""
    return instance_state(product).transient and not product.images and not product.categories


async def insert_bare(session: Session, events: Sequence[Event[Product]]) -> None:
    """Insert the bare products that `pre_save` told of.

    From then on the session knows them as if it had flushed. That is prepared, and the content
    of the events written, in the time that the server needs.
    """
    products = [event.instance for event in events]

    def prepare() -> None:
        session.sync_session.adopt(products)
        for event in events:
            write_content(event)

    # From the dictionaries: none lacks a value once a snapshot was taken, and asking each
    # attribute for its value takes ten times as long.
    rows = (_values(vars(product)) for product in products)
    await meanwhile(_ROWS.insert(session, rows, len(products)), prepare)


async def meanwhile(waiting: Coroutine[Any, Any, object], work: Callable[[], object]) -> None:
    """Begin to wait, do the work, and return when the waiting is over.

    Raises what either raises, and not before the waiting is over.
    """
    task = asyncio.create_task(waiting)
    try:
        await asyncio.sleep(0)  # the task runs until it waits
        work()
    finally:
        await task
