"""The state of the services, and the last hour."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from services.console.repositories.samples import SampleRepository
from services.console.sampler import figures_of
from tests.integration.services.console.conftest import House, Tells, park
from tests.polling import until


async def test_the_figures_of_all_services_are_charted(
    house: House, admin: httpx2.AsyncClient
) -> None:
    async with house.console.database.transaction() as session:
        repository = SampleRepository(session)
        for ago, value in ((20, 7.0), (10, 0.0)):
            at = datetime.now(UTC) - timedelta(seconds=ago)
            await repository.add(at, "catalog", [("outbox", value), ("inbox", 0.0)])
            await repository.add(at, "console", [("heard", 100.0 - ago)])
    page = await admin.get("/state")
    assert page.status_code == 200
    assert 'aria-label="catalog: waits in the outbox, the last hour: now 0, at most 7"' in page.text
    assert 'aria-label="console: events heard a second, the last hour: now ' in page.text
    assert "waits in the inbox, the last hour" not in page.text


async def test_the_sampler_takes_the_figures_of_all_services(house: House) -> None:
    await house.console.sampler.sample()
    async with house.console.database.reading() as session:
        found = await SampleRepository(session).since(datetime.now(UTC) - timedelta(minutes=1))
    assert {("catalog", "outbox"), ("console", "heard")} <= found.keys()


async def test_two_consoles_keep_one_sample_of_a_moment(house: House) -> None:
    at = datetime.now(UTC)
    for value in (1.0, 2.0):
        async with house.console.database.transaction() as session:
            await SampleRepository(session).add(at, "catalog", [("outbox", value)])
    async with house.console.database.reading() as session:
        found = await SampleRepository(session).since(at - timedelta(seconds=1))
    assert [each.value for each in found["catalog", "outbox"]] == [1.0]


async def test_samples_are_kept_for_an_hour(house: House) -> None:
    old = datetime.now(UTC) - timedelta(hours=2)
    async with house.console.database.transaction() as session:
        repository = SampleRepository(session)
        await repository.add(old, "catalog", [("outbox", 1.0)])
        assert await repository.prune(1000) == 1
        assert await repository.prune(1000) == 0


async def test_a_service_that_is_down_is_named_and_the_rest_is_shown(
    house: House, admin: httpx2.AsyncClient
) -> None:
    house.wires.down["notifier"] = None
    await house.console.sampler.sample()
    page = await admin.get("/state")
    assert "The part of <strong>notifier</strong> is missing: cannot be reached" in page.text
    assert page.text.count("is missing") == 1
    assert "<strong>catalog</strong>" in page.text


async def test_what_fails_is_told_before_it_is_parked(
    house: House, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    now = datetime.now(UTC)
    event_id = "01a219c0-2bc7-7577-aa8a-daeb4956ca95"
    row = {
        "receiver": "purge_images",
        "event_id": event_id,
        "subject": "lamp",
        "routing_key": "catalog.product.pre_delete",
        "headers": b"{}",
        "body": b"{}",
        "attempts": 3,
        "reason": "StoreUnavailable: <ada@example.org> is away",
        "due_at": now + timedelta(minutes=4),
        "received_at": now,
    }
    async with house.notifier.database.transaction() as session:
        await session.execute(house.notifier.inbox.table.insert(), [row])
    page = (await admin.get("/state")).text
    assert "Failing at notifier" in page
    assert f'href="/events/{event_id}"' in page
    assert "&lt;ada@example.org&gt; is away" in page
    masked = await reader.get("/state")
    assert masked.status_code == 200
    assert "Failing at notifier" in masked.text
    assert "&lt;a…@example.org&gt; is away" in masked.text
    assert "ada@" not in masked.text


async def test_who_only_looks_sees_no_address_in_what_services_say(
    house: House, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    now = datetime.now(UTC).isoformat()
    program = {
        "name": "notifier-1",
        "roles": ["work"],
        "version": "1",
        "started_at": now,
        "seen_at": now,
        "ready": True,
        "why": "no mail for ada@example.org",
    }
    answers = {"/v1/programs": {"items": [program]}}
    house.wires.down["notifier"] = httpx2.ASGITransport(app=Tells(answers, house.notifier))
    house.wires.down["catalog"] = httpx2.MockTransport(
        lambda _: httpx2.Response(400, json={"detail": "ask bob@example.org"})
    )
    for path, names in (
        ("/state", ("ada", "bob")),
        ("/products", ("bob",)),
        ("/parked", ("bob",)),
        ("/emails", ("bob",)),
        ("/parked/catalog/inbox/1", ("bob",)),
    ):
        in_full = (await admin.get(path)).text
        masked = (await reader.get(path)).text
        for each in names:
            assert f"{each}@example.org" in in_full, path
            assert f"{each}@example.org" not in masked, path
            assert f"{each[0]}…@example.org" in masked, path


async def test_what_is_parked_stands_first_and_beside_the_way_to_it(
    house: House, admin: httpx2.AsyncClient
) -> None:
    assert 'class="count"' not in (await admin.get("/")).text
    await park(house.notifier, 1, subject="lamp")
    await park(house.notifier, 1, subject="lamp", event_id="later", state="pending", reason=None)
    now = datetime.now(UTC)
    async with house.console.database.transaction() as session:
        repository = SampleRepository(session)
        await repository.add(now - timedelta(seconds=20), "notifier", [("parked", 9.0)])
        await repository.add(now - timedelta(seconds=10), "notifier", [("parked", 1.0)])
        await repository.add(now - timedelta(minutes=5), "catalog", [("parked", 7.0)])
    assert 'Parked <span class="count">1</span>' in (await admin.get("/")).text

    async def told() -> str:
        page = (await admin.get("/state")).text
        return page if "Parked: somebody must decide" in page else ""

    # The notifier may have been asked for its figures a moment ago.
    page = await until(told)
    link = '"/parked?service=notifier&amp;receiver=purge_images">1 event of <bdi>purge_images</bdi>'
    assert page.index(link) < page.index("Programs</h2>")
    assert "1 held behind" in page


async def test_what_the_broker_will_not_have_is_parked_too(
    house: House, admin: httpx2.AsyncClient
) -> None:
    now = datetime.now(UTC)
    row = {
        "partition": -1,
        "event_id": "01a219c0-2bc7-7577-aa8a-daeb4956ca95",
        "subject": "lamp",
        "exchange": "catalog.events",
        "routing_key": "catalog.product.post_save",
        "headers": b"{}",
        "body": b"{}",
        "created_at": now,
        "parked_at": now,
        "reason": "too large",
    }
    async with house.catalog.database.transaction() as session:
        await session.execute(house.catalog.outbox.table.insert(), [row])

    async def told() -> str:
        page = (await admin.get("/state")).text
        return page if "Parked: somebody must decide" in page else ""

    # The catalog may have been asked for its figures a moment ago.
    page = await until(told)
    assert '<a href="/parked?service=catalog">1 event not published by catalog</a>' in page
    assert 'data-name="Parked"><a href="/parked?service=catalog">1</a>' in page
    listed = (await admin.get("/parked?service=catalog")).text
    assert "Not published by <bdi>catalog</bdi>" in listed
    catalog = house.console.peers.named("catalog")
    assert catalog is not None
    figures = await figures_of(catalog)
    async with house.console.database.transaction() as session:
        await SampleRepository(session).add(datetime.now(UTC), "catalog", figures.samples())
    assert 'Parked <span class="count">1</span>' in (await admin.get("/")).text


@pytest.mark.parametrize("path", ["/v1/programs", "/v1/inbox/failing", "/metrics"])
@pytest.mark.parametrize("answer", [[], {"items": [{"name": 1}]}, {"items": None}])
async def test_what_a_service_tells_in_another_way_is_missing(
    house: House, admin: httpx2.AsyncClient, path: str, answer: object
) -> None:
    house.wires.down["notifier"] = httpx2.ASGITransport(app=Tells({path: answer}, house.notifier))
    page = await admin.get("/state")
    assert page.status_code == 200
    assert "The part of <strong>notifier</strong> is missing" in page.text
    assert page.text.count("is missing") == 1
