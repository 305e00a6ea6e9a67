"""The mail worker, against aiosmtplib by hand and Django's `send_mail`."""

import asyncio
from contextlib import asynccontextmanager

import aiosmtplib
from sqlalchemy import text

from benchmarks.catalog import KEY
from benchmarks.measure import Goal, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_server
from benchmarks.programs import server
from benchmarks.world import World, events, working
from heliograph.bus import MemoryBus
from services.notifier.repositories.notifications import NotificationRepository
from services.notifier.repositories.outgoing import Outgoing
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.sending.worker import MailWorker
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings

MAIL_FROM = "Shop <news@shop.example>"


@asynccontextmanager
async def sides(world: World) -> Sides:
    """The same emails to the same number of recipients, one recipient an email."""
    count = world.count(1_000)
    async with world.database() as url, server("benchmarks.peers.smtp_sink") as (_, port):
        settings = NotifierSettings(
            database_url=url,
            secret_key=KEY,
            image_store_url=world.folder.as_uri(),
            public_url="https://notifier.example",
            smtp_url=f"smtp://127.0.0.1:{port}",
            mail_from=MAIL_FROM,
            # Each round tells the same people of another product, at once.
            settle_seconds=0,
            burst=0,
        )
        service = Notifier(settings, MemoryBus())
        await service.migrate()
        async with service.database.transaction() as session:
            for number in range(count):
                wish = Wish(email=f"user-{number}@shop.example", topic="new_product")
                await SubscriptionRepository(session).add(wish)
        try:
            yield {
                "mail worker": lambda: _work(service, count),
                "aiosmtplib by hand": lambda: _by_hand(service, port, count),
                "Django send_mail": lambda: django_server.send_mail(port, count),
            }
        finally:
            await service.close()


async def _announce(service: Notifier) -> None:
    """Leave one notification a subscriber to be sent, as the receiver does."""
    [event] = events(1)
    async with service.database.transaction() as session:
        await session.execute(text("TRUNCATE notification, letter, product"))
        await ProductRepository(session).keep(event)
        await NotificationRepository(session).add_new_product(event)


async def _work(service: Notifier, count: int) -> Reading:
    await _announce(service)
    ended = asyncio.Event()
    left = count

    def on_outcome(state: str) -> None:
        nonlocal left
        if state != "sent":
            raise RuntimeError(f"an email was {state}")
        left -= 1
        if not left:
            ended.set()

    worker = MailWorker(
        service.claims,
        Outgoing(service.database),
        service.mailer,
        service.mail_bell,
        on_outcome=on_outcome,
    )
    watch = Stopwatch()
    async with working(worker):
        await ended.wait()
        return watch.read(count)


async def _by_hand(service: Notifier, port: int, count: int) -> Reading:
    await _announce(service)
    due = (await service.claims.claim(count)).emails
    watch = Stopwatch()
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
        for each in due:
            envelope = each.letter.to(each.addressee)
            await smtp.sendmail(envelope.sender, envelope.recipient, envelope.content)
    return watch.read(count)


ROWS = (
    Row(
        "Emails, one recipient each",
        "What a server is paid for each email about a new product.",
        "emails",
        sides,
        goals=(
            Goal("mail worker", "aiosmtplib by hand", 0.9),
            Goal("mail worker", "Django send_mail", 5),
        ),
        notes="The worker and the hand fill the same letter in, text and HTML; the worker also"
        " looks again at what each tells, leases them and records the outcome of each. The server"
        " offers pipelining, as the common ones do; aiosmtplib makes no use of it. Django sends a"
        " fixed text, and connects for each.",
    ),
)
