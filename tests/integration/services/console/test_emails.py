"""The ledger of emails: who was told, how it looked, and why somebody was not."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from heliograph.events import new_id
from services.console.api.emails import without_links
from services.notifier.models import Notification
from services.notifier.repositories.people import PeopleRepository
from tests.integration.services.console.conftest import House
from tests.polling import until

ADA, BOB = "ada@example.org", "bob@example.org"
NASTY = "<script>alert(1)</script>\x1b[31m\u202e\"'&" + "x" * 3_000


@pytest.fixture
async def told(house: House) -> dict[str, Any]:
    """Ada was told of a new product; returns the row of the ledger."""
    async with house.api("notifier", "notifier:admin") as api:
        wish = {"email": ADA, "topic": "new_product"}
        assert (await api.post("/v1/subscriptions", json=wish)).status_code == 201
        async with house.api("catalog", "catalog:write") as catalog:
            new = {"sku": "LAMP", "name": "A <b>lamp</b>", "price": "19.99", "currency": "EUR"}
            assert (await catalog.post("/v1/products", json=new)).status_code == 201

        async def sent() -> dict[str, Any] | None:
            found = (await api.get("/v1/notifications", params={"state": "sent"})).json()
            return found["items"][0] if found["items"] else None

        row: dict[str, Any] = await until(sent)
    await house.drained()
    return row


async def enter(house: House, **values: Any) -> int:
    """Enter a row into the ledger; returns its id."""
    row = Notification(
        **{
            "event_id": new_id(),
            "subscription_id": new_id(),
            "email": BOB,
            "topic": "new_product",
            "state": "failed",
            "due_at": datetime.now(UTC),
            "created_at": datetime.now(UTC),
        }
        | values
    )
    async with house.notifier.database.transaction() as session:
        session.add(row)
    return row.id


async def test_an_empty_ledger_says_so(reader: httpx2.AsyncClient) -> None:
    page = await reader.get("/emails")
    assert "No email was written yet." in page.text


async def test_an_email_is_found_and_read(admin: httpx2.AsyncClient, told: dict[str, Any]) -> None:
    listed = await admin.get("/emails", params={"event_id": told["event_id"]})
    assert ADA in listed.text
    assert "A &lt;b&gt;lamp&lt;/b&gt;" in listed.text
    path = f"/emails/notifier/{told['id']}"
    assert f'href="{path}"' in listed.text
    one = await admin.get(path)
    assert f"{told['event_id']}.{told['subscription_id']}@" in one.text
    assert f'href="/products/{told["product_id"]}"' in one.text
    assert "What it says" in one.text
    assert f'<iframe class="email" sandbox src="{path}/html"' in one.text
    assert "/unsubscribe/…" in one.text


async def test_an_email_as_html_is_in_a_sandbox(
    admin: httpx2.AsyncClient, told: dict[str, Any]
) -> None:
    answer = await admin.get(f"/emails/notifier/{told['id']}/html")
    assert answer.status_code == 200
    assert "<style>" in answer.text
    assert ADA in answer.text
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert "frame-ancestors 'self'" in policy
    assert not any("script" in each for each in policy)
    assert not re.search(r"<a\b[^>]*\shref", answer.text)
    assert (await admin.get("/emails/notifier/999/html")).status_code == 404
    assert (await admin.get("/emails/nobody/1/html")).status_code == 404


def test_links_of_an_email_lead_nowhere() -> None:
    html = '<a\n HREF="https://a.example" style="x">a</a><a href = \'b\'>href="c"</a>'
    bare = '<a\n data-href="https://a.example" style="x">a</a><a data-href = \'b\'>href="c"</a>'
    assert without_links(html) == bare


async def test_who_only_looks_sees_no_address_and_no_content(
    house: House, reader: httpx2.AsyncClient, told: dict[str, Any]
) -> None:
    failed = await enter(house, reason=f"550 no {BOB} here", answer=f"no {BOB}")
    pages = [
        await reader.get("/emails"),
        await reader.get(f"/emails/notifier/{told['id']}"),
        await reader.get(f"/emails/notifier/{failed}"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert ADA not in page.text
        assert BOB not in page.text
        assert "/unsubscribe/" not in page.text
        assert 'name="email"' not in page.text
    assert "a…@example.org" in pages[0].text
    assert "550 no b…@example.org here" in pages[0].text
    html = await reader.get(f"/emails/notifier/{told['id']}/html")
    search = await reader.get("/emails", params={"email": ADA})
    for answer in (html, search):
        assert answer.status_code == 403
        assert ADA not in answer.text


async def test_the_newest_come_first_and_older_ones_behind(
    house: House, reader: httpx2.AsyncClient
) -> None:
    ids = [await enter(house, email=f"p{i}@example.org") for i in range(60)]
    first = await reader.get("/emails?state=failed")
    shown = [int(each) for each in re.findall(r'href="/emails/notifier/(\d+)"', first.text)]
    assert shown == ids[:9:-1]
    [older] = re.findall(r'href="([^"]*after=\d+)"', first.text)
    second = await reader.get(older.replace("&amp;", "&"))
    shown = [int(each) for each in re.findall(r'href="/emails/notifier/(\d+)"', second.text)]
    assert shown == ids[9::-1]
    assert 'href="/emails?service=notifier&amp;state=failed">The newest<' in second.text


async def test_it_is_said_why_somebody_was_not_written_to(
    house: House, admin: httpx2.AsyncClient
) -> None:
    async def search(email: str) -> str:
        return (await admin.get("/emails", params={"email": email})).text

    assert "nobody subscribed this address, nor asked to" in await search(BOB)
    async with house.api("notifier", "notifier:admin") as api:
        request = {"email": BOB, "topic": "price_drop"}
        assert (await api.post("/v1/subscriptions/requests", json=request)).status_code == 202
        wish = {"email": ADA, "topic": "new_product"}
        await api.post("/v1/subscriptions", json=wish)
        assert "has not confirmed it" in await search(BOB)
        fine = await search(ADA)
        assert "No email" in fine
        assert "Is told of new product" in fine
        assert 'href="/parked?service=notifier"' in fine
        bounce = {"email": ADA, "kind": "complaint", "message_id": "<x@y>", "detail": NASTY[:200]}
        await api.post("/v1/bounces", json=bounce)
    async with house.notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(ADA, "bounced", "550 no such user")
    suppressed = await search(ADA)
    assert "Nothing is sent to this address" in suppressed
    assert "550 no such user" in suppressed
    assert "emails to it came back" in suppressed
    assert "Subscribed to new products, but nothing is sent" in suppressed
    assert "Is told of" not in suppressed
    assert f"<code>DELETE /v1/suppressions/{ADA}</code>" in suppressed
    assert "by confirming a new request" in suppressed


async def test_an_email_that_was_cancelled_was_not_written(
    house: House, admin: httpx2.AsyncClient
) -> None:
    async with house.api("notifier", "notifier:admin") as api:
        wish = {"email": ADA, "topic": "new_product"}
        assert (await api.post("/v1/subscriptions", json=wish)).status_code == 201
    async with house.notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(ADA, "complained")
    row = await enter(house, email=ADA, state="pending")

    async def cancelled() -> str | None:
        text = (await admin.get(f"/emails/notifier/{row}")).text
        return text if "cancelled" in text else None

    page = await until(cancelled)
    assert "the recipient marked an earlier email as spam" in page
    assert "It was not sent and will not be" in page
    assert "It was cancelled before it was composed: there is nothing to show." in page
    for odd in ("not yet", "none before", "cannot be shown"):
        assert odd not in page


async def test_an_event_without_an_email_leads_to_what_became_of_it(
    reader: httpx2.AsyncClient,
) -> None:
    id_ = new_id()
    page = await reader.get("/emails", params={"event_id": str(id_)})
    assert "No email for this event" in page.text
    assert f'href="/events/{id_}"' in page.text


async def test_text_of_strangers_does_nothing(house: House, admin: httpx2.AsyncClient) -> None:
    row = await enter(house, email=NASTY, reason=NASTY, answer=NASTY)
    for path in ("/emails", f"/emails/notifier/{row}"):
        page = await admin.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text


async def test_a_service_that_is_down_is_missing(house: House, admin: httpx2.AsyncClient) -> None:
    house.wires.down["notifier"] = None
    page = await admin.get("/emails", params={"email": ADA})
    assert page.status_code == 200
    assert "The part of <strong>notifier</strong> is missing" in page.text
    assert (await admin.get("/emails/notifier/1")).status_code == 503
    assert (await admin.get("/emails/notifier/1/html")).status_code == 503


async def test_an_answer_of_another_kind_is_missing(
    house: House, admin: httpx2.AsyncClient
) -> None:
    odd = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"items": [{"id": "x"}]}))
    house.wires.down["notifier"] = odd
    for path in ("/emails", "/parked"):
        assert "its answer is not understood" in (await admin.get(path)).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("event_id=lamp", "An event&#39;s id is a UUID"),
        ("state=lost", "There is no such state"),
        ("email=ada", "Addresses are searched for as a whole, and this is none"),
    ],
)
async def test_a_search_that_makes_no_sense_is_told(
    admin: httpx2.AsyncClient, query: str, said: str
) -> None:
    page = await admin.get(f"/emails?{query}")
    assert page.status_code == 400
    assert said in page.text


async def test_an_email_that_is_not_there_is_a_page(admin: httpx2.AsyncClient) -> None:
    for path in ("/emails/notifier/1", "/emails/nobody/1"):
        page = await admin.get(path)
        assert page.status_code == 404
        assert "<h1>Emails</h1>" in page.text
