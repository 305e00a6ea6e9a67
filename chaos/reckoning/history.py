"""History: what the catalog committed, product by product, as its events tell it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from chaos.listener import Heard
from heliograph.money import to_minor

CHANGE, SAVED, LAST_WORD = (
    f"catalog.product.{signal}" for signal in ("pre_save", "post_save", "post_delete")
)


class Price(NamedTuple):
    """A price in minor units, from one change on."""

    sequence: str
    minor: int
    currency: str


class Drop(NamedTuple):
    """A price below the last one in the same currency."""

    event_id: str
    sequence: str
    product: str
    currency: str
    old: int
    new: int


@dataclass
class Life:
    """One product: its prices in the order of its commits."""

    product: str
    name: str = ""
    created: str | None = None
    """The id of the event that tells others of it."""
    gone: bool = False
    prices: list[Price] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)
    """By sequence, the ids of the events that told of its prices."""

    def since(self, sequence: str) -> list[Price]:
        """The price at a moment, and all later ones."""
        older = [each for each in self.prices if each.sequence <= sequence]
        return older[-1:] + [each for each in self.prices if each.sequence > sequence]

    def had(self, currency: str) -> set[int]:
        """All its prices in a currency."""
        return {each.minor for each in self.prices if each.currency == currency}

    def drops(self) -> Iterator[Drop]:
        """Each against the last price in its currency, whatever stood between."""
        last: dict[str, int] = {}
        for price in self.prices:
            old = last.get(price.currency)
            if old is not None and price.minor < old:
                event_id = self.changes[price.sequence]
                yield Drop(event_id, price.sequence, self.product, price.currency, old, price.minor)
            last[price.currency] = price.minor

    def last_drop(self) -> Drop | None:
        """The last one, if the price has been below the one before it ever since."""
        drop = next(reversed([*self.drops()]), None)
        if self.gone or drop is None:
            return None
        lower = all(
            each.currency == drop.currency and each.minor < drop.old
            for each in self.since(drop.sequence)
        )
        return drop if lower else None


class History:
    """The lives of all products; `events` are first copies."""

    def __init__(self, events: Iterable[Heard]) -> None:
        self.lives: dict[str, Life] = {}
        self.sequences: dict[str, str] = {}
        """By event id."""
        saves = {CHANGE, SAVED, LAST_WORD}
        for event in sorted(
            (each for each in events if each.routing_key in saves),
            key=lambda each: each.sequence or "",
        ):
            self.sequences[event.id] = event.sequence or ""
            self._take(event, self.lives.setdefault(event.subject, Life(event.subject)))

    def _take(self, event: Heard, life: Life) -> None:
        if event.routing_key == LAST_WORD:
            life.gone = True
        elif event.routing_key == CHANGE:
            shown = event.data["instance"]
            life.name = shown["name"]
            minor = to_minor(Decimal(shown["price"]), shown["currency"])
            life.prices.append(Price(event.sequence or "", minor, shown["currency"]))
            life.changes[event.sequence or ""] = event.id
        elif event.data["created"]:
            life.created = event.id
