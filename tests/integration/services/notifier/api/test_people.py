"""What is known of people, how they are forgotten, and who is not written to."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import insert, select, text, update

from heliograph.database import database_now
from heliograph.events import new_id
from services.notifier.models import Attempts, Bounce, Notification
from services.notifier.repositories.notifications import NotificationRepository
from services.notifier.repositories.people import PeopleRepository, person_of
from services.notifier.service import Notifier
from tests.databases import postgresql_alone, sqlite_suffices
from tests.integration.services.notifier.api.test_requests import asked, secret
from tests.integration.services.notifier.conftest import ledger, subscribe, tell, told
from tests.polling import until
from tests.samples import event

ADA, BOB = "ada@example.org", "bob@example.org"
NEW = {"email": ADA, "topic": "new_product"}
DROP = {"email": ADA, "topic": "price_drop"}


async def bounced(notifier: Notifier, email: str, *kinds: str) -> None:
    async with notifier.database.transaction() as session:
        for kind in kinds:
            await session.execute(
                insert(Bounce).values(
                    person=person_of(email),
                    kind=kind,
                    message_id=str(uuid4()),
                    created_at=database_now(),
                )
            )


async def suppressed(
    notifier: Notifier, email: str, reason: Any, detail: str | None = None
) -> None:
    async with notifier.database.transaction() as session:
        await PeopleRepository(session).suppress(email, reason, detail)


async def everywhere(notifier: Notifier) -> str:
    """All that stands in any table, as one text."""
    async with notifier.database.reading() as session:
        tables = Notification.metadata.tables.values()
        return str([(await session.execute(select(each))).all() for each in tables])


async def no_longer(notifier: Notifier) -> None:
    async with notifier.database.transaction() as session:
        await session.execute(update(Attempts).values(began_at=database_now(-3600)))


async def test_all_that_is_known_of_somebody_is_shown(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    assert (await client.get(f"/v1/people/{ADA}")).status_code == 404
    ended = await subscribe(notifier, ADA, "price_drop")
    await client.post(f"/unsubscribe/{ended}")
    kept = (await client.post("/v1/subscriptions", json=NEW)).json()
    await subscribe(notifier, BOB, "new_product")
    await tell(notifier, *[event(created=True) for _ in range(12)])
    watch = DROP | {"product_id": str(uuid4()), "target_price": "7.00", "currency": "EUR"}
    await asked(client, watch)
    await bounced(notifier, ADA, "hard", "hard", "soft")
    await bounced(notifier, BOB, "complaint")
    await suppressed(notifier, ADA, "bounced", "550 no such user")

    found = await client.get("/v1/people/Ada@EXAMPLE.org")
    assert found.status_code == 200
    person = found.json()
    assert person["email"] == ADA
    assert [(each["topic"], each["ended"]) for each in person["subscriptions"]] == [
        ("price_drop", True),
        ("new_product", False),
    ]
    assert person["subscriptions"][1] == kept | {"ended": False}
    [request] = person["requests"]
    assert request.items() >= {"target_price": "7.00", "confirmed_at": None}.items()
    assert [each["scope"] for each in person["refusals"]] == ["price_drop"]
    assert person["suppression"]["detail"] == "550 no such user"
    assert person["bounces"] == {"hard": 2, "soft": 1, "complaint": 0}
    assert person["emails"]["count"] == 13
    assert [each["topic"] for each in person["emails"]["last"]] == ["confirmation"] + [
        "new_product"
    ] * 9
    for hidden in ("token", "secret", ended):
        assert hidden not in found.text


async def test_who_is_forgotten_stands_nowhere_but_as_a_hash(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "new_product")
    await tell(notifier, *[event(created=True) for _ in range(3)])
    async with notifier.database.transaction() as session:
        rows = list(await session.scalars(select(Notification).where(Notification.email == ADA)))
        rows[0].state, rows[0].answer = "sent", f"250 <{ADA}> ok"
        rows[1].state, rows[1].reason = "failed", f"550 <{ADA}> unknown"
    await asked(client, DROP | {"email": ADA})
    confirmation = await secret(notifier)
    await bounced(notifier, ADA, "hard")
    await suppressed(notifier, ADA, "bounced", f"<{ADA}>: no such user")
    assert ADA in await everywhere(notifier)

    for _ in range(2):
        assert (await client.delete(f"/v1/people/{ADA}")).status_code == 204
    stands = await everywhere(notifier)
    for secret_thing in ("ada@", token, confirmation):
        assert secret_thing not in stands
    theirs = [each for each in await ledger(notifier) if each.email != BOB]
    assert len({each.email for each in theirs}) == 1
    assert [(each.state, each.reason) for each in theirs] == [
        ("sent", None),
        ("failed", None),
        ("cancelled", "the person was forgotten"),
        ("cancelled", "the person was forgotten"),
    ]
    assert [each.state for each in await ledger(notifier) if each.email == BOB] == ["pending"] * 3
    for path in (f"/unsubscribe/{token}", f"/confirm/{confirmation}"):
        assert (await client.post(path)).status_code == 404

    person = (await client.get(f"/v1/people/{ADA}")).json()
    assert person["suppression"]["reason"] == "forgotten"
    assert person["suppression"]["email"] is None
    assert (person["subscriptions"], person["requests"], person["emails"]["count"]) == ([], [], 0)
    assert (await client.get(f"/v1/people/{BOB}")).json()["emails"]["count"] == 3


async def test_who_was_forgotten_comes_back_by_their_own_confirmation_alone(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    heard = event(created=True)
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, heard)
    assert (await client.delete(f"/v1/people/{ADA}")).status_code == 204
    for body in (NEW, DROP):
        refused = await client.post("/v1/subscriptions", json=body)
        assert refused.status_code == 409
        assert "forgotten" in refused.json()["detail"]
    assert (await client.delete(f"/v1/suppressions/{ADA}")).status_code == 409

    await asked(client, NEW)
    await client.post(f"/confirm/{await secret(notifier)}")
    assert (await client.post("/v1/subscriptions", json=NEW)).status_code == 200
    assert (await client.post("/v1/subscriptions", json=DROP)).status_code == 409
    # Told of the same again, and forgotten again: no two rows of the ledger are in the way.
    async with notifier.database.transaction() as session:
        await NotificationRepository(session).add_new_product(heard)
    assert (await client.delete(f"/v1/people/{ADA}")).status_code == 204
    assert ADA not in await told(notifier)
    assert len(await ledger(notifier)) == 3


async def test_what_a_worker_has_in_hand_is_not_recorded_any_more(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with notifier.database.transaction() as session:
        await session.execute(
            update(Notification).values(token=7, due_at=database_now(60), letter_id=new_id())
        )
    await client.delete(f"/v1/people/{ADA}")
    [row] = await ledger(notifier)
    assert (row.state, row.token) == ("cancelled", 8)


async def test_nobody_unknown_can_be_written_to_once_they_are_forgotten(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.delete(f"/v1/people/{ADA}")).status_code == 204
    assert (await client.post("/v1/subscriptions", json=NEW)).status_code == 409


@postgresql_alone
async def test_who_writes_emails_meanwhile_leaves_no_address_behind(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "new_product")

    async def waits() -> bool:
        async with notifier.database.reading() as session:
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(await session.scalar(waiting))

    async with notifier.database.transaction() as session:
        await NotificationRepository(session).add_new_product(event(created=True))
        forgetting = asyncio.create_task(client.delete(f"/v1/people/{ADA}"))
        await until(waits)
    assert (await forgetting).status_code == 204
    assert "ada@" not in await everywhere(notifier)
    assert len(await ledger(notifier)) == 2


@postgresql_alone
async def test_who_holds_up_all_emails_is_not_waited_for_long(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    await subscribe(notifier, ADA, "new_product")
    async with notifier.database.transaction() as session:
        await session.execute(text("LOCK TABLE notification IN SHARE MODE"))
        answer = await client.delete(f"/v1/people/{ADA}")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert (await client.get("/v1/subscriptions")).json()["items"]


async def test_much_at_once_ends_in_one_of_its_orders(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    for _ in range(4):
        await no_longer(notifier)
        await asked(client, NEW)
        token = await secret(notifier)
        answers = await asyncio.gather(
            client.post(f"/confirm/{token}"),
            client.delete(f"/v1/people/{ADA}"),
            client.post("/v1/subscriptions", json=DROP),
            client.delete(f"/v1/people/{ADA}"),
            tell(notifier, event(created=True)),
        )
        assert [each.status_code for each in answers[1:4:2]] == [204, 204]
        assert answers[0].status_code in {200, 404}
        await client.delete(f"/v1/people/{ADA}")
        assert "ada@" not in await everywhere(notifier)


async def test_suppressions_are_listed_by_page_and_lifted_by_hand(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    people = [f"p{number}@example.org" for number in range(5)]
    for each in people:
        await suppressed(notifier, each, "bounced", "550 no such user")
    await bounced(notifier, people[0], "hard", "hard")
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await client.get("/v1/suppressions", params=query)).json()
        seen += page["items"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert sorted(each["email"] for each in seen) == people
    assert {each["person"] for each in seen} == {person_of(each) for each in people}
    assert {(each["reason"], each["detail"]) for each in seen} == {("bounced", "550 no such user")}

    lift = f"/v1/suppressions/{people[0]}"
    assert [(await client.delete(lift)).status_code for _ in range(2)] == [204, 404]
    assert (await client.get(f"/v1/people/{people[0]}")).status_code == 404
    body = NEW | {"email": people[0]}
    assert (await client.post("/v1/subscriptions", json=body)).status_code == 201


@sqlite_suffices
async def test_an_address_may_have_a_slash(notifier: Notifier, client: httpx2.AsyncClient) -> None:
    odd = "a/b?c#d%@example.org"
    await suppressed(notifier, odd, "complained")
    quoted = "a%2Fb%3Fc%23d%25@example.org"
    assert (await client.get(f"/v1/people/{quoted}")).json()["suppression"]["email"] == odd
    assert (await client.delete(f"/v1/suppressions/{quoted}")).status_code == 204


@pytest.mark.parametrize("path", ["/v1/people", "/v1/suppressions"])
@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "%00@example.org",
        "a" * 300 + "@example.org",
        "x/y",
    ],
)
@sqlite_suffices
async def test_what_is_no_address_is_refused(
    client: httpx2.AsyncClient, path: str, email: str
) -> None:
    answer = await client.delete(f"{path}/{email}")
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("after", ["", "x", "A" * 64, "0" * 63, "0" * 64 + "%00"])
@sqlite_suffices
async def test_a_place_in_the_list_is_the_next_of_a_page(
    client: httpx2.AsyncClient, after: str
) -> None:
    assert (await client.get(f"/v1/suppressions?after={after}")).status_code == 422
