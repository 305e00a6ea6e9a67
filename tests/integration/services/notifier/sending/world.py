"""A notifier to whom anything may happen: what is real, and what is known beside it.

The catalog is a model, everything of the notifier is real: its receivers, claims and ledger.
Time passes at once, and a crash is a step that is begun and not ended.
"""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from heliograph import Event
from heliograph.bus import MemoryBus
from services.notifier.models import Notification
from services.notifier.repositories.subscriptions import SubscriptionRepository, Wish
from services.notifier.service import Notifier, pace_of
from services.notifier.settings import NotifierSettings
from tests.integration.services.notifier.sending.clock import pass_time
from tests.integration.services.notifier.sending.goods import Good, Price
from tests.integration.services.notifier.sending.memory import Memory, Wanted
from tests.integration.services.notifier.sending.owed import Owed
from tests.integration.services.notifier.sending.post import WORKERS, Post
from tests.services import migrated

RECEIVERS = ("email_new_product", "email_price_drop")


class Crash(Exception):
    """The process is gone."""


def settings_of(folder: Path, **pace: int) -> NotifierSettings:
    return NotifierSettings(
        database_url=f"sqlite+aiosqlite:///{folder / 'test.sqlite3'}",
        secret_key="a key of the tests, long enough for HS256",
        image_store_url=(folder / "images").as_uri(),
        smtp_url=(folder / "mail").as_uri(),
        **pace,
    )


@cache
def empty_database() -> bytes:
    """A migrated database: migrating takes longer than an example."""
    with tempfile.TemporaryDirectory() as name, asyncio.Runner() as runner:
        folder = Path(name)
        runner.run(_migrate(folder))
        return (folder / "test.sqlite3").read_bytes()


async def _migrate(folder: Path) -> None:
    async with migrated(Notifier(settings_of(folder), MemoryBus())):
        pass


class World:
    """A notifier on SQLite, its people and the catalog's goods."""

    def __init__(self, folder: Path, **pace: int) -> None:
        (folder / "test.sqlite3").write_bytes(empty_database())
        self._settings = settings_of(folder, **pace)
        self.memory = Memory(pace_of(self._settings))
        self.owed = Owed(self.memory)
        self._heard: dict[tuple[str, UUID], int] = defaultdict(int)
        """How many of a product's events a receiver has had."""
        self.post = Post(self.memory)
        self.start()

    def start(self) -> None:
        self.notifier = Notifier(self._settings, MemoryBus())
        self._receivers = {each.name: each for each in self.notifier.receivers}
        self.post.start(self.notifier.database)

    async def restart(self) -> None:
        """Nothing is left but what is stored."""
        await self.notifier.close()
        self.start()

    def good(self, place: int) -> Good | None:
        goods = list(self.memory.goods.values())
        return goods[place % len(goods)] if goods else None

    def create(self, price: Price, origin: str | None = None) -> None:
        good = Good.made(f"Lamp {len(self.memory.goods)}", price, origin=origin)
        self.memory.goods[good.id] = good

    # The receivers, of which each lags by itself.

    async def hear(self, receiver: str, good: Good, count: int, *, dies: bool = False) -> None:
        """Let a receiver run the next events of a product, or die before the commit."""
        for event in self._waiting(receiver, good)[:count]:
            now = self.post.now
            if await self._run(receiver, event, dies=dies):
                self._heard[receiver, good.id] += 1
                self.owed.ran(receiver, event, now)

    async def hear_all(self) -> None:
        for good in self.memory.goods.values():
            for receiver in RECEIVERS:
                await self.hear(receiver, good, len(good.events))

    async def replay(self, receiver: str, good: Good, place: int) -> None:
        """An operator lets a receiver have an event once more, or one that it never had."""
        earlier = self._listened(receiver, good)[: self._heard[receiver, good.id]]
        if earlier:
            await self._run(receiver, earlier[place % len(earlier)])
            self.owed.look_again()

    def discard(self, receiver: str, good: Good) -> None:
        """An operator lets a receiver never have its next event: those behind it are heard."""
        if self._waiting(receiver, good):
            self._heard[receiver, good.id] += 1
            self.owed.discarded(good)

    def _listened(self, receiver: str, good: Good) -> Sequence[Event[Any]]:
        signals = {each.signal for each in self._receivers[receiver].listens}
        return [each for each in good.events if each.signal in signals]

    def _waiting(self, receiver: str, good: Good) -> Sequence[Event[Any]]:
        return self._listened(receiver, good)[self._heard[receiver, good.id] :]

    async def _run(self, name: str, event: Event[Any], *, dies: bool = False) -> bool:
        receiver = self._receivers[name]
        with suppress(Crash):
            async with self.notifier.database.transaction() as session:
                needs: list[Any] = [session.collaborators[each] for each in receiver.needs]
                await receiver.function(event, *needs)
                if dies:
                    raise Crash
            self.memory.hear(event)
            return True
        return False

    # The people.

    async def subscribe(self, email: str, topic: Any) -> None:
        await self._subscribe(Wish(email=email, topic=topic), None)

    async def watch(self, email: str, good: Good, target: Price | None) -> None:
        wish = Wish(
            email=email,
            topic="price_drop",
            product_id=good.id,
            target_minor=target.minor if target else None,
            currency=target.currency if target else None,
        )
        await self._subscribe(wish, target)

    async def _subscribe(self, wish: Wish, target: Price | None) -> None:
        now = self.post.now
        async with self.notifier.database.transaction() as session:
            kept, is_new = await SubscriptionRepository(session).add(wish)
        if is_new:
            wanted = Wanted(
                id=kept.id,
                token=kept.token,
                email=wish.email,
                topic=wish.topic,
                product_id=wish.product_id,
                target=target,
            )
            self.memory.wanted[kept.id] = wanted
            self.owed.subscribed(wanted, now)

    async def unsubscribe(self, place: int, *, by_link: bool) -> None:
        """Somebody ends a topic by the link, or an administrator one subscription."""
        known = list(self.memory.wanted.values())
        if not known:
            return
        wanted = known[place % len(known)]
        async with self.notifier.database.transaction() as session:
            subscriptions = SubscriptionRepository(session)
            if by_link:
                await subscriptions.unsubscribe(wanted.token)
                ended = [each.id for each in self.memory.of(wanted.email, wanted.topic)]
            else:
                await subscriptions.delete(wanted.id)
                ended = [wanted.id]
        for each in ended:
            del self.memory.wanted[each]
        self.owed.look_again()

    # The time, and its end.

    async def wait(self, seconds: int) -> None:
        await pass_time(self.notifier.database, seconds)
        await self.post.passed(timedelta(seconds=seconds))

    async def end(self) -> None:
        """All is heard, the mail server takes everything, and time passes until nothing waits."""
        await self.hear_all()
        for worker in range(WORKERS):
            self.post.die(worker)
        for _ in range(100):
            if all(each.state != "pending" for each in await self.post.ledger()):
                break
            await self.post.send_all()
            await self.wait(1_200)
        rows = {each.id: each for each in await self.post.ledger()}
        for row in rows.values():
            self._check(row, rows)
        failed = {(each.email, each.product_id) for each in rows.values() if each.state == "failed"}
        sent = {(each.email, each.event_id) for each in rows.values() if each.state == "sent"}
        self.owed.check(sent, failed)

    def _check(self, row: Notification, rows: Mapping[int, Notification]) -> None:
        assert row.state != "pending", "an email waits for ever"
        assert row.state != "cancelled" or row.reason
        if row.told_by is not None:
            lead = rows[row.told_by]
            assert (lead.told_by, lead.state) == (None, row.state), "it has another fate"
        elif row.state == "failed":
            assert self.post.may_have_failed(row.id)
        elif row.state == "sent":
            assert row.letter_id
            assert row.told_at
            assert row.sent_at
