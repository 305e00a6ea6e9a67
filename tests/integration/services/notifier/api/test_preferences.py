"""A person's own page, and what its form does."""

from datetime import timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from heliograph.database import database_now
from heliograph.events import new_id
from services.notifier.api.preferences import MAX_FORM_BYTES, MOST_FIELDS, MOST_SHOWN
from services.notifier.digest_times import next_digest
from services.notifier.models import Subscription
from services.notifier.repositories.people import PeopleRepository
from services.notifier.repositories.subscriptions import Wish
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import subscribe, tell, told
from tests.samples import event, product

ADA, BOB = "ada@example.org", "bob@example.org"


async def stored(notifier: Notifier, token: str) -> Subscription:
    async with notifier.database.reading() as session:
        found = await session.scalars(select(Subscription).where(Subscription.token == token))
        return found.one()


async def everything(notifier: Notifier) -> list[tuple[Any, ...]]:
    async with notifier.database.reading() as session:
        columns = Subscription.__table__.columns
        return [tuple(row) for row in await session.execute(select(*columns).order_by("id"))]


async def refuses(notifier: Notifier, wish: Wish) -> bool:
    async with notifier.database.reading() as session:
        return await PeopleRepository(session).refuses(wish)


async def save(
    public: httpx2.AsyncClient, token: str, frequencies: dict[UUID, str] | None = None, **more: Any
) -> httpx2.Response:
    fields = {f"frequency-{each}": value for each, value in (frequencies or {}).items()}
    form = {"do": "save", "time_zone": "Europe/Berlin"} | fields | more
    return await public.post(f"/preferences/{token}", data=form)


async def test_the_page_shows_all_that_the_person_is_told_and_changes_nothing(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    chair = product(name="<b>Chair</b> & كرسي")
    await tell(notifier, event(chair, created=True))
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    await subscribe(
        notifier, ADA, "price_drop", product_id=chair.id, target_minor=129_900, currency="EUR"
    )
    await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    await subscribe(notifier, BOB, "price_drop", product_id=new_id())
    before = await everything(notifier)
    page = await public.get(f"/preferences/{token}")
    assert page.status_code == 200
    assert ADA in page.text
    assert BOB not in page.text
    assert page.text.count("<fieldset") == 4
    for words in (
        "new products",
        "price drops of all products",
        "the price of <bdi>&lt;b&gt;Chair&lt;/b&gt; &amp; كرسي</bdi>, once it is 1,299.00 EUR or",
        "price drops of one product",
        '<option value="UTC" selected>',
    ):
        assert words in page.text
    assert await everything(notifier) == before


@sqlite_suffices
async def test_nobody_keeps_indexes_or_passes_on_the_page(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    answers = [
        await public.get(f"/preferences/{token}"),
        await public.get("/preferences/unknown"),
        await save(public, token),
        await save(public, token, do="no"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 303, 422]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store, no-transform"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_the_link_of_a_subscription_that_has_ended_leads_to_the_others(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    await public.post(f"/unsubscribe/{token}")
    page = await public.get(f"/preferences/{token}?utm_source=email&utm_source=again&x")
    assert page.text.count("<fieldset") == 1
    assert "price drops of all products" in page.text


async def test_a_digest_is_due_at_nine_and_tells_what_happens_from_now_on(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    other = await subscribe(notifier, ADA, "price_drop")
    mine = (await stored(notifier, token)).id
    async with notifier.database.reading() as session:
        before = (await session.scalars(select(database_now()))).one()

    answer = await save(public, token, {mine: "daily"})
    assert answer.status_code == 303
    daily = await stored(notifier, token)
    assert (daily.frequency, daily.time_zone) == ("daily", "Europe/Berlin")
    since = daily.digested_until
    assert since is not None
    assert before - timedelta(seconds=1) <= since <= before + timedelta(minutes=1)
    assert daily.digest_at == next_digest(since, "daily", "Europe/Berlin")
    untold = await stored(notifier, other)
    assert (untold.frequency, untold.time_zone) == ("instant", "Europe/Berlin")
    assert (untold.digest_at, untold.digested_until) == (None, None)

    await save(public, token, {mine: "weekly"}, time_zone="Asia/Tokyo")
    weekly = await stored(notifier, token)
    assert weekly.digested_until == since
    assert weekly.digest_at == next_digest(since, "weekly", "Asia/Tokyo")

    await save(public, token, {mine: "instant"})
    instant = await stored(notifier, token)
    assert instant.frequency == "instant"
    assert instant.digested_until == since
    assert instant.digest_at is not None
    assert since <= instant.digest_at <= since + timedelta(minutes=1)


async def test_saving_what_is_shown_changes_nothing(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    mine = (await stored(notifier, token)).id
    await save(public, token, {mine: "daily"}, time_zone="UTC")
    before = await everything(notifier)
    await save(public, token, {mine: "daily"}, time_zone="UTC")
    assert await everything(notifier) == before


async def test_whoever_ends_one_is_told_of_the_others_and_stays_away_from_it(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "price_drop", product_id=new_id())
    await subscribe(notifier, ADA, "new_product")
    ended = await stored(notifier, token)
    for _ in range(2):
        answer = await save(public, token, {ended.id: "daily"}, end=str(ended.id))
        assert answer.status_code == 303
    after = await stored(notifier, token)
    assert (after.wish, after.digest_at) == (None, None)
    wish = Wish(email=ADA, topic="price_drop", product_id=ended.product_id)
    assert await refuses(notifier, wish)
    assert not await refuses(notifier, Wish(email=ADA, topic="price_drop"))
    await tell(notifier, event(created=True))
    assert await told(notifier) == [ADA]


async def test_after_saving_the_page_says_so_and_can_be_loaded_again(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    answer = await save(public, token)
    # A browser resolves it against the address that it has, behind whatever proxy.
    there = urljoin(f"https://shop.example/news/preferences/{token}", answer.headers["Location"])
    assert there == f"https://shop.example/news/preferences/{token}?saved"
    page = await public.get(f"/preferences/{token}?saved")
    assert '<p class="said" role="status">Saved.</p>' in page.text


async def test_the_end_of_all_asks_first(notifier: Notifier, public: httpx2.AsyncClient) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    await subscribe(notifier, BOB, "new_product")
    before = await everything(notifier)
    asked = await public.post(f"/preferences/{token}", data={"do": "ask"})
    assert asked.status_code == 200
    assert "End all emails?" in asked.text
    assert await everything(notifier) == before

    for _ in range(2):
        answer = await public.post(f"/preferences/{token}", data={"do": "end"})
        assert answer.status_code == 303
        page = await public.get(f"/preferences/{token}?saved")
        assert "gets no emails about products" in page.text
        assert "<form" not in page.text
    assert await refuses(notifier, Wish(email=ADA, topic="price_drop", product_id=new_id()))
    await tell(notifier, event(created=True))
    assert await told(notifier) == [BOB]


async def test_a_form_changes_nothing_of_others_and_nothing_that_has_ended(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    ended = await subscribe(notifier, ADA, "price_drop")
    mine, old, his = [
        (await stored(notifier, each)).id
        for each in (token, ended, await subscribe(notifier, BOB, "new_product"))
    ]
    await public.post(f"/unsubscribe/{ended}")
    before = [row for row in await everything(notifier) if row[0] != mine]
    frequencies = {mine: "weekly", old: "daily", his: "daily", new_id(): "daily"}
    answer = await save(public, token, frequencies, end=[str(his), str(new_id())])
    assert answer.status_code == 303
    assert (await stored(notifier, token)).frequency == "weekly"
    assert [row for row in await everything(notifier) if row[0] != mine] == before
    assert not await refuses(notifier, Wish(email=BOB, topic="new_product"))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("", "load it again"),
        ("do=no", "load it again"),
        ("do=save&colour=red", "load it again"),
        ("do=save&time_zone=Europe/Nowhere", "time zone"),
        ("do=save&time_zone=", "time zone"),
        ("do=save&time_zone=../../etc/passwd%00", "time zone"),
        ("do=save&time_zone=%ff%00", "time zone"),
        ("do=save&frequency-ID=hourly", "frequencies"),
        ("do=save&frequency-%00=daily", "frequencies"),
        ("do=save&frequency-ID=daily&end=all", "none of your subscriptions"),
        ("do=save&end=%00", "none of your subscriptions"),
        ("do=save" + "&end=ID" * MOST_FIELDS, "load it again"),
        ("&" * 10_000, "load it again"),
        ("\xff\x00", "load it again"),
    ],
)
@sqlite_suffices
async def test_a_form_that_cannot_be_is_a_page_that_names_what_is_wrong(
    notifier: Notifier, public: httpx2.AsyncClient, form: str, said: str
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    mine = (await stored(notifier, token)).id
    before = await everything(notifier)
    answer = await public.post(
        f"/preferences/{token}",
        content=form.replace("ID", str(mine)).encode("latin-1"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 422
    assert said in answer.text
    assert "Nothing was saved." in answer.text
    assert "<fieldset" in answer.text
    assert await everything(notifier) == before


@sqlite_suffices
async def test_a_form_has_its_bounds(notifier: Notifier, public: httpx2.AsyncClient) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    answer = await save(public, token, colour="x" * MAX_FORM_BYTES)
    assert answer.status_code == 413
    multipart = await public.post(f"/preferences/{token}", files={"do": b"end"})
    assert multipart.status_code == 422
    assert (await stored(notifier, token)).wish is not None


@sqlite_suffices
async def test_who_is_told_of_very_much_is_shown_some_and_can_change_all_of_it(
    notifier: Notifier, public: httpx2.AsyncClient
) -> None:
    tokens = [
        await subscribe(notifier, ADA, "price_drop", product_id=new_id())
        for _ in range(MOST_SHOWN + 1)
    ]
    page = await public.get(f"/preferences/{tokens[0]}")
    assert page.text.count("<fieldset") == MOST_SHOWN
    assert "There are more" in page.text
    ids = {(await stored(notifier, each)).id for each in tokens[:MOST_SHOWN]}
    answer = await save(
        public, tokens[0], dict.fromkeys(ids, "daily"), end=[str(each) for each in ids]
    )
    assert answer.status_code == 303
    left = await stored(notifier, tokens[-1])
    assert (left.frequency, left.time_zone) == ("instant", "Europe/Berlin")
    page = await public.get(f"/preferences/{tokens[0]}")
    assert page.text.count("<fieldset") == 1


@pytest.mark.parametrize("token", ["x", "A" * 32, "A" * 5000, "%00" + "A" * 31, "ü" * 32])
@sqlite_suffices
async def test_an_unknown_link_is_a_page_that_says_so(
    notifier: Notifier, public: httpx2.AsyncClient, token: str
) -> None:
    await subscribe(notifier, ADA, "new_product")
    for answer in (
        await public.get(f"/preferences/{token}"),
        await public.post(f"/preferences/{token}", data={"do": "end"}),
        await public.post(f"/preferences/{token}", data={"do": "no"}),
    ):
        assert answer.status_code == 404
        assert "not known" in answer.text
