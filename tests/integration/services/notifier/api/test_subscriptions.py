"""Subscriptions over REST."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from services.notifier.models import Subscription
from services.notifier.repositories.people import PeopleRepository
from services.notifier.service import Notifier
from services.notifier.wishes import Wish
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import ledger, subscribe, tell
from tests.samples import event, product

PRODUCT = "0190a1b2-0000-7000-8000-000000000001"
NEW = {"email": "ada@example.org", "topic": "new_product"}
DROP = {"email": "ada@example.org", "topic": "price_drop"}
TARGET = DROP | {"product_id": PRODUCT, "target_price": "15.00", "currency": "EUR"}
AT_ONCE = {"frequency": "instant", "locale": None, "time_zone": None, "digest_at": None}
ADA = "ada@example.org"


async def kept(notifier: Notifier, id: str) -> Subscription:
    async with notifier.database.reading() as session:
        found = await session.get(Subscription, UUID(id))
    assert found is not None
    return found


async def test_a_subscription_is_created_read_listed_and_deleted(
    client: httpx2.AsyncClient,
) -> None:
    created = await client.post("/v1/subscriptions", json=TARGET)
    assert created.status_code == 201
    body = created.json()
    assert body == TARGET | AT_ONCE | {"id": body["id"], "created_at": body["created_at"]}
    path = created.headers["Location"]
    assert path == f"/v1/subscriptions/{body['id']}"
    assert (await client.get(path)).json() == body
    assert (await client.get("/v1/subscriptions")).json() == {"items": [body], "next": None}
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404


async def test_the_same_subscription_is_kept_once(client: httpx2.AsyncClient) -> None:
    first = await client.post("/v1/subscriptions", json=DROP)
    second = await client.post("/v1/subscriptions", json=DROP | {"email": "Ada@EXAMPLE.org"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert "Location" not in second.headers


async def test_digests_are_due_at_nine_where_the_person_is(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    for frequency, within, zone in (
        ("daily", timedelta(hours=25), "Asia/Tokyo"),
        ("weekly", timedelta(days=8), None),
    ):
        asked = {"frequency": frequency, "locale": "de-AT", "time_zone": zone}
        answer = await client.post(
            "/v1/subscriptions", json=NEW | asked | {"email": f"{frequency}@x.example"}
        )
        body = answer.json()
        assert answer.status_code == 201
        assert {name: body[name] for name in asked} == asked
        due = datetime.fromisoformat(body["digest_at"])
        assert before < due < before + within
        local = due.astimezone(ZoneInfo(zone or "UTC"))
        assert (local.hour, local.minute) == (9, 0)
        assert frequency == "daily" or local.weekday() == 0
        until = (await kept(notifier, body["id"])).digested_until
        assert until is not None
        assert before < until < before + timedelta(minutes=1)


async def test_how_somebody_is_told_can_be_changed_and_is_no_other_wish(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    async def ask(**how: Any) -> dict[str, Any]:
        answer = await client.post("/v1/subscriptions", json=DROP | how)
        assert answer.status_code in {200, 201}
        assert len((await client.get("/v1/subscriptions")).json()["items"]) == 1
        body: dict[str, Any] = answer.json()
        return body

    first = await ask(locale="fr")
    daily = await ask(frequency="daily", time_zone="America/Lima")
    assert daily == first | {
        "frequency": "daily",
        "time_zone": "America/Lima",
        "digest_at": daily["digest_at"],
    }
    since = (await kept(notifier, first["id"])).digested_until
    # What is not said stays, and so does what the next digest tells.
    assert await ask() == daily
    weekly = await ask(frequency="weekly")
    assert weekly["time_zone"] == "America/Lima"
    assert (
        datetime.fromisoformat(weekly["digest_at"]).astimezone(ZoneInfo("America/Lima")).weekday()
        == 0
    )
    assert (await kept(notifier, first["id"])).digested_until == since
    moved = await ask(time_zone="Asia/Tokyo")
    assert moved["digest_at"] != weekly["digest_at"]
    last = await ask(frequency="instant", time_zone="UTC")
    assert last == first | {"time_zone": "UTC", "digest_at": last["digest_at"]}
    assert last["digest_at"] < moved["digest_at"]
    assert (await kept(notifier, first["id"])).digested_until == since


async def test_a_target_that_is_met_already_is_told_at_once(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    cheap = product(price=Decimal("14.00"))
    await tell(notifier, event(cheap, created=True))
    watch = TARGET | {"product_id": str(cheap.id)}
    assert (await client.post("/v1/subscriptions", json=watch)).status_code == 201
    for other in (
        {"email": "bob@example.org", "target_price": "13.00"},
        {"email": "eve@example.org", "frequency": "daily"},
    ):
        assert (await client.post("/v1/subscriptions", json=watch | other)).status_code == 201
    told = [(each.email, each.old_minor) for each in await ledger(notifier)]
    assert told == [(ADA, None), ("eve@example.org", None)]


async def test_two_at_once_are_one_subscription(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(
            client.post("/v1/subscriptions", json=DROP | {"frequency": each})
            for each in ("daily", "weekly", "instant") * 3
        )
    )
    assert sorted(each.status_code for each in answers) == [200] * 8 + [201]
    assert len({each.json()["id"] for each in answers}) == 1


async def refused(client: httpx2.AsyncClient, body: Any) -> str:
    answer = await client.post("/v1/subscriptions", json=body)
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "urn:heliograph:problem:unsubscribed"
    detail: str = answer.json()["detail"]
    return detail


async def test_who_ended_something_is_not_subscribed_to_it_by_others(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    async def end(scope: Any) -> None:
        async with notifier.database.transaction() as session:
            await PeopleRepository(session).refuse(ADA, scope)

    await end(Wish(email=ADA, topic="price_drop", product_id=UUID(PRODUCT)))
    product_alone = DROP | {"product_id": PRODUCT}
    assert "ended this subscription" in await refused(client, product_alone)
    assert (await client.post("/v1/subscriptions", json=TARGET)).status_code == 201
    await end("price_drop")
    for body in (product_alone, TARGET, DROP):
        assert "the topic price_drop" in await refused(client, body)
    assert (await client.post("/v1/subscriptions", json=NEW)).status_code == 201
    await end("all")
    assert "ended all emails" in await refused(client, NEW)
    assert "ended all emails" in await refused(client, DROP)
    others = DROP | {"email": "bob@example.org"}
    assert (await client.post("/v1/subscriptions", json=others)).status_code == 201


async def test_one_click_in_an_email_is_a_refusal_of_its_topic(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await client.post(f"/unsubscribe/{token}")
    assert "the topic new_product" in await refused(client, NEW)
    # What an administrator ends is no word of its person.
    made = await client.post("/v1/subscriptions", json=DROP)
    await client.delete(made.headers["Location"])
    assert (await client.post("/v1/subscriptions", json=DROP)).status_code == 201


@pytest.mark.parametrize(
    ("reason", "said"),
    [("bounced", "came back"), ("complained", "spam"), ("forgotten", "forgotten")],
)
async def test_an_address_that_is_not_written_to_is_not_subscribed(
    notifier: Notifier, client: httpx2.AsyncClient, reason: Any, said: str
) -> None:
    assert (await client.post("/v1/subscriptions", json=DROP)).status_code == 201
    async with notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(ADA, reason)
    assert said in await refused(client, NEW)
    assert said in await refused(client, DROP)


async def test_nobody_is_subscribed_in_the_moment_in_which_they_leave(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    for _ in range(5):
        token = await subscribe(notifier, ADA, "price_drop")
        watches = [DROP | {"product_id": str(uuid4())} for _ in range(4)]
        await asyncio.gather(
            *(client.post("/v1/subscriptions", json=each) for each in watches[:2]),
            client.post(f"/unsubscribe/{token}"),
            *(client.post("/v1/subscriptions", json=each) for each in watches[2:]),
        )
        assert (await client.get("/v1/subscriptions")).json()["items"] == []


async def test_subscriptions_are_listed_by_page_and_filter(client: httpx2.AsyncClient) -> None:
    for body in (NEW, DROP, NEW | {"email": "bob@example.org"}):
        await client.post("/v1/subscriptions", json=body)
    page = (await client.get("/v1/subscriptions", params={"limit": 2})).json()
    assert [each["topic"] for each in page["items"]] == ["new_product", "price_drop"]
    rest = (
        await client.get("/v1/subscriptions", params={"limit": 2, "after": page["next"]})
    ).json()
    assert [each["email"] for each in rest["items"]] == ["bob@example.org"]
    assert rest["next"] is None
    found = (
        await client.get(
            "/v1/subscriptions", params={"email": "ADA@Example.org", "topic": "price_drop"}
        )
    ).json()["items"]
    assert [(each["email"], each["topic"]) for each in found] == [("ada@example.org", "price_drop")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        NEW | {"email": "ada"},
        NEW | {"email": "ada@example.org\r\nBcc: eve@example.org"},
        NEW | {"email": "ada\u0000@example.org"},
        NEW | {"email": "a" * 300 + "@example.org"},
        NEW | {"topic": "gossip"},
        NEW | {"unknown": 1},
        NEW | {"product_id": PRODUCT},
        DROP | {"product_id": "1"},
        DROP | {"currency": "EUR"},
        DROP | {"target_price": "15.00", "currency": "EUR"},
        DROP | {"product_id": PRODUCT, "target_price": "15.00"},
        TARGET | {"target_price": "0.00"},
        TARGET | {"target_price": "-1"},
        TARGET | {"target_price": "1.001"},
        TARGET | {"target_price": "1e1000000"},
        TARGET | {"target_price": "9" * 40},
        TARGET | {"target_price": 15},
        TARGET | {"target_price": "NaN"},
        TARGET | {"currency": "XXX"},
        TARGET | {"currency": "eur"},
        TARGET | {"currency": "JPY"},
        NEW | {"frequency": "hourly"},
        NEW | {"frequency": "Daily"},
        NEW | {"time_zone": "Europe/Atlantis"},
        NEW | {"time_zone": "../../etc/passwd"},
        NEW | {"time_zone": "UTC\u0000"},
        NEW | {"time_zone": "U" * 100_000},
        NEW | {"time_zone": ""},
        NEW | {"locale": "de_AT"},
        NEW | {"locale": "d"},
        NEW | {"locale": "de-AT\n"},
        NEW | {"locale": "de\u0000"},
        NEW | {"locale": "de" + "-latn" * 10},
    ],
)
@sqlite_suffices
async def test_a_subscription_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, body: Any
) -> None:
    refused = await client.post("/v1/subscriptions", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["errors"]
    assert (await client.get("/v1/subscriptions")).json()["items"] == []


@pytest.mark.parametrize("path", ["/v1/subscriptions", "/v1/notifications", "/v1/inbox/parked"])
@sqlite_suffices
async def test_nobody_reads_without_the_scope(
    public: httpx2.AsyncClient, notifier: Notifier, path: str
) -> None:
    assert (await public.get(path)).status_code == 401
    for scope, status in (("notifier:read", 403), ("catalog:admin", 401)):
        other = notifier.tokens.issue("someone", [scope])
        refused = await public.get(path, headers={"Authorization": f"Bearer {other}"})
        assert refused.status_code == status


@sqlite_suffices
async def test_an_id_that_is_none_is_invalid_and_a_stranger_is_not_found(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.get("/v1/subscriptions/1")).status_code == 422
    assert (await client.get(f"/v1/subscriptions/{uuid4()}")).status_code == 404
