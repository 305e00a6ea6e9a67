"""What people must have been told in the end, whatever happened on the way."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from heliograph import Event
from tests.integration.services.notifier.sending.goods import Good, Price, price_of
from tests.integration.services.notifier.sending.memory import Memory, Told, Wanted


@dataclass(slots=True)
class Owed:
    """News and true drops, each with the moment from which it was to be told.

    A drop is owed while it is the last change of its product, and to whoever wanted to know all
    along; a target from when it was reached, or met as somebody subscribed, for as long as it is.
    """

    memory: Memory
    drops: dict[tuple[str, UUID], datetime] = field(default_factory=dict)
    targets: dict[UUID, datetime] = field(default_factory=dict)
    met_at_once: set[UUID] = field(default_factory=set)
    """Subscriptions whose target was met as they began: who is first to hear tells it no more."""
    news: set[tuple[str, UUID, UUID]] = field(default_factory=set)
    """By person, product and event."""
    uncertain: set[UUID] = field(default_factory=set)
    """Products of which an event was discarded: nothing is owed of them."""

    def ran(self, receiver: str, event: Event[Any], now: datetime) -> None:
        """A receiver ran the event, the next of its product."""
        good = self.memory.goods[event.instance.id]
        if receiver == "email_price_drop":
            self._priced(event, good, now)
        elif event.created and event.origin != "import":
            self.news |= {
                (each.email, good.id, event.id)
                for each in self.memory.wanted.values()
                if each.topic == "new_product"
            }
        self.look_again()

    def _priced(self, event: Event[Any], good: Good, now: datetime) -> None:
        old, new = good.fell(event), price_of(event.instance)
        if event.changes and not {"price", "currency"} & event.changes.keys():
            return
        for each in self.memory.wanted.values():
            if not each.is_of(good):
                continue
            if each.target is None:
                self.drops.pop((each.email, good.id), None)
                if old:
                    self.drops[each.email, good.id] = now
            elif each.is_met(new) and (
                (event.created and each.id not in self.met_at_once)
                or (old and not each.is_met(old))
            ):
                self.targets[each.id] = now

    def subscribed(self, wanted: Wanted, now: datetime) -> None:
        """Somebody subscribed; a target may be met already."""
        if self._is_met(wanted):
            self.targets[wanted.id] = now
            self.met_at_once.add(wanted.id)

    def discarded(self, good: Good) -> None:
        self.uncertain.add(good.id)

    def look_again(self) -> None:
        """Forget what is no longer owed: it is over, or nobody wants to know."""
        memory = self.memory
        for email, product_id in list(self.drops):
            good = memory.goods[product_id]
            if not any(each.target is None for each in self._wishes(email, good)):
                del self.drops[email, product_id]
        for wanted_id in list(self.targets):
            wanted = memory.wanted.get(wanted_id)
            if wanted is None or not self._is_met(wanted):
                del self.targets[wanted_id]
        self.news = {each for each in self.news if any(memory.of(each[0], "new_product"))}

    def _is_met(self, wanted: Wanted) -> bool:
        new = wanted.product_id and self.memory.newest(wanted.product_id)
        return isinstance(new, Price) and wanted.is_met(new)

    def _wishes(self, email: str, good: Good) -> Iterator[Wanted]:
        return (each for each in self.memory.of(email, "price_drop") if each.is_of(good))

    def check(
        self, sent: Collection[tuple[str, UUID]], failed: Collection[tuple[str, UUID | None]]
    ) -> None:
        """Everything was heard, and every email had its time: see that all is paid.

        `sent` are people and the events that they were told of, `failed` people and the products
        of which a mail server refused an email for good.
        """
        memory = self.memory
        self.look_again()
        owed = [(email, product_id, at, True) for (email, product_id), at in self.drops.items()]
        for wanted_id, at in self.targets.items():
            wanted = memory.wanted[wanted_id]
            assert wanted.product_id
            owed.append((wanted.email, wanted.product_id, at, False))
        for email, product_id, since, newest in owed:
            good = memory.goods[product_id]
            if good.gone or product_id in self.uncertain or (email, product_id) in failed:
                continue
            self._check_price(memory.about(email, good), good, since, newest=newest)
        for email, product_id, event_id in self.news:
            if not memory.goods[product_id].gone and (email, product_id) not in failed:
                assert (email, event_id) in sent, "somebody was not told of a new product"

    def _check_price(self, told: list[Told], good: Good, since: datetime, *, newest: bool) -> None:
        price = good.price
        after = [each for each in told if each.at >= since]
        before = [each for each in told if each.at < since]
        if after:
            last = max(after, key=lambda each: each.at).price
            if newest:
                assert (last.new_minor, last.currency) == (price.minor, price.currency)
            return
        assert before, "the last true drop was not told"
        last_told = max(before, key=lambda each: each.at)
        assert last_told.at + timedelta(seconds=self.memory.pace.cooldown) > since
        assert last_told.price.currency == price.currency
        assert (last_told.price.new_minor or 0) <= price.minor, "the last true drop was not told"
