"""POST of a product with its two events, against silence and against Django REST Framework."""

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count as counter

from benchmarks import catalog
from benchmarks.load import load, request
from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_server
from benchmarks.programs import server
from benchmarks.world import World

CONNECTIONS = 8
_numbers = counter()


@asynccontextmanager
async def sides(world: World) -> Sides:
    """One server process a side, each with a database of its own."""
    async with AsyncExitStack() as stack:
        bus_url = stack.enter_context(world.vhost())
        found: dict[str, Measure] = {}
        for state in ("announcing", "disconnected", "relaying"):
            url = await stack.enter_async_context(world.database())
            service = catalog.catalog(url, bus_url)
            await service.migrate()
            token = service.tokens.issue("bench", ["catalog:write"])
            await service.close()
            env = {"BENCH_DATABASE_URL": url, "BENCH_BUS_URL": bus_url}
            pid, port = await stack.enter_async_context(
                server("benchmarks.catalog", state, env=env)
            )
            found[f"catalog, {state}"] = partial(
                _post, pid, port, "/v1/products", token, world.seconds
            )
        url = await stack.enter_async_context(world.database())
        pid, port = await stack.enter_async_context(django_server.server(url, bus_url))
        found["Django"] = partial(_post, pid, port, "/products/", None, world.seconds)
        yield found


async def _post(pid: int, port: int, path: str, token: str | None, seconds: float) -> Reading:
    requests = _products(path, token)
    watch = Stopwatch(*django_server.processes(pid))
    count = await load(port, requests, seconds=seconds, connections=CONNECTIONS, status=201)
    return watch.read(count)


def _products(path: str, token: str | None) -> Iterator[bytes]:
    for number in _numbers:
        product = {
            "sku": f"SKU-{number}",
            "name": "Lamp",
            "description": "Gives light. " * 10,
            "price": "19.99",
            "currency": "EUR",
        }
        yield request("POST", path, json.dumps(product).encode(), token)


ROW = Row(
    "POST of a product, with its two events",
    "requests",
    sides,
    goals=(
        Goal("catalog, announcing", "catalog, disconnected", 0.95),
        Goal("catalog, relaying", "Django", 4),
    ),
    notes=f"{CONNECTIONS} connections, one server process a side. `relaying` also publishes,"
    " as Django does in the request: REST Framework, `post_save`, `on_commit`, and Celery's"
    " `delay`, confirmed, under gunicorn with threads and a pool of connections.",
)
