"""Emails while prices change, receivers lag, workers die and people come and go."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.integration.services.notifier.sending.goods import Price
from tests.integration.services.notifier.sending.post import FATES, WORKERS
from tests.integration.services.notifier.sending.world import RECEIVERS, World

ADA, BOB = "ada@example.org", "bob@example.org"
MINUTE, HOUR, DAY = 60, 3_600, 86_400

people = st.sampled_from([ADA, BOB])
receivers = st.sampled_from(RECEIVERS)
workers = st.integers(0, WORKERS - 1)
places = st.sampled_from([0, 0, 1, 1, 2, 3])
currencies = st.sampled_from(["EUR", "EUR", "USD"])
prices = st.builds(Price, st.integers(1, 6).map(lambda each: each * 10), currencies)
fates = st.lists(st.sampled_from(FATES), max_size=3)
times = st.sampled_from([1, 25, 10 * MINUTE, HOUR, HOUR, DAY + HOUR])


class TrueEmails(RuleBasedStateMachine):
    """No email is false, none is one too many, and the last true drop is told in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.runner = self.open.enter_context(asyncio.Runner())
        self.folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(
        cooldown=st.sampled_from([HOUR, HOUR, 0]),
        settle=st.sampled_from([0, 2]),
        burst=st.sampled_from([1, 2, 0]),
    )
    def begin(self, cooldown: int, settle: int, burst: int) -> None:
        self.world = World(
            self.folder, price_cooldown_seconds=cooldown, settle_seconds=settle, burst=burst
        )
        self.run(self._begin())

    async def _begin(self) -> None:
        world = self.world
        for _ in range(2):
            world.create(Price(50))
        await world.hear_all()
        await world.subscribe(ADA, "new_product")
        await world.subscribe(ADA, "price_drop")
        for good in list(world.memory.goods.values())[1:]:
            await world.watch(BOB, good, Price(30))

    # The catalog.

    @rule(
        count=st.sampled_from([1, 1, 1, 1, 2, 14]),
        price=prices,
        origin=st.sampled_from([None, None, "batch", "import"]),
    )
    def create(self, count: int, price: Price, origin: str | None) -> None:
        for _ in range(count):
            self.world.create(price, origin)

    @rule(place=places, to=st.lists(prices, min_size=1, max_size=3))
    def change(self, place: int, to: list[Price]) -> None:
        """Several writes of one transaction make one version."""
        good = self.world.good(place)
        if good and not good.gone:
            good.change(to)

    @rule(place=places, by=st.sampled_from([10, 20]), detour=st.booleans())
    def lower(self, place: int, by: int, detour: bool) -> None:  # noqa: FBT001 - drawn
        good = self.world.good(place)
        if good and not good.gone and good.price.amount > by:
            half, whole = (
                replace(good.price, amount=good.price.amount - each) for each in (by // 2, by)
            )
            good.change([half, Price(70, "GBP"), whole] if detour else [whole])

    @rule(place=places, worker=workers, fates=fates, seconds=times)
    def lower_and_send(self, place: int, worker: int, fates: list[str], seconds: int) -> None:
        """What happens most: by single steps it would come about too seldom."""
        self.lower(place, 10, detour=False)
        self.hear_all()
        self.send(worker, fates)
        self.wait(seconds)

    @rule(worker=workers, fates=fates, seconds=times)
    def create_and_send(self, worker: int, fates: list[str], seconds: int) -> None:
        self.create(2, Price(60), None)
        self.hear_all()
        self.wait(2)
        self.send(worker, fates)
        self.wait(seconds)

    @rule(place=places, what=st.sampled_from(["rename", "rename", "rename", "delete"]))
    def rename_or_delete(self, place: int, what: str) -> None:
        good = self.world.good(place)
        if good is None or good.gone:
            return
        if what == "rename":
            good.rename(f"{good.snapshot.name}!")
        else:
            good.change([Price(10)], deleted=True)

    # The receivers.

    @rule(
        receiver=receivers,
        place=places,
        count=st.integers(1, 3),
        dies=st.sampled_from([False, False, False, True]),
    )
    def hear(self, receiver: str, place: int, count: int, dies: bool) -> None:  # noqa: FBT001
        if good := self.world.good(place):
            self.run(self.world.hear(receiver, good, count, dies=dies))

    @rule()
    def hear_all(self) -> None:
        self.run(self.world.hear_all())

    @rule(
        receiver=receivers,
        place=places,
        what=st.sampled_from(["replay", "replay", "replay", "discard"]),
        event=places,
    )
    def operate(self, receiver: str, place: int, what: str, event: int) -> None:
        good = self.world.good(place)
        if good and what == "replay":
            self.run(self.world.replay(receiver, good, event))
        elif good:
            self.world.discard(receiver, good)

    # The people.

    @rule(email=people, topic=st.sampled_from(["new_product", "price_drop"]))
    def subscribe(self, email: str, topic: str) -> None:
        self.run(self.world.subscribe(email, topic))

    @rule(email=people, place=places, at=st.none() | prices)
    def watch(self, email: str, place: int, at: Price | None) -> None:
        if good := self.world.good(place):
            self.run(self.world.watch(email, good, at))

    @rule(place=places, by_link=st.sampled_from([False, False, True]))
    def unsubscribe(self, place: int, by_link: bool) -> None:  # noqa: FBT001 - drawn
        self.run(self.world.unsubscribe(place, by_link=by_link))

    # The mail workers, and the time.

    @rule(worker=workers, limit=st.sampled_from([1, 100, 100]))
    def claim(self, worker: int, limit: int) -> None:
        self.run(self.world.post.claim(worker, limit))

    @rule(worker=workers, fates=fates)
    def send(self, worker: int, fates: list[str]) -> None:
        self.run(self.world.post.claim(worker))
        for fate in fates:
            self.run(self.world.post.send(worker, fate))

    @rule(worker=workers, what=st.sampled_from(["hand back", "die", "wake", "restart"]))
    def fail(self, worker: int, what: str) -> None:
        post = self.world.post
        if what == "die":
            post.die(worker)
        elif what == "hand back":
            self.run(post.hand_back(worker))
        elif what == "wake":
            self.run(post.wake())
        else:
            self.run(self.world.restart())

    @rule(seconds=times)
    def wait(self, seconds: int) -> None:
        self.run(self.world.wait(seconds))

    def teardown(self) -> None:
        with self.open:
            if hasattr(self, "world"):
                try:
                    self.run(self.world.end())
                finally:
                    self.run(self.world.notifier.close())


TestTrueEmails = TrueEmails.TestCase
TestTrueEmails.settings = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
