"""Facts for an email of each kind, about products that nobody sells."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import contracts
from services.notifier.emails.facts import SHOWN, Facts, Item
from services.notifier.models import Topic

_NAMES = ("Armchair", "Bookcase", "Candlestick", "Desk", "Easel", "Footstool", "Grandfather clock")
_NEWEST = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def _product(number: int) -> contracts.Product:
    return contracts.Product(
        id=UUID(int=number),
        url=f"https://shop.example/products/{number}",
        sku=f"TEST-{number}",
        name=f"{_NAMES[number % len(_NAMES)]} (a test)",
        description="Nobody sells this. It shows what an email of this kind looks like.",
        price="129.00",
        currency="EUR",
        version=2,
        created_at=_NEWEST,
        updated_at=_NEWEST,
    )


products: Mapping[UUID, contracts.Product] = {
    UUID(int=number): _product(number) for number in range(SHOWN)
}


def _item(number: int, topic: Topic = "new_product", old_minor: int | None = None) -> Item:
    return Item(
        topic=topic,
        product_id=UUID(int=number),
        sequence="",
        currency="EUR",
        new_minor=12_900,
        old_minor=old_minor,
    )


SAMPLES: Mapping[str, Facts] = {
    "new product": Facts(kind="new_product", items=(_item(0),)),
    "new products": Facts(
        kind="new_product", items=tuple(_item(number) for number in range(SHOWN)), more=3
    ),
    "price drop": Facts(kind="price_drop", items=(_item(1, "price_drop", 14_900),)),
    "target met": Facts(
        kind="price_drop",
        items=(_item(2, "price_drop", 19_900),),
        target_minor=13_000,
        target_currency="EUR",
    ),
    "digest": Facts(
        kind="digest",
        items=(_item(3), _item(4, "price_drop", 15_900), _item(5, "price_drop", 25_000)),
    ),
    "confirmation": Facts(kind="confirmation", topic="new_product"),
}
"""By what `mail test` calls them."""
