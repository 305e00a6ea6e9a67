"""A batch of products with their events, against Core without events and Django's `save()`."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import insert, text

from benchmarks import catalog
from benchmarks.measure import Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_server
from benchmarks.rows.read import product
from benchmarks.world import World
from heliograph.database.guard import ALLOWED
from heliograph.events import new_id
from services.catalog.models import Product
from services.catalog.repositories.products import ProductRepository
from services.catalog.repositories.terms import terms
from services.catalog.service import Catalog

BATCH = 1_000


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Each reading is one transaction of 1,000 products into an empty table."""
    async with world.database() as url, world.database() as django_url:
        service = catalog.catalog(url)
        await service.migrate()
        await django_server.migrate(django_url)
        try:
            yield {
                "save_many": lambda: _save_many(service),
                "Core insert": lambda: _core(service),
                "Django save()": lambda: django_server.save(django_url, BATCH),
            }
        finally:
            await service.close()


async def _clear(service: Catalog) -> None:
    async with service.database.engine.begin() as connection:
        await connection.execute(text("TRUNCATE product, outbox CASCADE"))


async def _save_many(service: Catalog) -> Reading:
    await _clear(service)
    products = [product(number) for number in range(BATCH)]
    watch = Stopwatch()
    async with service.database.transaction() as session:
        session.origin = "batch"
        await ProductRepository(session).save_many(products)
    return watch.read(BATCH)


async def _core(service: Catalog) -> Reading:
    await _clear(service)
    moment = datetime.now(UTC)
    rows = [
        {
            "id": new_id(),
            "sku": each.sku,
            "name": each.name,
            "description": each.description,
            "price_minor": each.price_minor,
            "currency": each.currency,
            "version": 1,
            "created_at": moment,
            "updated_at": moment,
            # Else the index of what a search finds would have nothing to do.
            "search_terms": terms(each.name, each.sku, each.description),
        }
        for each in map(product, range(BATCH))
    ]
    watch = Stopwatch()
    async with service.database.engine.begin() as connection:
        await connection.execute(insert(Product), rows, execution_options=ALLOWED)
    return watch.read(BATCH)


ROWS = (
    Row(
        "A batch of 1,000 products with its 2,000 events",
        "How long a shop's nightly import takes, when every product in it is announced.",
        "products",
        sides,
        goals=(Goal("save_many", "Core insert", 0.4), Goal("save_many", "Django save()")),
        notes="Core inserts the same rows, with no event and no receiver; what a search finds them"
        " by is made before its watch starts. Django saves one by one in one transaction, as"
        " signals need, with one `post_save` receiver; PostgreSQL makes its column for the search.",
    ),
)
