"""The catalog in one of the states in which it is measured.

    python -m benchmarks.catalog STATE PORT

`announcing` is the catalog as it is, its API alone; `relaying` has its relay too. In
`disconnected` the outbox hears no signal; in `unseen` nobody hears `viewed`, and in
`counting` a view is counted in its request.
"""

import logging
import os
import sys

import structlog
import uvloop
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from contracts import viewed
from heliograph import Event
from heliograph.bus import MemoryBus, bus_from_url
from heliograph.database import Session
from heliograph.service import HttpServer, Role, bind, run_parts
from heliograph.signals import MODEL_SIGNALS
from services.catalog.models import Product, ViewCount
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings

KEY = "a key of the benchmarks, long enough for HS256"


def catalog(database_url: str, bus_url: str | None = None) -> Catalog:
    """Wire a catalog; without a bus it announces into its outbox only."""
    settings = CatalogSettings(
        database_url=database_url,
        secret_key=KEY,
        image_store_url="file:///nonexistent",
        public_url="https://catalog.example",
    )
    return Catalog(settings, bus_from_url(bus_url) if bus_url else MemoryBus())


def _put(service: Catalog, state: str) -> None:
    """Bring the service into that state."""
    if state == "disconnected":
        service.outbox.disconnect(MODEL_SIGNALS, service.senders)
    if state in ("unseen", "counting"):
        viewed.disconnect(service.buffer.hold, Product)
    if state == "counting":
        viewed.connect(_count, Product)
        # Reading writes here, which no service of ours does: hence past the type.
        service.database.reading = service.database.transaction  # type: ignore[method-assign]


# One row, in a statement that SQLAlchemy caches: the repository's are for many.
_COUNT = (
    insert(ViewCount)
    .values(product_id=bindparam("product_id"), count=1)
    .on_conflict_do_update(
        index_elements=[ViewCount.product_id], set_={"count": ViewCount.count + 1}
    )
)


async def _count(event: Event[Product], session: Session) -> None:
    await session.execute(_COUNT, {"product_id": event.instance.id})


async def _serve(state: str, port: int, database_url: str, bus_url: str | None) -> None:
    service = catalog(database_url, bus_url)
    _put(service, state)
    roles: set[Role] = {"api", "relay"} if state == "relaying" else {"api"}
    http = HttpServer(service.app(roles), bind("127.0.0.1", port))
    await run_parts([http, *service.parts(roles)])


if __name__ == "__main__":
    # No line a request: the peers write none either.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(
        _serve(
            sys.argv[1],
            int(sys.argv[2]),
            os.environ["BENCH_DATABASE_URL"],
            os.environ.get("BENCH_BUS_URL"),
        )
    )
