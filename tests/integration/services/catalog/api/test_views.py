import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

import contracts
from heliograph import Event
from heliograph.bus import Delivery
from heliograph.database import database_now
from heliograph.events import encode
from heliograph.inbox.reading import entry
from services.catalog import models, viewers
from services.catalog.repositories.views import ViewRepository
from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.catalog.conftest import (
    MISSING,
    Token,
    announced,
    buffered,
    create,
    is_problem,
    listening,
)
from tests.polling import until
from tests.statements import statements_of

NONE = {"count": 0, "unique": 0, "viewers": [], "next": None}


async def counted(catalog: Catalog, client: httpx2.AsyncClient, url: str, count: int) -> Any:
    """The views of a product, once there are so many of them."""

    async def views() -> Any:
        answer = (await client.get(f"{url}/views")).json()
        return answer if answer["count"] == count else None

    async with running(catalog.buffer, catalog.relay, catalog.consumer, catalog.worker):
        return await until(views)


@sqlite_suffices
async def test_a_read_and_a_revalidation_are_views_and_nothing_else_is(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await client.get(url, headers=token(subject="ann") | {"traceparent": trace})
    await client.get(url, headers=token(subject="bob") | {"If-None-Match": '"1"'})
    await client.head(url)
    await client.get("/v1/products")
    await client.get(f"{url}/images")
    await client.get(f"{url}/views")
    await client.get(MISSING)
    del client.headers["Authorization"]
    await client.get(url)

    await buffered(catalog)
    views = [each for each in await announced(catalog) if each.signal == "viewed"]
    assert [each.body["viewer"] for each in views] == ["ann", "bob", None]
    first = views[0]
    assert first.key == "catalog.product.viewed"
    assert first.headers["ce-subject"] == first.body["product_id"] == product["id"]
    assert first.headers["traceparent"] == trace
    assert "ce-subjectsequence" not in first.headers
    assert first.body.keys() == {
        "sender", "signal", "actor", "product_id", "viewer", "viewed_at",
    }  # fmt: skip


async def test_a_receiver_in_the_process_is_shown_what_the_reader_is(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    seen: list[Event[Any]] = []
    with listening(contracts.viewed, seen.append, models.Product):
        answer = await client.get(f"/v1/products/{product['id']}")
    [event] = seen
    assert event.sender is models.Product
    assert event.instance == contracts.Product.model_validate(answer.json())
    assert isinstance(event.snapshot, contracts.View)


async def test_viewers_are_counted_and_listed_page_by_page(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    assert (await client.get(f"{url}/views")).json() == NONE

    for subject in ("ann", "bob", "ann", "café"):
        await client.get(url, headers=token(subject=subject))
    await client.get(url)
    views = await counted(catalog, client, url, 5)

    counts = {each["viewer"]: each["count"] for each in views["viewers"]}
    assert counts == {"ann": 2, "bob": 1, "café": 1, "user-7": 1}
    assert views["unique"] == 4
    assert all(each["last_viewed_at"].endswith("Z") for each in views["viewers"])
    pages: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(f"{url}/views", params={"limit": "1"} | after)).json()
        pages += [each["viewer"] for each in page["viewers"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == [each["viewer"] for each in views["viewers"]]


async def test_views_outlive_their_product(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    seen, unseen = await create(client), await create(client, sku="A-2")
    url = f"/v1/products/{seen['id']}"
    await client.get(url, headers=token(subject="ann"))
    await counted(catalog, client, url, 1)
    for product in (seen, unseen):
        await client.delete(f"/v1/products/{product['id']}")

    views = (await client.get(f"{url}/views")).json()
    none = (await client.get(f"/v1/products/{unseen['id']}/views")).json()

    assert (views["count"], views["unique"], views["viewers"][0]["viewer"]) == (1, 1, "ann")
    assert none == NONE
    is_problem(await client.get(f"{MISSING}/views"), 404)


async def viewed(catalog: Catalog, product: dict[str, Any], *viewers: str) -> None:
    """Record a view of the product by each of these."""
    views = [
        contracts.View(product_id=product["id"], viewer=each, viewed_at=datetime.now(UTC))
        for each in viewers
    ]
    async with catalog.database.transaction() as session:
        await ViewRepository(session).record(views)


async def seen(client: httpx2.AsyncClient, product: dict[str, Any]) -> tuple[int, int, list[str]]:
    """How often, by how many and by whom the product was viewed."""
    views = (await client.get(f"/v1/products/{product['id']}/views")).json()
    return views["count"], views["unique"], [each["viewer"] for each in views["viewers"]]


async def test_a_viewer_is_unique_however_the_views_arrive(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")

    await viewed(catalog, lamp, "ann", "ann", "bob")
    await viewed(catalog, torch, "ann")
    await viewed(catalog, lamp, "bob", "cem", "bob")

    assert await seen(client, lamp) == (6, 3, ["ann", "bob", "cem"])
    assert await seen(client, torch) == (1, 1, ["ann"])


async def test_a_forgotten_viewer_is_gone_everywhere_and_the_counts_stay(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")
    await viewed(catalog, lamp, "ann/a b", "bob")
    await viewed(catalog, torch, "ann/a b")
    admin = token("catalog:admin")

    for path in ("ann%2Fa%20b", "ann/a%20b", "nobody", "%00", "%ff", "x" * 1000):
        answer = await client.delete(f"/v1/viewers/{path}", headers=admin)
        assert (answer.status_code, answer.content) == (204, b"")

    assert await seen(client, lamp) == (2, 2, ["bob"])
    assert await seen(client, torch) == (1, 1, [])
    is_problem(await client.delete("/v1/viewers/bob"), 403)


async def test_who_viewed_very_much_is_forgotten_in_short_steps(
    client: httpx2.AsyncClient, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "STEP", 2)
    products = [await create(client, sku=f"A-{n}") for n in range(5)]
    for product in products:
        await viewed(catalog, product, "ann")

    async with statements_of(catalog.database) as statements:
        await catalog.viewers.forget("ann")

    assert sum(each.startswith("DELETE FROM viewer ") for each in statements) == 3
    assert [await seen(client, each) for each in products] == [(1, 1, [])] * 5


async def test_viewers_are_forgotten_after_the_days_that_are_set(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    await viewed(catalog, product, "ann", "bob", "cem")
    async with catalog.database.transaction() as session:
        for viewer, days in (("ann", 365.1), ("bob", 364.9)):
            old = database_now(-timedelta(days=days).total_seconds())
            await session.execute(
                update(models.Viewer)
                .where(models.Viewer.viewer == viewer)
                .values(last_viewed_at=old)
            )

    assert [await catalog.viewers.prune(limit=1) for _ in range(2)] == [1, 0]
    assert await seen(client, product) == (3, 3, ["bob", "cem"])
    await viewed(catalog, product, "ann")
    assert await seen(client, product) == (4, 4, ["ann", "bob", "cem"])


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def viewed_at(
    catalog: Catalog, product: dict[str, Any], *views: tuple[str | None, datetime]
) -> None:
    """Record a view of the product by each of these, at that moment."""
    async with catalog.database.transaction() as session:
        await ViewRepository(session).record(
            contracts.View(product_id=product["id"], viewer=viewer, viewed_at=moment)
            for viewer, moment in views
        )


async def days(client: httpx2.AsyncClient, product: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Each day on which the product was viewed, how often, and by how many."""
    answer = await client.get(f"/v1/products/{product['id']}/views/days")
    assert answer.status_code == 200, answer.text
    return [(each["day"], each["count"], each["viewers"]) for each in answer.json()["days"]]


async def days_known(catalog: Catalog) -> int:
    """Of how many days of products and viewers is known that they viewed."""
    async with catalog.database.reading() as session:
        return (await session.scalars(select(func.count()).select_from(models.ViewerDay))).one()


async def test_what_is_viewed_over_the_api_counts_for_today(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}"
    before = datetime.now(UTC).date()
    for subject in ("ann", "bob", "ann"):
        await client.get(url, headers=token(subject=subject))

    await counted(catalog, client, url, 3)

    [(day, count, viewers)] = await days(client, product)
    assert before <= date.fromisoformat(day) <= datetime.now(UTC).date()
    assert (count, viewers) == (3, 2)


async def test_a_view_counts_for_its_own_day_in_utc_however_late_it_comes(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")
    midnight = NOW.replace(hour=0)
    just_before = midnight - timedelta(microseconds=1)

    await viewed_at(catalog, lamp, ("ann", midnight), ("ann", NOW), (None, NOW), (None, NOW))
    await viewed_at(
        catalog, lamp, ("ann", just_before), ("bob", NOW), ("ann", NOW), ("bob", just_before)
    )
    # It is the second in Auckland already, and the first in UTC.
    auckland = NOW.astimezone(timezone(timedelta(hours=13)))
    await viewed_at(catalog, lamp, ("bob", auckland), ("bob", just_before))
    await viewed_at(catalog, torch, (None, NOW))

    assert await days(client, lamp) == [("2026-03-01", 7, 2), ("2026-02-28", 3, 2)]
    assert await days(client, torch) == [("2026-03-01", 1, 0)]
    assert (await seen(client, lamp))[:2] == (10, 2)


async def test_an_event_that_comes_again_is_counted_once_on_its_day(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    [receiver] = catalog.receivers
    view = contracts.View(product_id=product["id"], viewer="ann", viewed_at=NOW)
    messages = [
        encode(Event(sender=contracts.View, instance=view, snapshot=view, signal="viewed"))
        for _ in range(3)
    ]
    rows = [
        entry(receiver, Delivery("q", each.routing_key, each.headers, each.body, each.id), None)
        for each in messages
    ]

    for repeated in (rows[:2], rows, rows[1:]):
        await catalog.inbox.accept(receiver, repeated)
        async with running(catalog.worker):
            await until(lambda: _nothing_is_pending(catalog))

    assert await days(client, product) == [("2026-03-01", 3, 1)]


async def _nothing_is_pending(catalog: Catalog) -> bool:
    return all(state == "done" for _, state in await catalog.inbox.status())


async def test_workers_side_by_side_count_each_viewer_of_a_day_once(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    products = [await create(client, sku=f"A-{n}") for n in range(3)]
    viewers = [f"user-{n}" for n in range(20)]

    async def record(turn: int) -> None:
        for product in products[turn % 3 :] + products[: turn % 3]:
            moments = [NOW - timedelta(days=n) for n in (turn % 2, 1)]
            await viewed_at(catalog, product, *((each, at) for at in moments for each in viewers))

    async with asyncio.timeout(30):
        await asyncio.gather(*(record(turn) for turn in range(8)))

    for product in products:
        assert await days(client, product) == [("2026-03-01", 80, 20), ("2026-02-28", 240, 20)]


async def test_days_are_listed_page_by_page_the_newest_first(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    product = await create(client)
    # Nobody viewed it on the second of these days.
    moments = [NOW - timedelta(days=n) for n in (0, 2, 3, 4, 60)]
    await viewed_at(catalog, product, *((None, each) for each in moments))

    pages: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get(
            f"/v1/products/{product['id']}/views/days", params={"limit": "2"} | after
        )
        pages.append([each["day"] for each in answer.json()["days"]])
        if answer.json()["next"] is None:
            break
        after = {"after": answer.json()["next"]}
    assert pages == [["2026-03-01", "2026-02-27"], ["2026-02-26", "2026-02-25"], ["2025-12-31"]]


async def test_days_outlive_their_product(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    viewed_one, unseen = await create(client), await create(client, sku="A-2")
    assert await days(client, viewed_one) == []
    await viewed_at(catalog, viewed_one, ("ann", NOW))
    for product in (viewed_one, unseen):
        await client.delete(f"/v1/products/{product['id']}")
    await viewed_at(catalog, viewed_one, ("bob", NOW))

    assert await days(client, viewed_one) == [("2026-03-01", 2, 2)]
    assert await days(client, unseen) == []
    is_problem(await client.get(f"{MISSING}/views/days"), 404)


@pytest.mark.parametrize("after", ["x", "2026-02-30", "", "10000-01-01", "0000-01-01"])
@sqlite_suffices
async def test_a_day_that_is_none_is_a_problem(client: httpx2.AsyncClient, after: str) -> None:
    product = await create(client)

    answer = await client.get(f"/v1/products/{product['id']}/views/days", params={"after": after})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


async def test_who_is_forgotten_is_known_of_no_day_and_the_days_counts_stay(
    client: httpx2.AsyncClient, catalog: Catalog, token: Token
) -> None:
    lamp, torch = await create(client), await create(client, sku="A-2")
    earliest, latest = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    for product in (lamp, torch):
        await viewed_at(catalog, product, *(("ann", each) for each in (earliest, NOW, latest)))
    await viewed_at(catalog, lamp, ("bob", NOW))
    assert await days_known(catalog) == 7

    await client.delete("/v1/viewers/ann", headers=token("catalog:admin"))

    assert await days_known(catalog) == 1
    expected = [("9999-12-30", 1, 1), ("2026-03-01", 2, 2), ("0001-01-02", 1, 1)]
    assert await days(client, lamp) == expected


@pytest.mark.parametrize(("kept", "most"), [(365, 8), (1, 1)])
async def test_who_viewed_on_a_day_is_forgotten_before_who_viewed(
    client: httpx2.AsyncClient, catalog: Catalog, kept: int, most: int
) -> None:
    product = await create(client)
    now = datetime.now(UTC)
    moments = [now - timedelta(days=n) for n in (0, most - 1, most, most + 1)]
    forgetting = viewers.Viewers(catalog.database, timedelta(days=kept))
    for n, moment in enumerate(moments):
        await viewed_at(catalog, product, (f"user-{n}", moment))
    before = await days(client, product)

    while await forgetting.prune(limit=1):
        pass

    clock = (now, datetime.now(UTC))  # of two days, if midnight came in between
    oldest = [(each - timedelta(days=most)).date() for each in clock]
    expected = [sum(moment.date() > each for moment in moments) for each in oldest]
    assert await days_known(catalog) in expected
    assert await days(client, product) == before


@pytest.mark.parametrize("after", ["x", "WyJcdTAwMDAiXQ", "WzFd", "W10", "ü"])
@sqlite_suffices
async def test_a_cursor_that_no_page_gave_is_a_problem(
    client: httpx2.AsyncClient, after: str
) -> None:
    product = await create(client)

    answer = await client.get(f"/v1/products/{product['id']}/views", params={"after": after})

    assert is_problem(answer, 422)["errors"][0]["parameter"] == "after"


@sqlite_suffices
async def test_views_are_for_callers_with_the_scope(
    client: httpx2.AsyncClient, token: Token
) -> None:
    product = await create(client)
    url = f"/v1/products/{product['id']}/views"

    is_problem(await client.get(url, headers=token("catalog:write")), 403)
    del client.headers["Authorization"]
    is_problem(await client.get(url), 401)
