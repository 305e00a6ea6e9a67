"""What people are sent after a change that was taken back, repeated, or one of very many."""

import asyncio
from collections.abc import Sequence
from email.message import EmailMessage

from sqlalchemy import or_, select, text

from heliograph.database import database_now
from services.notifier.mail.memory import MemoryMailer
from services.notifier.models import Notification
from services.notifier.receivers import email_new_product, email_price_drop
from services.notifier.repositories.outgoing import Outgoing
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.sending.pace import HOUR
from services.notifier.sending.worker import MailWorker
from services.notifier.service import Notifier
from tests.databases import postgresql_alone, sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.notifier.conftest import ledger, subscribe, tell
from tests.integration.services.notifier.sending.clock import pass_time
from tests.integration.services.notifier.sending.goods import Good, Price
from tests.polling import until

ADA = "ada@example.org"

waiting = select(Notification.id).where(
    Notification.state == "pending",
    Notification.told_by.is_(None),
    or_(Notification.letter_id.is_not(None), Notification.due_at <= database_now()),
)


async def sent(notifier: Notifier) -> list[EmailMessage]:
    """Let everything be sent that is to be sent now."""

    async def done() -> bool:
        async with notifier.database.reading() as session:
            return await session.scalar(waiting) is None

    mailer = MemoryMailer()
    outgoing = Outgoing(notifier.database)
    worker = MailWorker(
        notifier.claims, outgoing, mailer, notifier.mail_bell, on_outcome=lambda _state: None
    )
    async with running(worker):
        await until(done)
    return [each.message for each in mailer.sent]


async def subjects(notifier: Notifier) -> list[str]:
    return [each["Subject"] for each in await sent(notifier)]


async def fates(notifier: Notifier) -> list[tuple[str, str | None]]:
    return [(each.state, each.reason) for each in await ledger(notifier)]


async def lamp_at(notifier: Notifier, *prices: Price) -> Good:
    """A product that had these prices before anybody watched it."""
    lamp = Good.made("Lamp", prices[0])
    for each in prices[1:]:
        lamp.change([each])
    await tell(notifier, *lamp.events)
    return lamp


async def change(notifier: Notifier, lamp: Good, *prices: Price, deleted: bool = False) -> None:
    """Give it these prices, each in a change of its own, and let the notifier hear of them."""
    known = len(lamp.events)
    for each in prices:
        lamp.change([each])
    if deleted:
        lamp.change([], deleted=True)
    await tell(notifier, *lamp.events[known:])


async def test_a_product_that_is_deleted_at_once_is_not_announced(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "new_product")
    lamp = Good.made("Lamp", Price(50))
    lamp.change([], deleted=True)
    await tell(notifier, *lamp.events)
    assert await subjects(notifier) == []
    assert await fates(notifier) == [("cancelled", "the product is gone")]


async def test_a_price_that_rose_again_is_no_drop(notifier: Notifier) -> None:
    lamp = await lamp_at(notifier, Price(50))
    await subscribe(notifier, ADA, "price_drop")
    await change(notifier, lamp, Price(40), Price(50))
    assert await subjects(notifier) == []
    assert await fates(notifier) == [("cancelled", "the price is no longer lower")]


async def test_three_drops_are_one_email_from_the_first_price_to_the_last(
    notifier: Notifier,
) -> None:
    lamp = await lamp_at(notifier, Price(50))
    await subscribe(notifier, ADA, "price_drop")
    await change(notifier, lamp, Price(40), Price(30), Price(20))
    assert await subjects(notifier) == ["Price drop: Lamp now 20.00 EUR (was 50.00 EUR)"]
    first, *others = await ledger(notifier)
    assert {(each.state, each.told_by) for each in others} == {("sent", first.id)}


async def test_a_price_in_one_currency_is_never_taken_for_one_in_another(
    notifier: Notifier,
) -> None:
    lamp = await lamp_at(notifier, Price(90), Price(60, "USD"), Price(70))
    await subscribe(notifier, ADA, "price_drop")
    # What leads the two was 70 EUR; what is told was 60 USD.
    await change(notifier, lamp, Price(65), Price(55, "USD"))
    [claimed] = (await notifier.claims.claim(10)).emails
    await Outgoing(notifier.database).hand_back([claimed])
    assert await subjects(notifier) == ["Price drop: Lamp now 55.00 USD (was 60.00 USD)"]


async def test_drops_that_follow_one_that_was_told_wait_and_are_one_email(
    notifier: Notifier,
) -> None:
    lamp = await lamp_at(notifier, Price(50))
    await subscribe(notifier, ADA, "price_drop")
    await change(notifier, lamp, Price(40))
    assert await subjects(notifier) == ["Price drop: Lamp now 40.00 EUR (was 50.00 EUR)"]
    await change(notifier, lamp, Price(30), Price(35), Price(20))
    assert await subjects(notifier) == []
    [told, waiting, merged] = await ledger(notifier)
    assert told.told_at is not None
    assert waiting.waits_until is not None
    assert (waiting.waits_until - told.told_at).total_seconds() == HOUR
    assert merged.told_by == waiting.id
    await pass_time(notifier.database, 3_600)
    assert await subjects(notifier) == ["Price drop: Lamp now 20.00 EUR (was 40.00 EUR)"]


async def test_what_followed_and_was_taken_back_is_never_told(notifier: Notifier) -> None:
    lamp = await lamp_at(notifier, Price(50))
    await subscribe(notifier, ADA, "price_drop")
    await change(notifier, lamp, Price(40))
    assert len(await subjects(notifier)) == 1
    await change(notifier, lamp, Price(30), Price(45))
    await pass_time(notifier.database, 3_600)
    assert await subjects(notifier) == []


@sqlite_suffices
async def test_a_batch_of_a_thousand_is_one_email(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "new_product")
    lamps = [Good.made(f"Lamp {each}", Price(50), origin="batch") for each in range(1_000)]
    async with notifier.database.transaction() as session:
        for lamp in lamps:
            await email_new_product(lamp.events[-1], session)
    [email] = await sent(notifier)
    assert email["Subject"] == "1000 new products: Lamp 0, Lamp 1 and 998 more"
    plain = email.get_body(("plain",))
    assert plain is not None
    lines = plain.get_content().splitlines()
    assert [each for each in range(1_000) if f"* Lamp {each}" in lines] == list(range(12))
    assert "and 988 more" in lines
    assert _leads(await ledger(notifier)) == 1


def _leads(rows: Sequence[Notification]) -> int:
    assert {each.state for each in rows} == {"sent"}
    return sum(each.told_by is None for each in rows)


async def test_a_target_that_is_met_already_is_told_at_once(notifier: Notifier) -> None:
    lamp = await lamp_at(notifier, Price(50), Price(40))
    wish = {"product_id": lamp.id, "target_minor": 4_500, "currency": "EUR"}
    await subscribe(notifier, ADA, "price_drop", **wish)
    [email] = await sent(notifier)
    assert "40.00 EUR" in email["Subject"]
    assert "was" not in email["Subject"]


async def test_a_drop_counts_against_the_last_price_in_its_own_currency(
    notifier: Notifier,
) -> None:
    lamp = await lamp_at(notifier, Price(25))
    await subscribe(notifier, ADA, "price_drop")
    await change(notifier, lamp, Price(40, "USD"))
    assert await subjects(notifier) == []
    await change(notifier, lamp, Price(20))
    assert await subjects(notifier) == ["Price drop: Lamp now 20.00 EUR (was 25.00 EUR)"]


async def test_so_it_does_when_all_changes_were_one_transaction(notifier: Notifier) -> None:
    lamp = await lamp_at(notifier, Price(30))
    await subscribe(notifier, ADA, "price_drop")
    known = len(lamp.events)
    lamp.change([Price(25), Price(40, "USD"), Price(20)])
    await tell(notifier, *lamp.events[known + 2 :])
    assert await subjects(notifier) == ["Price drop: Lamp now 20.00 EUR (was 25.00 EUR)"]


async def test_a_target_that_is_met_is_told_to_whoever_comes_back(notifier: Notifier) -> None:
    lamp = await lamp_at(notifier, Price(40))
    wish = {"product_id": lamp.id, "target_minor": 4_500, "currency": "EUR"}
    token = await subscribe(notifier, ADA, "price_drop", **wish)
    async with notifier.database.transaction() as session:
        await SubscriptionRepository(session).unsubscribe(token)
    assert await subjects(notifier) == []
    await subscribe(notifier, ADA, "price_drop", **wish)
    assert len(await subjects(notifier)) == 1


async def test_of_new_products_told_together_the_one_that_went_is_told_by_none(
    notifier: Notifier,
) -> None:
    await subscribe(notifier, ADA, "new_product")
    lamps = [Good.made(f"Lamp {each}", Price(50)) for each in range(7)]
    for lamp in lamps[:5]:
        await tell(notifier, *lamp.events)
        assert len(await subjects(notifier)) == 1
    for lamp in lamps[5:]:
        await tell(notifier, *lamp.events)
    assert await subjects(notifier) == []
    await change(notifier, lamps[6], deleted=True)
    await pass_time(notifier.database, 3_600)
    assert await subjects(notifier) == ["New: Lamp 5"]
    *_, sent_one, gone = await ledger(notifier)
    assert (sent_one.state, gone.state, gone.told_by) == ("sent", "cancelled", None)


@sqlite_suffices
async def test_who_watches_all_prices_gets_no_row_for_a_new_product_of_an_unknown_currency(
    notifier: Notifier,
) -> None:
    await subscribe(notifier, ADA, "price_drop")
    await tell(notifier, *Good.made("Lamp", Price(50, "XXX")).events)
    assert await ledger(notifier) == []


@postgresql_alone
async def test_a_target_that_is_reached_while_somebody_subscribes_is_told(
    notifier: Notifier,
) -> None:
    lamp = await lamp_at(notifier, Price(50))
    known = len(lamp.events)
    lamp.change([Price(40)])
    wish = {"product_id": lamp.id, "target_minor": 4_500, "currency": "EUR"}

    async def waits() -> bool:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        async with notifier.database.reading() as session:
            return subscribing.done() or bool(await session.scalar(query))

    async with notifier.database.transaction() as session:
        await email_price_drop(lamp.events[known], session)
        subscribing = asyncio.create_task(subscribe(notifier, ADA, "price_drop", **wish))
        await until(waits)
    await subscribing
    assert len(await subjects(notifier)) == 1
