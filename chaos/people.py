"""The people that the notifier writes to, and what they are spared.

The pace is quick, so that it matters within minutes: one email about a price in five seconds,
one about new products in one, and so many of those that a storm passes the most of an hour.
"""

from dataclasses import dataclass
from typing import Any

from chaos.traffic import CURRENCIES, FIRST_PRICE

COOLDOWN_S, SETTLE_S, BURST = 5, 1, 50
PACE = {
    "NOTIFIER_PRICE_COOLDOWN_SECONDS": str(COOLDOWN_S),
    "NOTIFIER_SETTLE_SECONDS": str(SETTLE_S),
    "NOTIFIER_BURST": str(BURST),
}
WATCHED = 3
"""Products that exist before anybody subscribes, and that no client deletes."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to be told of, from before the first change on."""

    email: str
    topic: str
    product: str | None = None
    target: int | None = None
    """Cents of the first currency."""
    frequency: str = "instant"

    def payload(self) -> dict[str, Any]:
        """As it is subscribed to."""
        wanted: dict[str, Any] = {"email": self.email, "topic": self.topic}
        if self.product:
            wanted["product_id"] = self.product
        if self.target:
            wanted |= {"target_price": f"{self.target / 100:.2f}", "currency": CURRENCIES[0]}
        return wanted | {"frequency": self.frequency}

    @property
    def is_met(self) -> bool:
        """Whether a product is had at the target from the beginning."""
        return self.target is not None and self.target >= FIRST_PRICE

    def wants(self, product: str, currency: str, old: int, new: int) -> bool:
        """Whether a drop is one to be told of."""
        if self.topic != "price_drop" or self.product not in (None, product):
            return False
        crossed = self.target is not None and new <= self.target < old
        return self.target is None or (crossed and currency == CURRENCIES[0])


def wishes(watched: list[str]) -> list[Wish]:
    """All of them; some of one product, some for a target, some by digest."""
    first, second, third = watched
    return [
        Wish("ann@example.com", "new_product"),
        Wish("bob@example.com", "price_drop"),
        Wish("cat@example.com", "price_drop", first),
        Wish("dan@example.com", "price_drop", second, target=FIRST_PRICE * 9 // 10),
        Wish("eve@example.com", "price_drop", third, target=FIRST_PRICE * 11 // 10),
        Wish("fay@example.com", "new_product"),
        Wish("fay@example.com", "price_drop"),
        Wish("gus@example.com", "new_product", frequency="daily"),
        Wish("gus@example.com", "price_drop", frequency="daily"),
        Wish("hal@example.com", "price_drop", first, frequency="weekly"),
    ]
