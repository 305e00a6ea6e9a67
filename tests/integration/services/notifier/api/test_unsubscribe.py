"""The unsubscribe link, as people and mail programs use it."""

import httpx2
import pytest

from heliograph.events import new_id
from services.notifier.repositories.preferences import PreferencesRepository
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import subscribe, tell, told
from tests.samples import event, product

MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)
ADA, BOB = "ada@example.org", "bob@example.org"


@sqlite_suffices
async def test_looking_at_the_page_changes_nothing(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    page = await public.get(f"/unsubscribe/{token}")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Cache-Control"] == "no-store, no-transform"
    assert page.request.headers["Accept-Encoding"].startswith("gzip")
    assert "Content-Encoding" not in page.headers
    assert '<form method="post">' in page.text
    assert ADA not in page.text
    assert f'href="../preferences/{token}"' in page.text
    await tell(notifier, event(created=True))
    assert await told(notifier) == [ADA]


async def test_the_page_names_the_product_and_says_that_more_than_it_ends(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    chair = product(name="<b>Chair</b>")
    await tell(notifier, event(chair, created=True))
    token = await subscribe(notifier, ADA, "price_drop", product_id=chair.id)
    page = (await public.get(f"/unsubscribe/{token}")).text
    assert "those about <bdi>&lt;b&gt;Chair&lt;/b&gt;</bdi> and about every other" in page
    unheard_of = await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    assert "every other" not in (await public.get(f"/unsubscribe/{unheard_of}")).text


async def test_the_page_asks_as_long_as_anything_of_its_topic_is_left(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    await subscribe(notifier, ADA, "price_drop")
    async with notifier.database.transaction() as session:
        preferences = PreferencesRepository(session)
        await preferences.end(ADA, [(await preferences.of(ADA))[0].id])
    assert "Do you want" in (await public.get(f"/unsubscribe/{token}")).text
    await public.post(f"/unsubscribe/{token}")
    assert "You will get no more" in (await public.get(f"/unsubscribe/{token}")).text


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=b"),
    ],
    ids=["button", "one click", "one click as multipart"],
)
@sqlite_suffices
async def test_posting_unsubscribes_however_often(
    notifier: Notifier, public: httpx2.AsyncClient, content: bytes, content_type: str
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "new_product")
    for _ in range(2):
        page = await public.post(
            f"/unsubscribe/{token}", content=content, headers={"Content-Type": content_type}
        )
        assert page.status_code == 200
        assert "You will get no more emails about new products." in page.text
        assert ADA not in page.text
    assert "no more" in (await public.get(f"/unsubscribe/{token}")).text
    await tell(notifier, event(created=True))
    assert await told(notifier) == [BOB]


async def test_what_trackers_add_to_the_link_harms_nothing(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    tracked = f"/unsubscribe/{token}?utm_source=email&utm_source=again&x"
    assert (await public.get(tracked)).status_code == 200
    assert "no more emails" in (await public.post(tracked)).text
    await tell(notifier, event(created=True))
    assert await told(notifier) == []


@sqlite_suffices
async def test_the_link_ends_all_of_its_topic_and_no_other(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "price_drop")
    await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "price_drop")
    await client.post(f"/unsubscribe/{token}")
    left = (await client.get("/v1/subscriptions")).json()["items"]
    assert [(each["email"], each["topic"]) for each in left] == [
        (ADA, "new_product"),
        (BOB, "price_drop"),
    ]


async def left(client: httpx2.AsyncClient) -> list[tuple[str, str]]:
    items = (await client.get("/v1/subscriptions")).json()["items"]
    return [(each["email"], each["topic"]) for each in items]


async def test_the_link_of_a_digest_ends_all_that_come_by_digest(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product", frequency="daily")
    await subscribe(notifier, ADA, "price_drop", frequency="weekly", product_id=new_id())
    await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    await subscribe(notifier, BOB, "price_drop", frequency="daily")
    link = f"/unsubscribe/{token}?all=digests&utm_source=email"
    both = "no more emails about new products and price drops"
    asked = (await client.get(link)).text
    assert f"Do you want to get {both}?" in asked
    for _ in range(2):
        assert f"You will get {both}." in (await client.post(link)).text
    assert f"You will get {both}." in (await client.get(link)).text
    assert await left(client) == [(BOB, "price_drop")]
    for topic in ("new_product", "price_drop"):
        wish = {"email": ADA, "topic": topic}
        assert (await client.post("/v1/subscriptions", json=wish)).status_code == 409


async def test_the_link_of_a_digest_ends_its_topic_and_none_that_is_told_at_once(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    link = f"/unsubscribe/{token}?all=digests"
    assert "about new products?" in (await client.get(link)).text
    assert "about new products." in (await client.post(link)).text
    assert await left(client) == [(ADA, "price_drop")]


@pytest.mark.parametrize("query", ["", "?all", "?all=", "?all=everything", "?all=%00&all=x"])
async def test_a_link_that_is_none_of_a_digest_ends_one_topic(
    notifier: Notifier, client: httpx2.AsyncClient, query: str
) -> None:
    token = await subscribe(notifier, ADA, "new_product", frequency="daily")
    await subscribe(notifier, ADA, "price_drop", frequency="daily")
    link = f"/unsubscribe/{token}{query}"
    assert "about new products?" in (await client.get(link)).text
    assert "about new products." in (await client.post(link)).text
    assert await left(client) == [(ADA, "price_drop")]


@pytest.mark.parametrize("token", ["x", "A" * 32, "A" * 5000, "%00" + "A" * 31, "ü" * 32])
async def test_an_unknown_link_is_a_page_that_says_so(
    public: httpx2.AsyncClient, token: str
) -> None:
    for method in ("GET", "POST"):
        page = await public.request(method, f"/unsubscribe/{token}")
        assert page.status_code == 404
        assert "not known" in page.text
