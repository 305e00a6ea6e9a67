"""The ledger over REST."""

import httpx2
import pytest

from heliograph.events import new_id
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import repriced, subscribe, tell
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


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", f"after={2**63}", "state=lost", "event_id=1", "email=ada"]
)
@sqlite_suffices
async def test_a_filter_that_makes_no_sense_is_invalid(
    client: httpx2.AsyncClient, query: str
) -> None:
    assert (await client.get(f"/v1/notifications?{query}")).status_code == 422
