"""What is known beside the notifier: what it heard, who wants what, and what people were told.

All that the machine asserts of single emails is asserted here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from heliograph import Event
from services.notifier.emails.facts import Facts, Item
from services.notifier.models import Topic
from services.notifier.repositories.claims import Due
from services.notifier.sending.pace import HOUR, Pace
from tests.integration.services.notifier.sending.goods import Good, Price, price_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription that has not ended."""

    id: UUID
    token: str
    email: str
    topic: Topic
    product_id: UUID | None = None
    target: Price | None = None

    def is_of(self, good: Good) -> bool:
        return self.topic == "price_drop" and self.product_id in (None, good.id)

    def is_met(self, price: Price) -> bool:
        target = self.target
        return (
            target is not None
            and price.currency == target.currency
            and price.amount <= target.amount
        )


@dataclass(slots=True, kw_only=True)
class Told:
    """An email that was claimed, and counts unless it surely did not go out."""

    row: int
    token: int
    email: str
    facts: Facts
    at: datetime
    """By the machine's clock, which passes time at once."""
    content: bytes
    counts: bool = True
    settled: bool = False

    @property
    def price(self) -> Item:
        return self.facts.items[0]

    def is_about(self, email: str, good: Good) -> bool:
        """Whether it told this person the price of that product."""
        return (
            self.counts
            and self.email == email
            and self.facts.kind == "price_drop"
            and self.price.product_id == good.id
        )


@dataclass(slots=True)
class Memory:
    """What must be true of the emails, told from what happened."""

    pace: Pace
    goods: dict[UUID, Good] = field(default_factory=dict)
    heard: dict[UUID, Event[Any]] = field(default_factory=dict)
    """By product, the newest of its events that a receiver ran."""
    wanted: dict[UUID, Wanted] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    arrived: dict[str, bytes] = field(default_factory=dict)
    """By Message-ID, what came to somebody."""

    def hear(self, event: Event[Any]) -> None:
        """A receiver ran this event."""
        last = self.heard.get(event.instance.id)
        if last is None or (last.sequence or "") < (event.sequence or ""):
            self.heard[event.instance.id] = event

    def newest(self, product_id: UUID) -> Price | None:
        """The price of a product as far as was heard; None if it is gone, or was not heard of."""
        event = self.heard.get(product_id)
        if event is None or event.signal == "post_delete":
            return None
        return price_of(event.instance)

    def of(self, email: str, topic: Topic) -> Iterator[Wanted]:
        return (each for each in self.wanted.values() if (each.email, each.topic) == (email, topic))

    def about(self, email: str, good: Good) -> list[Told]:
        return [each for each in self.told if each.is_about(email, good)]

    # What was claimed.

    def claimed(self, emails: Iterable[tuple[Due, Facts | None, datetime, bytes]]) -> None:
        """Look at all that one claim hands over to be sent."""
        for due, facts, at, content in emails:
            earlier = next((each for each in self.told if each.row == due.id and each.counts), None)
            if due.again:
                assert earlier is not None, "a first attempt is called a repetition"
                assert not earlier.settled, "what is settled is sent again"
                assert content == earlier.content, "a repetition is another email"
                earlier.token = due.token
                continue
            assert earlier is None, "an email that may have come is written anew"
            assert facts is not None
            told = Told(
                row=due.id,
                token=due.token,
                email=due.addressee.recipient,
                facts=facts,
                at=at,
                content=content,
            )
            link = due.addressee.token or ""
            if facts.kind == "price_drop":
                self._check_price(told, link)
            else:
                self._check_news(told, link)
            self.told.append(told)

    def _check_price(self, told: Told, link: str) -> None:
        [item] = told.facts.items
        good = self.goods[item.product_id]
        new = self.newest(good.id)
        assert new is not None, "it tells of a product that is gone"
        assert (item.new_minor, item.currency) == (new.minor, new.currency)
        self._check_old(item, good)
        wishes = [each for each in self.of(told.email, "price_drop") if each.is_of(good)]
        answered = [each for each in wishes if each.token == link]
        assert answered, "it goes to somebody who does not want it"
        [wish] = answered
        if wish.target:
            assert wish.is_met(new), "the target is not met"
            target = (told.facts.target_minor, told.facts.target_currency)
            assert target == (wish.target.minor, wish.target.currency)
        else:
            assert item.old_minor is not None, "a price that did not fall is told as a drop"
        spared = timedelta(seconds=self.pace.cooldown)
        for each in self.about(told.email, good):
            assert each.at + spared <= told.at, "a second price within the cool-down"

    def _check_old(self, item: Item, good: Good) -> None:
        if item.old_minor is None:
            return
        assert item.new_minor is not None
        assert item.new_minor < item.old_minor, "a price that is not lower is told as a drop"
        known = [
            price
            for _, price in good.prices(self.heard[good.id].sequence or "")
            if price.currency == item.currency
        ]
        assert item.old_minor in {each.minor for each in known}, "it never had that price"

    def _check_news(self, told: Told, link: str) -> None:
        facts, email = told.facts, told.email
        assert link in {each.token for each in self.of(email, "new_product")}
        for item in facts.items:
            new = self.newest(item.product_id)
            assert new is not None, "it tells of a product that is gone"
            assert (item.new_minor, item.currency) == (new.minor, new.currency)
        shown = [each.product_id for each in facts.items]
        assert len(set(shown)) == len(shown)
        news = [each for each in self.told if each.counts and each.email == email]
        news = [each for each in news if each.facts.kind == "new_product"]
        hour = timedelta(seconds=HOUR)
        recent = sum(each.at + hour > told.at for each in news)
        assert not self.pace.burst or recent < self.pace.burst, "more emails than the burst allows"
        before = {item.product_id for each in news for item in each.facts.items}
        assert not before & set(shown), "a product is new twice"

    # What became of it.

    def ours(self, due: Due) -> Told | None:
        """The email that a worker has, unless another took it over."""
        return next(
            (each for each in self.told if (each.row, each.token) == (due.id, due.token)), None
        )

    def arrive(self, message_id: str, content: bytes) -> None:
        """The mail server took an email."""
        known = self.arrived.setdefault(message_id, content)
        assert known == content, "two emails under one Message-ID"
