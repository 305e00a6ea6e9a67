"""GET of a product with `viewed`, against none, and against counting in the request."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from benchmarks import catalog
from benchmarks.load import load, request
from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.programs import server
from benchmarks.world import World
from services.catalog.models import Product
from services.catalog.repositories.products import ProductRepository
from shared.events import new_id

CONNECTIONS = 8
PRODUCTS = 100


@asynccontextmanager
async def sides(world: World) -> Sides:
    """The same products, one server process a side."""
    count = world.count(5_000)
    async with AsyncExitStack() as stack:
        found: dict[str, Measure] = {}
        for state in ("announcing", "unseen", "counting"):
            url = await stack.enter_async_context(world.database())
            paths = await _products(url)
            env = {"BENCH_DATABASE_URL": url}
            pid, port = await stack.enter_async_context(
                server("benchmarks.catalog", state, env=env)
            )
            found[state] = partial(_read, pid, port, paths, count)
        yield found


async def _products(url: str) -> list[str]:
    service = catalog.catalog(url)
    await service.migrate()
    products = [product(number) for number in range(PRODUCTS)]
    async with service.database.transaction() as session:
        await ProductRepository(session).save_many(products)
    await service.close()
    return [f"/v1/products/{each.id}" for each in products]


def product(number: int) -> Product:
    """Make a product that is not saved yet."""
    return Product(
        id=new_id(),
        sku=f"SKU-{number}",
        name="Lamp",
        description="Gives light. " * 10,
        price_minor=1999,
        currency="EUR",
        images=[],
        categories=[],
    )


async def _read(pid: int, port: int, paths: list[str], count: int) -> Reading:
    watch = Stopwatch(pid)
    await load(port, _requests(paths, count), connections=CONNECTIONS, status=200)
    return watch.read(count)


def _requests(paths: list[str], count: int) -> Iterator[bytes]:
    made = [request("GET", path) for path in paths]
    for number in range(count):
        yield made[number % len(made)]


ROW = Row(
    "GET of a product, with `viewed`",
    "requests",
    sides,
    goals=(Goal("announcing", "unseen", 0.95), Goal("announcing", "counting", 1.8)),
    notes=f"{CONNECTIONS} connections. `unseen` has nobody who hears `viewed`, `counting`"
    " counts it in a transaction of the request.",
)
