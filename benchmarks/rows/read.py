"""GET of a product with `viewed`, against none, and against counting in the request."""

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle

from benchmarks import catalog
from benchmarks.load import load, request
from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.programs import server
from benchmarks.world import World
from heliograph.events import new_id
from services.catalog.models import Product
from services.catalog.repositories.products import ProductRepository

CONNECTIONS = 8
PRODUCTS = 100


@asynccontextmanager
async def sides(world: World) -> Sides:
    """The same products, one server process a side."""
    async with AsyncExitStack() as stack:
        found: dict[str, Measure] = {}
        for state in ("announcing", "unseen", "counting"):
            url = await stack.enter_async_context(world.database())
            paths = await _products(url)
            env = {"BENCH_DATABASE_URL": url}
            pid, port = await stack.enter_async_context(
                server("benchmarks.catalog", state, env=env)
            )
            found[state] = partial(_read, pid, port, paths, world.seconds)
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


async def _read(pid: int, port: int, paths: list[str], seconds: float) -> Reading:
    requests = cycle([request("GET", path) for path in paths])
    watch = Stopwatch(pid)
    count = await load(port, requests, seconds=seconds, connections=CONNECTIONS, status=200)
    return watch.read(count)


ROWS = (
    Row(
        "GET of a product, with `viewed`",
        "What a server is paid for each product page that is looked at, and counted.",
        "requests",
        sides,
        goals=(Goal("announcing", "unseen", 0.95), Goal("announcing", "counting", 1.8)),
        notes=f"{CONNECTIONS} connections. `unseen` has nobody who hears `viewed`, `counting`"
        " counts it in a transaction of the request.",
    ),
)
