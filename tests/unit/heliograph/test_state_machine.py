"""Outbox, relay, inbox and worker in whatever order, with crashes in between.

The broker is a list, everything else is real, on SQLite. A crash is a step that is begun
and not ended: what was committed stays, what was not is gone, nobody cleans up.
"""

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, update

import contracts
from heliograph import BusUnavailable, Event
from heliograph.bus import Delivery, Message
from heliograph.database import Bell, Database, database_now
from heliograph.events import EventKind, encode
from heliograph.inbox import Inbox, LeaseLost, inbox_table
from heliograph.inbox.leases import Claimed
from heliograph.inbox.reading import entry
from heliograph.outbox import Outbox, Relay, claims_for, outbox_table, relay_lease_table
from heliograph.signals import QueuedReceiver
from tests.samples import event, product

metadata = MetaData()
outbox_rows = outbox_table(metadata)
lease_rows = relay_lease_table(metadata)
inbox_rows = inbox_table(metadata)
effects = Table(
    "effect", metadata, Column("place", Integer, primary_key=True), Column("event_id", Text)
)

SUBJECTS = [product() for _ in range(3)]
ENDLESS = 10_000


class Crash(Exception):
    """The process is gone."""


class Line:
    """A broker that keeps what it was sent, in order, until it is acked."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False
        self.relay_dies = False

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        if self.away:
            raise BusUnavailable("away")
        self.messages += messages
        if self.relay_dies:
            raise Crash
        return frozenset(message.id for message in messages)


async def react(event: Event[contracts.Product]) -> None:
    """Stands for any receiver; the machine does its work by hand."""


RECEIVER = QueuedReceiver(react, (EventKind("post_save", contracts.Product),), ())


class Delivered(RuleBasedStateMachine):
    """Every committed event has its effect once, in the order of its subject's commits."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.runner = self.open.enter_context(asyncio.Runner())
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.database = Database(f"sqlite+aiosqlite:///{folder / 'test.sqlite3'}", pool_size=2)
        self.outbox = Outbox(self.database, outbox_rows, Bell("outbox"))
        self.inbox = Inbox(self.database, inbox_rows, Bell("inbox"))
        self.line = Line()
        self.committed: list[Event[Any]] = []
        self.versions = dict.fromkeys(range(len(SUBJECTS)), 0)
        self.left_behind: list[list[Claimed]] = []
        """What workers that died, or were stopped, had claimed."""
        self.run(self._create())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _create(self) -> None:
        async with self.database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    @rule(subject=st.integers(0, len(SUBJECTS) - 1), count=st.integers(1, 3), fails=st.booleans())
    def change(self, subject: int, count: int, fails: bool) -> None:  # noqa: FBT001 - drawn
        self.run(self._change(subject, count, fails=fails))

    async def _change(self, subject: int, count: int, *, fails: bool) -> None:
        version = self.versions[subject] + 1
        sent = [event(SUBJECTS[subject], version=version) for _ in range(count)]
        with suppress(Crash):
            async with self.database.transaction() as session:
                for each in sent:
                    self.outbox.hold(each, session)
                await self.outbox.write_held(session)
                if fails:
                    raise Crash
            self.versions[subject] = version
            self.committed += sent

    @rule(fate=st.sampled_from(["", "", "the broker is away", "dies once it has sent"]))
    def relay(self, fate: str) -> None:
        self.line.away = fate == "the broker is away"
        self.line.relay_dies = fate == "dies once it has sent"
        self.run(self._relay())

    async def _relay(self) -> None:
        claims = claims_for(self.database, outbox_rows, lease_rows)
        relay = Relay(claims, self.line, self.outbox.bell)
        with suppress(Crash, BusUnavailable):
            await relay.relay_once(limit=4)
        # Whoever comes next waits for the lease of one that died; here time passes at once.
        await claims.release()

    @rule(count=st.integers(1, 5), dies=st.booleans())
    def accept(self, count: int, dies: bool) -> None:  # noqa: FBT001 - drawn
        batch = self.line.messages[:count]
        if batch:
            self.run(self._accept(batch))
            if not dies:
                del self.line.messages[:count]

    async def _accept(self, messages: Sequence[Message]) -> None:
        arrived = [
            Delivery("q", each.routing_key, each.headers, each.body, each.id) for each in messages
        ]
        await self.inbox.accept(RECEIVER, [entry(RECEIVER, each) for each in arrived])

    @rule(place=st.integers(0, 20))
    def repeat(self, place: int) -> None:
        """A copy comes late; it was in the queue before, so its order is no matter."""
        known = self.run(self._known())
        if known:
            self.line.messages.append(known[place % len(known)])

    async def _known(self) -> list[Message]:
        async with self.database.reading() as session:
            rows = await session.execute(select(inbox_rows.c.event_id).order_by(inbox_rows.c.id))
            arrived = {row.event_id for row in rows}
        return [encode(each) for each in self.committed if str(each.id) in arrived]

    @rule(fate=st.sampled_from(["", "", "", "fails", "dies", "dies after its work"]))
    def work(self, fate: str) -> None:
        self.run(self._work(fate))

    async def _work(self, fate: str) -> None:
        claimed = await self.inbox.claim(RECEIVER, 3, attempts=ENDLESS)
        if fate == "fails":
            if claimed:
                await self.inbox.retry(claimed, "it fails", 0)
            return
        if fate == "dies":
            self.left_behind.append(claimed)
            return
        for row in claimed:
            await self._run_one(row, dies=bool(fate))

    async def _run_one(self, row: Claimed, *, dies: bool = False) -> None:
        with suppress(Crash):
            async with self.database.transaction() as session:
                await session.execute(insert(effects).values(event_id=row.headers["ce-id"]))
                await self.inbox.finish(session, [row])
                if dies:
                    raise Crash

    @rule()
    def end_leases(self) -> None:
        self.run(self._end_leases())

    async def _end_leases(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(inbox_rows).values(due_at=database_now(-1)))

    @rule()
    def wake_a_stopped_worker(self) -> None:
        """It may still finish what nobody has taken over, and must not finish anything else."""
        if self.left_behind:
            self.run(self._wake(self.left_behind.pop()))

    async def _wake(self, rows: list[Claimed]) -> None:
        for row in rows:
            with suppress(LeaseLost):
                await self._run_one(row)

    @invariant()
    def each_effect_is_of_one_committed_event_in_order(self) -> None:
        done = self.run(self._effects())
        wanted = [str(each.id) for each in self.committed]
        assert len(done) == len(set(done))
        assert set(done) <= set(wanted)
        place = {event_id: number for number, event_id in enumerate(wanted)}
        subject = {str(each.id): each.instance.id for each in self.committed}
        for lamp in SUBJECTS:
            places = [place[each] for each in done if subject[each] == lamp.id]
            assert places == sorted(places)

    async def _effects(self) -> list[str]:
        async with self.database.reading() as session:
            rows = await session.execute(select(effects.c.event_id).order_by(effects.c.place))
            return [str(row.event_id) for row in rows]

    def teardown(self) -> None:
        self.run(self._drain())
        done = self.run(self._effects())
        assert sorted(done) == sorted(str(each.id) for each in self.committed)
        self.run(self.database.close())
        self.open.close()

    async def _drain(self) -> None:
        self.line.away = self.line.relay_dies = False
        await self._end_leases()
        while (await self.outbox.status())[0]:
            await self._relay()
        if self.line.messages:
            await self._accept(self.line.messages)
        while ("react", "pending") in await self.inbox.status():
            await self._work("")


TestDelivered = Delivered.TestCase
TestDelivered.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow],
)
