"""A catalog for models: goods that change, and what is announced of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import contracts
from heliograph import Event
from heliograph.events import sequence
from tests.samples import event, product


@dataclass(frozen=True, slots=True)
class Price:
    """In whole major units of a currency that has two decimals."""

    amount: int
    currency: str = "EUR"

    @property
    def exact(self) -> Decimal:
        return Decimal(f"{self.amount}.00")

    @property
    def minor(self) -> int:
        return self.amount * 100

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(slots=True)
class Good:
    """One product, and its events in the order of its commits.

    All writes of one transaction make one version; their events are told apart by their places.
    """

    snapshot: contracts.Product
    events: list[Event[Any]] = field(default_factory=list)
    gone: bool = False

    @classmethod
    def made(cls, name: str, price: Price, *, origin: str | None = None) -> "Good":
        """A product that was created."""
        snapshot = product(name=name, price=price.exact, currency=price.currency)
        good = cls(snapshot)
        good._announce(_saved(snapshot, None), origin=origin)
        return good

    @property
    def id(self) -> UUID:
        return self.snapshot.id

    @property
    def price(self) -> Price:
        return price_of(self.snapshot)

    def change(self, prices: Iterable[Price], *, deleted: bool = False) -> None:
        """Give it these prices one after another and delete it, all in one transaction."""
        version, before, events = self.snapshot.version + 1, self.snapshot, []
        for price in prices:
            if price == price_of(before):
                continue
            after = before.model_copy(
                update={
                    "price": price.exact,
                    "currency": price.currency,
                    "version": version,
                }
            )
            events += _saved(after, before)
            before = after
        if deleted:
            gone = before.model_copy(update={"version": version})
            events += [event(gone, signal=each) for each in ("pre_delete", "post_delete")]
        self.snapshot, self.gone = before, self.gone or deleted
        self._announce(events)

    def rename(self, name: str) -> None:
        """Change something else than the price."""
        after = self.snapshot.model_copy(
            update={"name": name, "version": self.snapshot.version + 1}
        )
        events = _saved(after, self.snapshot)
        self.snapshot = after
        self._announce(events)

    def _announce(self, events: Sequence[Event[Any]], *, origin: str | None = None) -> None:
        for place, each in enumerate(events):
            each.sequence, each.origin = sequence(each.instance.version, place), origin
        self.events += events

    def prices(self, before: str = "~") -> Iterator[tuple[str, Price]]:
        """Every price it had by the place of the event that gave it, the newest first."""
        for each in reversed(self.events):
            if each.signal == "pre_save" and (each.sequence or "") < before:
                yield each.sequence or "", price_of(each.instance)

    def fell(self, changed: Event[Any]) -> Price | None:
        """The last price in the same currency before the event, if that was higher."""
        new = price_of(changed.instance)
        earlier = (price for _, price in self.prices(changed.sequence or ""))
        last = next((each for each in earlier if each.currency == new.currency), None)
        return last if last and last.amount > new.amount else None


def price_of(snapshot: contracts.Product) -> Price:
    return Price(int(snapshot.price), snapshot.currency)


def _saved(
    after: contracts.Product, before: contracts.Product | None
) -> list[Event[contracts.Product]]:
    return [
        event(
            after,
            signal=signal,
            original=before,
            changes=before and before.changes_to(after),
            created=before is None,
        )
        for signal in ("pre_save", "post_save")
    ]
