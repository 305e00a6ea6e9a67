"""The notifier's reactions, through the bus, the inbox and a worker."""

from decimal import Decimal
from typing import Any

import pytest

import contracts
from heliograph.events import new_id
from heliograph.storage import new_key
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import (
    ledger,
    repriced,
    subscribe,
    tell,
    told,
)
from tests.samples import event, product

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"
TARGET = {"target_minor": 1500, "currency": "EUR"}
SAVED = ("pre_save", "post_save")


def picture(key: str, *variants: str) -> contracts.Picture:
    return contracts.Picture(
        id=new_id(),
        key=key,
        url=f"http://catalog.test/v1/images/{key}",
        content_type="image/png",
        width=800,
        height=600,
        bytes=4,
        variants=tuple(
            contracts.Variant(name="thumbnail", key=each, width=80, height=60) for each in variants
        ),
    )


async def store(notifier: Notifier, *keys: str) -> None:
    for key in keys:
        await notifier.images.put(key, b"data", "image/png")


async def stored(notifier: Notifier) -> set[str]:
    return {each.key async for each in notifier.images.keys()}  # noqa: SIM118 - not a mapping


@sqlite_suffices
def test_the_notifier_has_exactly_three_receivers(notifier: Notifier) -> None:
    listened = {
        each.name: {(kind.signal, kind.contract.sender_name) for kind in each.listens}
        for each in notifier.receivers
    }
    assert listened == {
        "email_new_product": {
            ("post_save", "catalog.product"),
            ("post_delete", "catalog.product"),
        },
        "email_price_drop": {("pre_save", "catalog.product")},
        "purge_images": {("pre_delete", "catalog.product"), ("pre_delete", "catalog.image")},
    }


async def test_subscribers_of_new_products_are_told_once(notifier: Notifier) -> None:
    for email in (ADA, BOB):
        await subscribe(notifier, email, "new_product")
    await subscribe(notifier, EVE, "price_drop")
    created = event(created=True)
    await tell(notifier, created, created)
    assert await told(notifier) == [ADA, BOB]


@pytest.mark.parametrize(
    "fields", [{"created": False}, {"created": True, "origin": "import"}], ids=str
)
@sqlite_suffices
async def test_changes_and_imports_are_not_new_products(
    notifier: Notifier, fields: dict[str, Any]
) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(**fields))
    assert await ledger(notifier) == []


@sqlite_suffices
async def test_a_batch_of_new_products_is_told(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "new_product")
    await tell(notifier, event(created=True, origin="batch"))
    assert await told(notifier) == [ADA]


async def test_a_price_drop_is_told_and_a_rise_is_not(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "price_drop")
    lamp = product()
    await tell(notifier, repriced(lamp, "19.99", "24.99"), repriced(lamp, "24.99", "14.99"))
    [told_once] = await ledger(notifier)
    assert (told_once.email, told_once.topic, told_once.state) == (ADA, "price_drop", "pending")


@sqlite_suffices
async def test_prices_in_two_currencies_are_not_compared(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "price_drop")
    await tell(notifier, repriced(product(), "19.99", "14.99", currency="USD"))
    assert await ledger(notifier) == []


@sqlite_suffices
async def test_a_product_without_a_before_has_no_price_drop(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "price_drop")
    await tell(notifier, event(signal="pre_save", created=True))
    assert await ledger(notifier) == []


@pytest.mark.parametrize(
    ("old", "new", "reached"),
    [
        ("19.99", "15.00", True),
        ("19.99", "14.99", True),
        ("15.01", "15.00", True),
        ("19.99", "15.01", False),
        ("15.00", "14.99", False),
    ],
)
async def test_a_target_is_reached_when_the_price_falls_from_above_to_it_or_below(
    notifier: Notifier, old: str, new: str, *, reached: bool
) -> None:
    lamp = product(price=Decimal(old))
    await tell(notifier, *(event(lamp, signal=each, created=True) for each in SAVED))
    await subscribe(notifier, ADA, "price_drop", product_id=lamp.id, **TARGET)
    drop = repriced(lamp, old, new)
    await tell(notifier, drop)
    of_drop = [each.email for each in await ledger(notifier) if each.event_id == drop.id]
    assert of_drop == ([ADA] if reached else [])


@pytest.mark.parametrize("frequency", ["instant", "weekly"])
@pytest.mark.parametrize(("price", "met"), [("15.00", True), ("15.01", False)])
async def test_who_subscribed_before_the_product_was_heard_of_is_told_of_a_price_that_is_met(
    notifier: Notifier, price: str, frequency: str, *, met: bool
) -> None:
    lamp = product(price=Decimal(price))
    wish: dict[str, Any] = {"topic": "price_drop", "product_id": lamp.id, "frequency": frequency}
    await subscribe(notifier, ADA, **wish, **TARGET)
    await subscribe(notifier, BOB, **wish)
    await subscribe(notifier, EVE, **wish, **TARGET | {"currency": "USD"})
    created = event(lamp, signal="pre_save", created=True)
    await tell(notifier, created, created)
    assert await told(notifier) == ([ADA] if met else [])


@pytest.mark.parametrize("frequency", ["instant", "daily"])
async def test_the_first_that_is_heard_of_a_product_may_be_a_change(
    notifier: Notifier, frequency: str
) -> None:
    lamp = product(price=Decimal("15.00"))
    wish: dict[str, Any] = {"topic": "price_drop", "product_id": lamp.id, "frequency": frequency}
    await subscribe(notifier, ADA, **wish, **TARGET)
    renamed = [repriced(lamp, "15.00", "15.00", name=name) for name in ("Light", "Lantern")]
    await tell(notifier, renamed[0], renamed[0], renamed[1])
    assert [each.event_id for each in await ledger(notifier)] == [renamed[0].id]


async def test_of_a_drop_that_is_the_first_that_is_heard_each_is_told_once(
    notifier: Notifier,
) -> None:
    lamp = product()
    for email, target in ((ADA, 1500), (BOB, 2000), (EVE, 1000)):
        for frequency in ("instant", "daily"):
            wish = {"product_id": lamp.id, "target_minor": target, "currency": "EUR"}
            name = f"{frequency}-{email}"
            await subscribe(notifier, name, "price_drop", frequency=frequency, **wish)
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    found = {each.email: each.old_minor for each in await ledger(notifier)}
    # A digest tells of the drop whom it concerns.
    assert found == {f"instant-{ADA}": 1999, f"instant-{BOB}": None, f"daily-{BOB}": None}


async def test_who_was_told_as_they_subscribed_is_not_told_by_the_receiver_that_lags(
    notifier: Notifier,
) -> None:
    lamp = product(price=Decimal("14.99"))
    await tell(notifier, event(lamp, created=True))
    await subscribe(notifier, ADA, "price_drop", product_id=lamp.id, **TARGET)
    await tell(notifier, event(lamp, signal="pre_save", created=True))
    assert await told(notifier) == [ADA]


@pytest.mark.parametrize(("price", "met"), [("15.00", True), ("15.01", False)])
async def test_who_subscribes_to_a_product_that_is_cheap_enough_is_told_at_once(
    notifier: Notifier, price: str, *, met: bool
) -> None:
    lamp = product(price=Decimal(price))
    await tell(notifier, event(lamp, created=True))
    await subscribe(notifier, ADA, "price_drop", product_id=lamp.id, **TARGET)
    assert await told(notifier) == ([ADA] if met else [])


async def test_a_target_in_another_currency_or_of_another_product_is_not_reached(
    notifier: Notifier,
) -> None:
    lamp = product()
    wrong = TARGET | {"currency": "USD"}
    await subscribe(notifier, ADA, "price_drop", product_id=lamp.id, **wrong)
    await subscribe(notifier, BOB, "price_drop", product_id=new_id(), **TARGET)
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    assert await ledger(notifier) == []


async def test_who_subscribed_twice_is_told_once(notifier: Notifier) -> None:
    lamp = product()
    await subscribe(notifier, ADA, "price_drop")
    await subscribe(notifier, ADA, "price_drop", product_id=lamp.id)
    await tell(notifier, repriced(lamp, "19.99", "14.99"))
    assert await told(notifier) == [ADA]


async def test_events_out_of_order_and_repeated_leave_the_same(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "new_product")
    await subscribe(notifier, ADA, "price_drop")
    key = new_key("png")
    await store(notifier, key)
    lamp = product(images=(picture(key),))
    created, drop = event(lamp, created=True), repriced(lamp, "19.99", "14.99")
    gone = event(lamp, signal="pre_delete")
    await tell(notifier, gone, drop, created, drop, gone, created)
    assert [each.topic for each in await ledger(notifier)].count("new_product") == 1
    assert [each.topic for each in await ledger(notifier)].count("price_drop") == 1
    assert await stored(notifier) == set()


@sqlite_suffices
async def test_a_price_that_its_currency_cannot_have_is_parked(notifier: Notifier) -> None:
    await subscribe(notifier, ADA, "price_drop")
    await tell(notifier, repriced(product(currency="XXX"), "19.99", "14.99"))
    [parked] = await notifier.inbox.parked.page()
    assert "cannot be compared" in parked.reason


@sqlite_suffices
async def test_a_deleted_product_takes_all_its_files_and_no_other(notifier: Notifier) -> None:
    one, small, two, other = (new_key("png") for _ in range(4))
    await store(notifier, one, small, two, other)
    pictures = (picture(one, small), picture(two))
    await tell(notifier, event(product(images=pictures), signal="pre_delete"))
    assert await stored(notifier) == {other}


@sqlite_suffices
async def test_a_deleted_image_takes_its_files_even_if_one_is_gone(notifier: Notifier) -> None:
    key, small, other = (new_key("png") for _ in range(3))
    await store(notifier, small, other)
    fields = picture(key, small).model_dump() | {"product_id": new_id()}
    image = contracts.Image.model_validate(fields)
    await tell(notifier, event(image, signal="pre_delete"))
    assert await stored(notifier) == {other}
    assert await notifier.inbox.parked.page() == []


@sqlite_suffices
@pytest.mark.parametrize(("cascade", "left"), [("catalog.product", 1), ("catalog.shop", 0)])
async def test_an_image_that_went_with_its_product_is_left_to_the_event_of_that(
    notifier: Notifier, cascade: str, left: int
) -> None:
    key = new_key("png")
    await store(notifier, key)
    image = contracts.Image.model_validate(picture(key).model_dump() | {"product_id": new_id()})
    await tell(notifier, event(image, signal="pre_delete", cascade=cascade))
    assert len(await stored(notifier)) == left


@sqlite_suffices
async def test_a_key_that_is_not_ours_is_left_alone(notifier: Notifier) -> None:
    key = new_key("png")
    await store(notifier, key)
    pictures = (picture("../secret.png"), picture(key))
    await tell(notifier, event(product(images=pictures), signal="pre_delete"))
    assert await stored(notifier) == set()
    assert await notifier.inbox.parked.page() == []
