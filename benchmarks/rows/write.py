"""POST, PATCH and DELETE of a product with their events, against Django REST Framework."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count as counter
from itertools import cycle

from benchmarks import catalog
from benchmarks.load import load, request
from benchmarks.measure import Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_server
from benchmarks.programs import server
from benchmarks.seeding import Tables, seed
from benchmarks.world import World

CONNECTIONS = 8
CHANGED = 500
"""Products that are changed again and again."""
DELETED_A_SECOND = 2_500
"""Products that a side finds to be deleted: more than it can."""
_numbers = counter()


@dataclass(frozen=True, slots=True)
class Served:
    """A server process with a database of its own."""

    pid: int
    port: int
    database_url: str
    tables: Tables
    products: str
    """The path of all products; the path of one has its id for `*`."""
    product: str
    token: str | None = None


@asynccontextmanager
async def _serving(world: World, *states: str) -> AsyncIterator[dict[str, Served]]:
    """Run the catalog in these states, and Django."""
    async with AsyncExitStack() as stack:
        bus_url = stack.enter_context(world.vhost())
        found: dict[str, Served] = {}
        for state in states:
            url = await stack.enter_async_context(world.database())
            service = catalog.catalog(url, bus_url)
            await service.migrate()
            token = service.tokens.issue("bench", ["catalog:write"])
            await service.close()
            env = {"BENCH_DATABASE_URL": url, "BENCH_BUS_URL": bus_url}
            running = await stack.enter_async_context(server("benchmarks.catalog", state, env=env))
            found[f"catalog, {state}"] = Served(
                *running, url, "catalog", "/v1/products", "/v1/products/*", token
            )
        url = await stack.enter_async_context(world.database())
        running = await stack.enter_async_context(django_server.server(url, bus_url))
        found["Django"] = Served(*running, url, "django", "/products/", "/products/*/")
        yield found


@asynccontextmanager
async def post_sides(world: World) -> Sides:
    """Each request is a product with a SKU of its own."""
    async with _serving(world, "announcing", "disconnected", "relaying") as found:
        yield {name: partial(_post, each, world.seconds) for name, each in found.items()}


async def _post(served: Served, seconds: float) -> Reading:
    return await _answer(served, _posts(served), seconds, 201)


def _posts(served: Served) -> Iterator[bytes]:
    for number in _numbers:
        product = {
            "sku": f"SKU-{number}",
            "name": "Lamp",
            "description": "Gives light. " * 10,
            "price": "19.99",
            "currency": "EUR",
        }
        yield request("POST", served.products, json.dumps(product).encode(), served.token)


@asynccontextmanager
async def patch_sides(world: World) -> Sides:
    """Each request gives a product another price than it had."""
    async with _serving(world, "announcing", "relaying") as found:
        yield {name: partial(_patch, each, world.seconds) for name, each in found.items()}


async def _patch(served: Served, seconds: float) -> Reading:
    ids = await seed(served.database_url, served.tables, CHANGED, dressed=False)
    return await _answer(served, patches(served, ids), seconds, 200)


def patches(served: Served, ids: Iterable[str]) -> Iterator[bytes]:
    """Change the price of one product after the other, in circles."""
    for number, id_ in zip(_numbers, cycle(ids), strict=False):
        body = json.dumps({"price": f"{number}.50"}).encode()
        yield request("PATCH", served.product.replace("*", id_), body, served.token)


@asynccontextmanager
async def delete_sides(world: World) -> Sides:
    """Each request deletes a product that was there before."""
    async with _serving(world, "announcing", "relaying") as found:
        yield {name: partial(_delete, each, world.seconds) for name, each in found.items()}


async def _delete(served: Served, seconds: float) -> Reading:
    count = int(DELETED_A_SECOND * seconds)
    ids = await seed(served.database_url, served.tables, count, dressed=False)
    paths = [served.product.replace("*", id_) for id_ in ids]
    requests = (request("DELETE", path, token=served.token) for path in paths)
    return await _answer(served, requests, seconds, 204)


async def _answer(
    served: Served, requests: Iterable[bytes], seconds: float, status: int
) -> Reading:
    watch = Stopwatch(*django_server.processes(served.pid))
    count = await load(
        served.port, requests, seconds=seconds, connections=CONNECTIONS, status=status
    )
    return watch.read(count)


ROWS = (
    Row(
        "POST of a product, with its two events",
        "What a server is paid for each new product that other teams hear of.",
        "requests",
        post_sides,
        goals=(
            Goal("catalog, announcing", "catalog, disconnected", 0.95),
            Goal("catalog, relaying", "Django", 4),
        ),
        notes=f"{CONNECTIONS} connections, one server process a side. `relaying` also publishes,"
        " as Django does in the request: REST Framework, `post_save`, `on_commit`, and Celery's"
        " `delay`, confirmed, under gunicorn with threads and a pool of connections.",
    ),
    Row(
        "PATCH of a product's price, with its two events",
        "What a server is paid for each price change that other teams hear of.",
        "requests",
        patch_sides,
        goals=(Goal("catalog, relaying", "Django", 4),),
        notes="As above. Both lock the product, read it with its images and categories, change it,"
        " and answer with all of it. Ours also announces what it was before and what changed.",
    ),
    Row(
        "DELETE of a product, with its two events",
        "What a server is paid for each product that is taken out of the shop, and out of"
        " everything that other teams made of it.",
        "requests",
        delete_sides,
        goals=(Goal("catalog, relaying", "Django", 4),),
        notes="As above, with `post_delete`. Both lock the product, delete it with what belongs to"
        " it, and announce all of it, so that others can delete its files.",
    ),
)
