"""A page of 50 products, and a search, against Django REST Framework."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle

from benchmarks import catalog
from benchmarks.load import load, request
from benchmarks.measure import Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_server
from benchmarks.programs import server
from benchmarks.seeding import SERIES, seed
from benchmarks.world import World

CONNECTIONS = 8
CATALOG = 10_000
PAGE = 50


def _pages(_count: int) -> Sequence[str]:
    return [f"?limit={PAGE}"]


def _searches(count: int) -> Sequence[str]:
    # The first and the last series may have fewer products.
    numbers = range(1, count // SERIES)
    return [f"?limit={PAGE}&q=lamp%20series{number:05}" for number in numbers]


@asynccontextmanager
async def _sides(questions: Callable[[int], Sequence[str]], world: World) -> Sides:
    """The same products, with images and categories; one server process a side."""
    count = world.count(CATALOG)
    asked = questions(count)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(world.database())
        service = catalog.catalog(url)
        await service.migrate()
        await service.close()
        await seed(url, "catalog", count, dressed=True)
        env = {"BENCH_DATABASE_URL": url}
        ours = await stack.enter_async_context(server("benchmarks.catalog", "announcing", env=env))
        django_url = await stack.enter_async_context(world.database())
        django = await stack.enter_async_context(django_server.server(django_url))
        await seed(django_url, "django", count, dressed=True)
        yield {
            "catalog": partial(_read, *ours, "/v1/products", asked, world.seconds),
            "Django": partial(_read, *django, "/listing/", asked, world.seconds),
        }


async def _read(
    pid: int, port: int, path: str, questions: Sequence[str], seconds: float
) -> Reading:
    requests = cycle([request("GET", path + question) for question in questions])
    watch = Stopwatch(*django_server.processes(pid))
    count = await load(port, requests, seconds=seconds, connections=CONNECTIONS, status=200)
    return watch.read(count)


_COMPARED = (
    f"{CATALOG:,} products in a full run, {CATALOG // 10:,} in a quick one, with two images and"
    f" two categories each; {CONNECTIONS} connections, one server process a side. REST Framework"
    " prefetches both, serialises the same fields, pages by cursor, and searches the same"
    " indexed column."
)

ROWS = (
    Row(
        f"A list of {PAGE} products",
        "What a server is paid for each page of the shop that is leafed through.",
        "pages",
        partial(_sides, _pages),
        goals=(Goal("catalog", "Django", 2),),
        notes=_COMPARED,
    ),
    Row(
        f"A search that finds {SERIES} products",
        "What a server is paid for each time that somebody looks for a product.",
        "pages",
        partial(_sides, _searches),
        goals=(Goal("catalog", "Django", 2),),
        notes=_COMPARED,
    ),
)
