"""Asking to be subscribed, and confirming it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import func, select

from heliograph.bus import MemoryBus
from heliograph.database import database_now
from heliograph.service import Retention
from services.notifier.models import Attempts, Request, Subscription
from services.notifier.repositories.people import PeopleRepository
from services.notifier.repositories.requests import KEPT_S, RequestRepository
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from services.notifier.wishes import Wish
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import ledger, subscribe, tell
from tests.samples import event, product

ASK = "/v1/subscriptions/requests"
ADA, BOB = "ada@example.org", "bob@example.org"
NEW = {"email": ADA, "topic": "new_product"}
DROP = {"email": ADA, "topic": "price_drop"}
BUTTON = '<form method="post">'


async def asked(client: httpx2.AsyncClient, body: Any, **headers: str) -> None:
    answer = await client.post(ASK, json=body, headers=headers)
    assert (answer.status_code, answer.content) == (202, b""), answer.text


async def secret(notifier: Notifier) -> str:
    """The token in the last email that asks to confirm."""
    last = (await ledger(notifier))[-1]
    assert (last.topic, last.state) == ("confirmation", "pending")
    assert last.secret is not None
    return last.secret


async def subscriptions(notifier: Notifier) -> list[Subscription]:
    async with notifier.database.reading() as session:
        wanted = select(Subscription).where(Subscription.wish.is_not(None))
        return list(await session.scalars(wanted.order_by(Subscription.id)))


async def later(notifier: Notifier, **time: float) -> None:
    """Let so much time have passed since everything that was asked."""
    past = timedelta(**time)
    async with notifier.database.transaction() as session:
        for each in await session.scalars(select(Attempts)):
            each.began_at -= past
        for request in await session.scalars(select(Request)):
            request.created_at -= past
            request.expires_at -= past


async def test_a_request_is_mailed_and_begins_when_it_is_confirmed(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    how = {"frequency": "weekly", "locale": "de-AT", "time_zone": "Europe/Vienna"}
    watched = product()
    wish = DROP | {"product_id": str(watched.id), "target_price": "9.50", "currency": "EUR"}
    await asked(public, wish | how)
    [mail] = await ledger(notifier)
    assert mail.event_id == mail.subscription_id
    assert (mail.email, mail.product_id, mail.currency) == (ADA, watched.id, "EUR")
    assert mail.due_at == pytest.approx(mail.created_at, abs=timedelta(seconds=1))
    assert await subscriptions(notifier) == []
    token = await secret(notifier)
    async with notifier.database.reading() as session:
        request = await session.get_one(Request, mail.event_id)
        now = await session.scalar(select(database_now()))
    assert token not in (request.token_hash, str(request.id))
    assert now is not None
    assert timedelta(hours=47) < request.expires_at - now < timedelta(hours=49)

    page = await public.get(f"/confirm/{token}")
    assert page.status_code == 200
    assert BUTTON in page.text
    assert "9.50 EUR" in page.text
    assert ADA not in page.text
    assert page.headers["Cache-Control"] == "no-store, no-transform"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert await subscriptions(notifier) == []

    done = await public.post(f"/confirm/{token}")
    assert done.status_code == 200
    assert BUTTON not in done.text
    [begun] = await subscriptions(notifier)
    assert (begun.email, begun.product_id, begun.target_minor) == (ADA, watched.id, 950)
    assert {name: getattr(begun, name) for name in how} == how
    assert begun.digest_at is not None


async def test_the_page_names_the_product_and_confirming_tells_of_a_target_that_is_met(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    cheap = product(name="Rock & <b>Roll</b>", price=Decimal("9.00"))
    await tell(notifier, event(cheap, created=True))
    wish = DROP | {"product_id": str(cheap.id), "target_price": "9.50", "currency": "EUR"}
    await asked(public, wish)
    token = await secret(notifier)
    assert "Rock &amp; &lt;b&gt;Roll&lt;/b&gt;" in (await public.get(f"/confirm/{token}")).text
    await public.post(f"/confirm/{token}")
    assert [each.topic for each in await ledger(notifier)] == ["confirmation", "price_drop"]


@pytest.mark.parametrize(
    ("heard", "what"), [(True, "when the price of Lamp falls"), (False, "one product")]
)
async def test_the_email_says_what_is_asked_for_heard_of_or_not(
    notifier: Notifier, public: httpx2.AsyncClient, what: str, *, heard: bool
) -> None:
    lamp = product(name="Lamp")
    if heard:
        await tell(notifier, event(lamp, created=True))
    await asked(public, DROP | {"product_id": str(lamp.id)})
    token = await secret(notifier)
    [due] = (await notifier.claims.claim(10)).emails
    mail = due.letter.preview(due.addressee)
    assert what in " ".join(mail.text.split())
    assert f"https://notifier.example/confirm/{token}" in mail.text
    assert "unsubscribe" not in mail.text.lower()


async def test_confirming_again_changes_nothing_and_what_ended_meanwhile_stays_so(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    await asked(public, NEW)
    token = await secret(notifier)
    pages = await asyncio.gather(*(public.post(f"/confirm/{token}") for _ in range(6)))
    assert {each.status_code for each in pages} == {200}
    [begun] = await subscriptions(notifier)
    assert BUTTON not in (await public.get(f"/confirm/{token}")).text
    await public.post(f"/unsubscribe/{begun.token}")
    for method in ("GET", "POST"):
        assert (await public.request(method, f"/confirm/{token}")).status_code == 410
    assert await subscriptions(notifier) == []


async def test_after_two_days_the_link_has_expired_and_later_it_is_unknown(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    await asked(public, NEW)
    token = await secret(notifier)
    await later(notifier, hours=47)
    assert (await public.get(f"/confirm/{token}")).status_code == 200
    retention = Retention(
        notifier.database, lambda session, limit: RequestRepository(session).prune(limit)
    )
    await later(notifier, hours=2)
    for method in ("GET", "POST"):
        page = await public.request(method, f"/confirm/{token}")
        assert page.status_code == 410
        assert BUTTON not in page.text
    assert await subscriptions(notifier) == []
    # The counts of the client and of the address.
    assert [await retention.prune() for _ in range(2)] == [2, 0]
    await later(notifier, seconds=KEPT_S)
    assert [await retention.prune() for _ in range(2)] == [1, 0]
    assert (await public.get(f"/confirm/{token}")).status_code == 404


@pytest.mark.parametrize(
    "token", ["x", "A" * 43, "A" * 32, "A" * 5000, "%00" + "A" * 42, "ü" * 43, "A" * 42 + "%0A"]
)
@sqlite_suffices
async def test_an_unknown_link_is_a_page_that_says_so(
    public: httpx2.AsyncClient, token: str
) -> None:
    for method in ("GET", "POST"):
        page = await public.request(method, f"/confirm/{token}?utm_source=email&utm_source=x")
        assert page.status_code == 404
        assert "not known" in page.text


async def test_the_token_of_a_subscription_confirms_nothing(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    other = await subscribe(notifier, BOB, "new_product")
    await asked(public, NEW)
    token = await secret(notifier)
    assert (await public.post(f"/confirm/{other}")).status_code == 404
    assert (await public.post(f"/unsubscribe/{token}")).status_code == 404


async def test_an_address_is_asked_once_in_ten_minutes_about_the_first_wish(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    await asked(public, NEW)
    first = await secret(notifier)
    await asked(public, NEW)
    await asked(public, DROP | {"email": "Ada@EXAMPLE.org"})
    assert len(await ledger(notifier)) == 1
    await later(notifier, minutes=11)
    await asked(public, DROP)
    second = await secret(notifier)
    assert second != first
    await public.post(f"/confirm/{first}")
    await public.post(f"/confirm/{second}")
    assert [each.topic for each in await subscriptions(notifier)] == ["new_product", "price_drop"]


async def test_two_programs_that_are_asked_at_once_send_one_email(
    notifier: Notifier, public: httpx2.AsyncClient, database_url: str
) -> None:
    settings = NotifierSettings(database_url=database_url, secret_key="k" * 32)
    other = Notifier(settings, MemoryBus())
    try:
        transport = httpx2.ASGITransport(app=other.app({"api"}))
        async with httpx2.AsyncClient(transport=transport, base_url="http://other") as client:
            await asyncio.gather(
                *(asked(each, NEW) for each in (public, client) * 4),
                *(asked(each, NEW | {"email": BOB}) for each in (public, client) * 4),
            )
    finally:
        await other.close()
    assert sorted(each.email for each in await ledger(notifier)) == [ADA, BOB]


async def test_nobody_learns_who_is_subscribed_and_the_ledger_says_why_nothing_was_sent(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await asked(public, NEW)
    [row] = await ledger(notifier)
    assert (row.state, row.reason, row.secret) == ("cancelled", "the subscription exists", None)
    await later(notifier, minutes=11)
    async with notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(ADA, "bounced")
    # Confirming would lift that.
    await asked(public, NEW)
    await public.post(f"/confirm/{await secret(notifier)}")
    async with notifier.database.reading() as session:
        assert await PeopleRepository(session).suppressed([ADA]) == {}
    assert len(await subscriptions(notifier)) == 1


async def test_who_left_comes_back_by_their_own_confirmation_to_what_they_confirm(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    async with notifier.database.transaction() as session:
        people = PeopleRepository(session)
        await people.refuse(ADA, "all")
        await people.refuse(ADA, Wish(email=ADA, topic="price_drop", product_id=uuid4()))
        await people.suppress(ADA, "complained")
    await asked(client, NEW)
    await client.post(f"/confirm/{await secret(notifier)}")
    assert [each.topic for each in await subscriptions(notifier)] == ["new_product"]
    assert (await client.post("/v1/subscriptions", json=NEW)).status_code == 200
    assert (await client.post("/v1/subscriptions", json=DROP)).status_code == 409


@pytest.fixture
async def proxied(database_url: str, notifier: Notifier) -> AsyncIterator[httpx2.AsyncClient]:
    """A client behind a proxy that is trusted."""
    settings = NotifierSettings(
        database_url=database_url, secret_key="k" * 32, trusted_proxies="10.0.0.0/8"
    )
    service = Notifier(settings, MemoryBus())
    transport = httpx2.ASGITransport(app=service.app({"api"}), client=("10.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://notifier") as client:
        yield client
    await service.close()


def somebody() -> dict[str, str]:
    return NEW | {"email": f"{uuid4()}@example.org"}


async def test_a_client_asks_twenty_times_in_ten_minutes(
    notifier: Notifier, proxied: httpx2.AsyncClient
) -> None:
    ours = {"X-Forwarded-For": "203.0.113.9, 2001:db8::1"}
    answers = await asyncio.gather(
        *(proxied.post(ASK, json=somebody(), headers=ours) for _ in range(23))
    )
    assert sorted(each.status_code for each in answers) == [202] * 20 + [429] * 3
    # Of the same network.
    again = await proxied.post(
        ASK, json=somebody(), headers={"X-Forwarded-For": "198.51.100.7, 2001:db8::2"}
    )
    assert again.json()["type"] == "urn:heliograph:problem:too-many-requests"
    assert 1 <= int(again.headers["Retry-After"]) <= 600
    assert len(await ledger(notifier)) == 20
    await asked(proxied, somebody(), **{"X-Forwarded-For": "2001:db8:0:1::1"})
    await later(notifier, minutes=11)
    await asked(proxied, somebody(), **ours)


@sqlite_suffices
async def test_headers_of_a_stranger_make_no_other_client_of_them(
    public: httpx2.AsyncClient,
) -> None:
    answers = [
        await public.post(ASK, json=somebody(), headers={"X-Forwarded-For": f"192.0.2.{each}"})
        for each in range(21)
    ]
    assert [each.status_code for each in answers] == [202] * 20 + [429]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        NEW | {"email": "ada"},
        NEW | {"email": "ada\u0000@example.org"},
        NEW | {"email": "a" * 300 + "@example.org"},
        NEW | {"topic": "all"},
        NEW | {"product_id": str(uuid4())},
        NEW | {"time_zone": "Nowhere"},
        NEW | {"token": "mine"},
        DROP | {"target_price": "15.00", "currency": "EUR"},
    ],
)
@sqlite_suffices
async def test_a_request_that_makes_no_sense_is_refused_and_not_counted(
    notifier: Notifier, public: httpx2.AsyncClient, body: Any
) -> None:
    refused = await public.post(ASK, json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"]
    async with notifier.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Attempts)) == 0
    assert await ledger(notifier) == []
