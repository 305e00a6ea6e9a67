"""What an event tells, read as the console reads it: from the message of the bus."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import contracts
from heliograph import Contract
from heliograph.events import decode, encode, new_id, sequence
from services.console.phrases import LONGEST, phrase
from tests.samples import event, image, product


def told(snapshot: Contract, original: Contract | None = None, **fields: Any) -> str:
    """The phrase of an event that went over the wire."""
    changes = None if original is None else original.changes_to(snapshot)
    sent = event(
        snapshot,
        original=original,
        **{
            "changes": changes,
            "created": original is None,
            "version": 2,
            "sequence": sequence(2, 0),
            **fields,
        },
    )
    message = encode(sent)
    return phrase(decode(message.headers, message.body, type(snapshot)))


def test_a_price_is_told_with_its_currency() -> None:
    before = product()
    after = before.model_copy(update={"price": Decimal("14.99")})
    assert told(after, before) == "price 19.99 → 14.99 EUR"
    yen = before.model_copy(update={"price": Decimal(1500), "currency": "JPY"})
    assert told(yen, before) == "price 19.99 EUR → 1500 JPY"


def test_several_changes_are_told_one_after_another() -> None:
    before = product(sku="LAMP-1")
    after = before.model_copy(
        update={"sku": "LAMP-2", "name": "Desk lamp", "price": Decimal("14.99")}
    )
    assert told(after, before) == (
        "price 19.99 → 14.99 EUR, SKU LAMP-1 → LAMP-2, renamed “Lamp” → “Desk lamp”"
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "Gives light.", "description added"),
        ("Gives light.", "Gives warm light.", "description changed"),
        ("Gives light.", "", "description removed"),
    ],
)
def test_a_description_is_not_repeated(before: str, after: str, expected: str) -> None:
    old = product(description=before)
    assert told(old.model_copy(update={"description": after}), old) == expected


def test_what_begins_and_ends_is_told() -> None:
    assert told(product()) == "created at 19.99 EUR"
    assert told(product(), signal="post_delete", created=None) == "deleted"


def test_an_image_is_told_by_what_it_shows_and_its_size() -> None:
    lamp = image(alt="A lamp", width=800, height=600)
    size = "800 \N{MULTIPLICATION SIGN} 600"
    assert told(lamp) == f"added image “A lamp”, {size}"
    assert told(image(width=800, height=600)) == f"added image, {size}"
    gone: dict[str, Any] = {"signal": "pre_delete", "created": None}
    assert told(lamp, **gone) == f"removed image “A lamp”, {size}"
    with_product = told(lamp, **gone, cascade="catalog.product")
    assert with_product == f"removed image “A lamp”, {size}, with its product"
    other = lamp.model_copy(update={"alt": "", "position": 3})
    assert told(other, lamp) == "position 0 → 3, alternative text “A lamp” → nothing"


@pytest.mark.parametrize(
    ("action", "count", "expected"),
    [
        ("pre_add", 2, "2 categories added"),
        ("post_add", 1, "1 category added"),
        ("post_remove", 3, "3 categories removed"),
        ("pre_clear", None, "all categories removed"),
        ("pre_swap", 1, "1 category pre_swap"),
    ],
)
def test_a_relation_is_told_by_number(action: str, count: int | None, expected: str) -> None:
    ids: frozenset[UUID] | None = None
    if count is not None:
        ids = frozenset(new_id() for _ in range(count))
    said = told(
        product(),
        signal="m2m_changed",
        created=None,
        action=action,
        field="categories",
        pk_set=ids,
        model=contracts.Category,
        reverse=False,
    )
    assert said == expected


def test_fields_that_nobody_knew_are_told() -> None:
    changes = {
        "stock_level": {"from": 3, "to": None},
        "tags": {"from": ["a"], "to": ["b"]},
        "odd": {},
    }
    assert told(product(), product(), changes=changes) == (
        "stock level 3 → nothing, tags changed, odd nothing → nothing"
    )


def test_hostile_text_stays_one_short_line() -> None:
    before = product()
    name = "a\u202eb\u2028c\u200b" + "x" * 150
    said = told(before.model_copy(update={"name": name}), before)
    assert said.startswith("renamed “Lamp” → “a b c x")
    assert said.isprintable()
    many = {f"field{each}": {"from": "a" * 500, "to": "\x1b[31m"} for each in range(99)}
    said = told(product(), product(), changes=many)
    assert len(said) == LONGEST
    assert said.isprintable()
