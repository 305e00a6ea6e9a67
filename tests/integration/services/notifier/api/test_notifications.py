"""The ledger over REST."""

import httpx2
import pytest

from heliograph.events import new_id
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.notifier.conftest import repriced, subscribe, tell
from tests.polling import until
from tests.samples import event, product

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
async def events(notifier: Notifier) -> tuple[str, str]:
    """Tell two people of a new product and one of a price drop; returns the events' ids."""
    for email in (ADA, BOB):
        await subscribe(notifier, email, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    created, drop = event(created=True), repriced(product(), "19.99", "14.99")
    await tell(notifier, created)
    await tell(notifier, drop)
    return str(created.id), str(drop.id)


async def test_the_ledger_tells_who_was_told_of_what(
    client: httpx2.AsyncClient, events: tuple[str, str]
) -> None:
    found = (await client.get("/v1/notifications", params={"event_id": events[0]})).json()
    first = found["items"][0]
    assert first == {
        "id": first["id"],
        "event_id": events[0],
        "subscription_id": first["subscription_id"],
        "email": ADA,
        "topic": "new_product",
        "state": "pending",
        "attempts": 0,
        "reason": None,
        "product_id": first["product_id"],
        "told_by": None,
        "waits_until": first["waits_until"],
        "created_at": first["created_at"],
        "sent_at": None,
    }
    assert [each["email"] for each in found["items"]] == [ADA, BOB]


async def test_the_ledger_is_read_by_filter(
    client: httpx2.AsyncClient, events: tuple[str, str]
) -> None:
    async def count(**params: str) -> int:
        return len((await client.get("/v1/notifications", params=params)).json()["items"])

    assert await count() == 3
    assert await count(email=ADA) == 2
    assert await count(email=ADA, event_id=events[1]) == 1
    assert await count(state="pending") == 3
    assert await count(state="sent") == 0
    assert await count(event_id=str(new_id())) == 0


async def test_the_ledger_is_read_by_page(
    client: httpx2.AsyncClient, events: tuple[str, str]
) -> None:
    page = (await client.get("/v1/notifications", params={"limit": "2"})).json()
    rest = (
        await client.get("/v1/notifications", params={"limit": "2", "after": page["next"]})
    ).json()
    assert len(page["items"]) == 2
    assert len(rest["items"]) == 1
    assert rest["next"] is None


async def test_the_ledger_is_read_from_its_end(
    client: httpx2.AsyncClient, events: tuple[str, str]
) -> None:
    oldest = (await client.get("/v1/notifications")).json()["items"]
    newest = {"order": "newest", "limit": "2"}
    page = (await client.get("/v1/notifications", params=newest)).json()
    rest = (await client.get("/v1/notifications", params=newest | {"after": page["next"]})).json()
    assert page["items"] + rest["items"] == oldest[::-1]
    assert rest["next"] is None
    of_ada = (await client.get("/v1/notifications", params=newest | {"email": ADA})).json()
    assert of_ada["items"] == [each for each in oldest[::-1] if each["email"] == ADA]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", f"after={2**63}", "state=lost", "event_id=1", "email=ada", "order=id"],
)
@sqlite_suffices
async def test_a_filter_that_makes_no_sense_is_invalid(
    client: httpx2.AsyncClient, query: str
) -> None:
    assert (await client.get(f"/v1/notifications?{query}")).status_code == 422


async def test_a_row_says_how_its_email_went(
    client: httpx2.AsyncClient, notifier: Notifier, events: tuple[str, str]
) -> None:
    found = (await client.get("/v1/notifications", params={"event_id": events[1]})).json()
    path = f"/v1/notifications/{found['items'][0]['id']}"
    waiting = (await client.get(path)).json()
    assert (waiting["state"], waiting["message_id"], waiting["answer"]) == ("pending", None, None)
    assert waiting["waits_until"] == found["items"][0]["waits_until"] is not None
    would_be = (await client.get(f"{path}/content")).json()
    assert would_be["sent"] is False
    assert would_be["subject"] == "Price drop: Lamp now 14.99 EUR (was 19.99 EUR)"

    async with running(notifier.mail_worker):
        await until(lambda: settled(client))
    sent = (await client.get(path)).json()
    assert sent["state"] == "sent"
    assert sent["message_id"] == f"<{events[1]}.{sent['subscription_id']}@shop.example>"
    assert sent["waits_until"] is None
    content = (await client.get(f"{path}/content")).json()
    assert content["sent"] is True
    assert content["subject"] == would_be["subject"]
    assert "14.99 EUR" in content["text"]
    assert ADA in content["html"]


async def test_the_content_holds_no_secret_of_its_recipient(
    client: httpx2.AsyncClient, notifier: Notifier
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with running(notifier.mail_worker):
        await until(lambda: settled(client))
    [row] = (await client.get("/v1/notifications")).json()["items"]
    assert token not in (await client.get(f"/v1/notifications/{row['id']}/content")).text


async def test_what_was_merged_says_by_what_it_is_told(
    client: httpx2.AsyncClient, notifier: Notifier
) -> None:
    await subscribe(notifier, ADA, "price_drop")
    lamp = product(name="Lamp")
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    await tell(notifier, repriced(lamp, "14.99", "9.99", version=3))
    async with running(notifier.mail_worker):
        await until(lambda: settled(client))
    first, second = (await client.get("/v1/notifications")).json()["items"]
    assert (first["state"], first["told_by"]) == ("sent", None)
    assert (second["state"], second["told_by"]) == ("sent", first["id"])
    details = [
        (await client.get(f"/v1/notifications/{row['id']}")).json() for row in (first, second)
    ]
    assert details[0]["message_id"] == details[1]["message_id"] is not None
    contents = [
        (await client.get(f"/v1/notifications/{row['id']}/content")).json()
        for row in (first, second)
    ]
    assert contents[0] == contents[1]
    assert contents[0]["subject"] == "Price drop: Lamp now 9.99 EUR (was 19.99 EUR)"


@sqlite_suffices
async def test_what_was_cancelled_has_no_content(
    client: httpx2.AsyncClient, notifier: Notifier
) -> None:
    await subscribe(notifier, ADA, "new_product")
    lamp = product()
    await tell(notifier, event(lamp, created=True))
    gone = lamp.model_copy(update={"version": 2})
    await tell(notifier, event(gone, signal="post_delete"))
    async with running(notifier.mail_worker):
        await until(lambda: settled(client))
    [row] = (await client.get("/v1/notifications")).json()["items"]
    assert (row["state"], row["reason"]) == ("cancelled", "the product is gone")
    assert (await client.get(f"/v1/notifications/{row['id']}/content")).status_code == 404


@sqlite_suffices
@pytest.mark.parametrize("path", ["1", "0", "-1", "x", str(2**63)])
async def test_a_row_that_is_not_there_is_not_found_or_no_number(
    client: httpx2.AsyncClient, path: str
) -> None:
    for each in (path, f"{path}/content"):
        answer = await client.get(f"/v1/notifications/{each}")
        assert answer.status_code == (404 if path == "1" else 422)


async def settled(client: httpx2.AsyncClient) -> bool:
    return not (await client.get("/v1/notifications", params={"state": "pending"})).json()["items"]
