"""The mail worker with a real mail server."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from heliograph import DatabaseUnavailable
from heliograph.database import database_now
from heliograph.testing import SMTPServer
from services.notifier.mail.connect import mailer as connect
from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailDeferred
from services.notifier.mail.mailer import Mailer
from services.notifier.mail.memory import MemoryMailer
from services.notifier.mail.smtp import CONNECTIONS, SmtpMailer, SmtpServer
from services.notifier.models import Notification, Product
from services.notifier.repositories.outgoing import Outcome, Outgoing
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.sending import lease
from services.notifier.sending.worker import SIDE_BY_SIDE, MailWorker
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.heliograph.conftest import running
from tests.integration.services.notifier.conftest import ledger, repriced, subscribe, tell
from tests.polling import until
from tests.samples import event, product

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"

MakeWorker = Callable[..., MailWorker]


@pytest.fixture
async def worker(notifier: Notifier, smtp_server: SMTPServer) -> AsyncIterator[MakeWorker]:
    """Make mail workers for the server."""
    mailers: list[Mailer] = []

    def make(
        url: str = smtp_server.url,
        *,
        mailer: Mailer | None = None,
        outgoing: Outgoing | None = None,
        on_outcome: Callable[[str], None] = lambda _state: None,
    ) -> MailWorker:
        mailers.append(mailer or connect(url))
        return MailWorker(
            notifier.claims,
            outgoing or Outgoing(notifier.database),
            mailers[-1],
            notifier.mail_bell,
            on_outcome=on_outcome,
        )

    yield make
    for each in mailers:
        await each.close()


async def states(notifier: Notifier) -> dict[str, str]:
    return {each.email: each.state for each in await ledger(notifier)}


async def until_settled(notifier: Notifier) -> dict[str, str]:
    async def settled() -> bool:
        return "pending" not in (await states(notifier)).values()

    await until(settled)
    return await states(notifier)


async def until_tried(notifier: Notifier) -> Notification:
    async def tried() -> Notification | None:
        [one] = await ledger(notifier)
        return one if one.reason else None

    found: Notification = await until(tried)
    return found


async def tell_many(notifier: Notifier, count: int) -> list[str]:
    """Leave so many emails to be sent, each to somebody else; returns the addresses."""
    people = [f"user{number:03d}@example.org" for number in range(count)]
    async with notifier.database.transaction() as session:
        for email in people:
            await SubscriptionRepository(session).add(Wish(email=email, topic="new_product"))
    await tell(notifier, event(created=True))
    return people


async def change(notifier: Notifier, **values: Any) -> None:
    async with notifier.database.transaction() as session:
        await session.execute(update(Notification).values(**values))


async def test_each_subscriber_gets_an_email_of_its_own(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    outcomes: Counter[str] = Counter()
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "new_product")
    await tell(notifier, event(product(name="Lamp"), created=True))
    async with running(worker(on_outcome=lambda state: outcomes.update([state]))):
        await until_settled(notifier)
    first, second = sorted(smtp_server.messages, key=lambda each: each.recipients)
    assert (first.recipients, second.recipients) == ((ADA,), (BOB,))
    assert first.message["Subject"] == "New: Lamp"
    assert first.message["List-Unsubscribe"] == f"<https://notifier.example/unsubscribe/{token}>"
    assert first.message["Message-ID"] != second.message["Message-ID"]
    assert smtp_server.connections <= CONNECTIONS
    assert outcomes == {"sent": 2}
    assert {each.attempts for each in await ledger(notifier)} == {1}
    assert all(each.sent_at for each in await ledger(notifier))


@sqlite_suffices
async def test_a_price_drop_names_both_prices(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    await subscribe(notifier, ADA, "price_drop")
    await tell(notifier, repriced(product(name="Lamp"), "19.99", "14.99"))
    async with running(worker()):
        await until_settled(notifier)
    [email] = smtp_server.messages
    assert email.message["Subject"] == "Price drop: Lamp now 14.99 EUR (was 19.99 EUR)"


async def test_a_refused_email_fails_at_once_and_its_neighbours_are_sent(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.refuse("550 No such user", "RCPT")
    for email in (ADA, BOB):
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "failed", BOB: "sent"}
    failed, _ = await ledger(notifier)
    assert failed.reason == "550 No such user"
    assert failed.sent_at is None


async def test_a_deferred_email_is_tried_again_and_is_the_same(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.drop(accept=True)
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "sent"}
    first, second = smtp_server.messages
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Date"] == second.message["Date"]
    assert [each.attempts for each in await ledger(notifier)] == [2]


@sqlite_suffices
async def test_what_became_of_each_email_is_told_and_no_address(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.refuse("550 <Ada@Example.org>: no such user", "RCPT")
    smtp_server.refuse("451 Greylisted", "RCPT")
    for email in (ADA, BOB):
        await subscribe(notifier, email, "new_product")
    lamp = event(created=True)
    await tell(notifier, lamp)
    with capture_logs() as lines:
        async with running(worker()):
            await until_settled(notifier)
    told = [each for each in lines if each["event"] in {"sent", "deferred", "failed"}]
    outcomes = sorted((each["event"], each["state"], each["attempt"]) for each in told)
    assert outcomes == [("deferred", "pending", 1), ("failed", "failed", 1), ("sent", "sent", 2)]
    [sent], [failed], [deferred] = (
        [each for each in told if each["event"] == name] for name in ("sent", "failed", "deferred")
    )
    [received] = smtp_server.messages
    assert sent["message_id"] == received.message["Message-ID"]
    assert (sent["event_id"], sent["subject"]) == (str(lamp.id), str(lamp.instance.id))
    assert str(UUID(sent["subscription_id"])) == sent["subscription_id"]
    assert {sent["to"], failed["to"]} == {"a…@example.org", "b…@example.org"}
    assert failed["reason"].startswith("550 <A…@Example.org>") or failed["to"] == "b…@example.org"
    assert "no such user" in failed["reason"]
    assert deferred["again_at"] > datetime.now(UTC).isoformat()[:10]
    assert not [each for each in told if "ada@" in repr(each).lower() or BOB in repr(each)]


async def test_an_email_that_cannot_be_sent_for_a_day_has_failed(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.refuse("451 Later")
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    await change(notifier, tried_at=database_now(-25 * 3600.0))
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "failed"}


async def test_emails_wait_while_the_mail_server_is_away(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    people = await tell_many(notifier, 3 * CONNECTIONS)
    away = worker("smtp://127.0.0.1:1")
    async with running(away):
        await until(lambda: away.trouble)
    assert sum(each.attempts for each in await ledger(notifier)) <= CONNECTIONS
    assert set((await states(notifier)).values()) == {"pending"}
    async with running(worker()):
        await until_settled(notifier)
    assert sorted(each.recipients[0] for each in smtp_server.messages) == people


@sqlite_suffices
async def test_an_email_that_cannot_be_composed_fails_and_blocks_no_other(
    notifier: Notifier, worker: MakeWorker
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with notifier.database.transaction() as session:
        await session.execute(update(Product).values(snapshot="{}"))
    await subscribe(notifier, BOB, "price_drop")
    await tell(notifier, repriced(product(), "19.99", "14.99"))
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "failed", BOB: "sent"}
    assert "cannot be composed" in ((await ledger(notifier))[0].reason or "")


@sqlite_suffices
async def test_what_an_earlier_release_noted_and_no_contract_holds_fails_in_a_moment(
    notifier: Notifier, worker: MakeWorker
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with notifier.database.transaction() as session:
        huge = product().model_dump_json().replace('"19.99"', '"1e20000000"')
        await session.execute(update(Product).values(snapshot=huge))
    begun = time.process_time()
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "failed"}
    assert time.process_time() - begun < 5
    [failed] = await ledger(notifier)
    assert failed.reason is not None
    assert failed.reason.startswith("cannot be composed: price: ")
    assert "e20000000" not in failed.reason


async def test_who_unsubscribed_meanwhile_is_sent_nothing(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    token = await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, BOB, "new_product")
    await tell(notifier, event(created=True))
    async with notifier.database.transaction() as session:
        await SubscriptionRepository(session).unsubscribe(token)
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "cancelled", BOB: "sent"}
    assert [each.recipients for each in smtp_server.messages] == [(BOB,)]


async def test_two_workers_share_the_emails(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    people = [f"user{number}@example.org" for number in range(50)]
    for email in people:
        await subscribe(notifier, email, "new_product")
    async with running(worker(), worker()):
        await tell(notifier, event(created=True))
        await until_settled(notifier)
    assert sorted(each.recipients[0] for each in smtp_server.messages) == sorted(people)


async def test_no_more_than_a_few_emails_are_ever_sent_and_not_recorded(
    notifier: Notifier, worker: MakeWorker
) -> None:
    class Stuck(Outgoing):
        async def record(self, outcomes: Collection[Outcome]) -> None:
            groups.append(len(outcomes))
            await free.wait()
            await super().record(outcomes)

    groups: list[int] = []
    free, memory = asyncio.Event(), MemoryMailer()
    await tell_many(notifier, 3 * SIDE_BY_SIDE)
    async with running(worker(outgoing=Stuck(notifier.database), mailer=memory)):
        await until(lambda: len(memory.sent) == SIDE_BY_SIDE)
        await asyncio.wait_for(notifier.database.check(), 10)
        assert len(memory.sent) == SIDE_BY_SIDE
        free.set()
        await until_settled(notifier)
    assert len(memory.sent) == sum(groups) == 3 * SIDE_BY_SIDE
    assert max(groups) > 1, "outcomes that wait are recorded together"


async def test_what_was_sent_is_recorded_once_the_database_is_back(
    notifier: Notifier, worker: MakeWorker
) -> None:
    class Away(Outgoing):
        async def record(self, outcomes: Collection[Outcome]) -> None:
            tries.append(len(outcomes))
            if len(tries) < 3:
                raise DatabaseUnavailable("the database is away")
            await super().record(outcomes)

    tries: list[int] = []
    memory = MemoryMailer()
    await tell_many(notifier, 5)
    async with running(worker(outgoing=Away(notifier.database), mailer=memory)):
        assert set((await until_settled(notifier)).values()) == {"sent"}
    assert len(memory.sent) == 5


async def test_a_mail_server_that_hangs_keeps_no_email_from_other_workers(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    people = await tell_many(notifier, 4 * CONNECTIONS)
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        hanging = SmtpMailer(SmtpServer("127.0.0.1", port), connect_seconds=0.2)
        stuck = worker(mailer=hanging)
        async with running(stuck):
            await until(lambda: stuck.trouble)
            assert sum(each.attempts for each in await ledger(notifier)) == CONNECTIONS
            async with running(worker()):
                await until_settled(notifier)
    assert sorted(each.recipients[0] for each in smtp_server.messages) == people


async def test_a_mail_server_that_hangs_after_the_final_dot_gets_that_email_again_and_no_other(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    people = await tell_many(notifier, 2 * CONNECTIONS)
    smtp_server.hang(60.0)
    server = SmtpServer("127.0.0.1", smtp_server.port, starttls=False)
    async with running(worker(mailer=SmtpMailer(server, command_seconds=2.0))):
        assert set((await until_settled(notifier)).values()) == {"sent"}
    copies = Counter(each.message["Message-ID"] for each in smtp_server.messages)
    assert sorted(copies.values()) == [1] * (len(people) - 1) + [2]
    assert sorted({each.recipients[0] for each in smtp_server.messages}) == people
    assert sum(each.attempts for each in await ledger(notifier)) == len(people) + 1


async def test_the_lease_is_renewed_while_the_mail_server_takes_its_time(
    notifier: Notifier, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(MemoryMailer):
        async def send(self, envelope: Envelope) -> None:
            await super().send(envelope)
            handed_over.set()
            await answers.wait()

    async def renewed() -> bool:
        [one] = await ledger(notifier)
        return one.due_at > almost_over

    handed_over, answers, slow = asyncio.Event(), asyncio.Event(), Slow()
    monkeypatch.setattr(lease, "LEASE_S", 3.0)
    await tell_many(notifier, 1)
    async with running(worker(mailer=slow)):
        await handed_over.wait()
        await change(notifier, due_at=database_now(5.0))
        [one] = await ledger(notifier)
        almost_over = one.due_at
        await until(renewed)
        assert (await notifier.claims.claim(10)).emails == []
        answers.set()
        await until_settled(notifier)
    assert len(slow.sent) == 1


# SQLite's driver works in a thread, and takes other turns.
@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
async def test_an_email_takes_few_turns_of_a_loop_that_others_keep_busy(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    turns = 0

    async def busy() -> None:
        nonlocal turns
        while True:
            turns += 1
            # Longer than any server takes to answer, even on a busy machine.
            time.sleep(0.03)  # noqa: ASYNC251 - the point of it
            await asyncio.sleep(0)

    one = worker()
    count = len(await tell_many(notifier, 60))
    async with running(one):
        await until_settled(notifier)
    await tell(notifier, event(created=True))
    others = asyncio.create_task(busy())
    async with running(one):
        await until(lambda: len(smtp_server.messages) == 2 * count, within=30)
        others.cancel()
        assert turns < 3 * count, turns
        await until_settled(notifier)


async def test_another_worker_takes_over_when_the_lease_ends(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    outgoing = Outgoing(notifier.database)
    [stopped] = (await notifier.claims.claim(10)).emails
    assert (await notifier.claims.claim(10)).emails == []
    await change(notifier, due_at=database_now())
    [taken] = (await notifier.claims.claim(10)).emails
    assert (stopped.attempts, taken.attempts) == (0, 0), "nobody knows that it was begun"
    assert taken.token == stopped.token + 1
    assert await outgoing.renew([stopped]) == set()
    await outgoing.record([Outcome(stopped, "failed", "a late word")])
    assert await states(notifier) == {ADA: "pending"}
    await outgoing.record([Outcome(taken, "sent")])
    assert await states(notifier) == {ADA: "sent"}
    assert [each.attempts for each in await ledger(notifier)] == [1]


async def test_a_stop_hands_back_what_was_not_sent(notifier: Notifier, worker: MakeWorker) -> None:
    class Stopping(MemoryMailer):
        async def send(self, envelope: Envelope) -> None:
            await super().send(envelope)
            stopping.set()

    for email in (ADA, BOB):
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))
    stopping = asyncio.Event()
    async with asyncio.timeout(10):
        await worker(mailer=Stopping()).run(stopping)
    assert await states(notifier) == {ADA: "sent", BOB: "pending"}
    [left] = (await notifier.claims.claim(10)).emails
    assert (left.addressee.recipient, left.attempts) == (BOB, 0)


async def test_an_email_that_was_handed_back_untried_is_not_too_old_a_day_later(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.refuse("451 Later")
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    claimed = (await notifier.claims.claim(10)).emails
    await change(notifier, tried_at=database_now(-25 * 3600.0))
    await Outgoing(notifier.database).hand_back(claimed)
    async with running(worker()):
        assert await until_settled(notifier) == {ADA: "sent"}


async def test_a_deferral_keeps_its_reason(
    notifier: Notifier, worker: MakeWorker, smtp_server: SMTPServer
) -> None:
    smtp_server.refuse("451 Greylisted", "RCPT")
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True))
    async with running(worker()):
        assert (await until_tried(notifier)).reason == "451 Greylisted"
        assert await until_settled(notifier) == {ADA: "sent"}
    assert (await ledger(notifier))[0].reason is None


@sqlite_suffices
async def test_trouble_with_the_mail_server_only_degrades_the_notifier(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailWorker, "trouble", str(MailDeferred("no route to the mail server")))
    readiness = await notifier.health({"api", "work"}).readiness()
    assert readiness.checks["mail"].status == "away"
    assert readiness.status == "degraded"
