"""What the contracts take, and what they refuse."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from heliograph import Malformed
from heliograph.asyncapi import body_schema
from heliograph.events import EventKind, admit, decode, encode
from heliograph.money import LARGEST_MINOR, currencies, from_minor
from services.catalog.drafts import NewProduct
from services.catalog.models import Category, Image, Product
from services.catalog.service import Catalog
from services.catalog.snapshots import Snapshots
from tests.samples import event, image, product

PICTURE = image().model_dump(mode="json", exclude={"product_id"})


def told(change: Mapping[str, Any], *, of: str = "instance") -> str:
    """What is wrong with a product's event once its body is changed so; empty if nothing is."""
    message = encode(event(product(), original=product(), changes={}))
    body = json.loads(message.body)
    (body[of] if of else body).update(change)
    try:
        admit(
            message.headers,
            json.dumps(body).encode(),
            lambda _, signal: EventKind(signal, contracts.Product),
        )
    except Malformed as error:
        reason = str(error)
    else:
        reason = ""
    assert len(reason) < 300
    return reason


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "1e20000000"),
        ("price", "1E-20000000"),
        ("price", "-5.00"),
        ("price", "-0.00"),
        ("price", "5.0"),
        ("price", "5.001"),
        ("price", "NaN"),
        ("price", "Infinity"),
        ("price", "9" * 3_000_000),
        ("price", "0." + "0" * 1_000_000),
        ("price", "10000000000000.00"),
        ("price", 19.99),
        ("price", " 19.99"),
        ("price", "1_9.99"),
        ("price", "١٩.٩٩"),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("currency", ""),
        ("currency", "x" * 3_000_000),
        ("url", "javascript:alert(1)"),
        ("url", "JavaScript://example.org/%0aalert(1)"),
        ("url", "data:text/html,x"),
        ("url", "ftp://example.org/"),
        ("url", "//example.org/"),
        ("url", "http://"),
        ("url", "http:///x"),
        ("url", "http:// x"),
        ("url", " http://example.org/"),
        ("url", "http://example.org/" + "x" * 5_000),
        ("sku", ""),
        ("sku", "x" * 65),
        ("sku", "a\x00"),
        ("name", ""),
        ("name", "x" * 201),
        ("name", "a\x00b"),
        ("name", "a\r\nBcc: eve@example.org"),
        ("name", "a\x85b"),
        ("description", "x" * 10_001),
        ("description", "a\x00b"),
        ("description", None),
        ("version", 0),
        ("version", -1),
        ("version", 2**31),
        ("version", 10**4_000),
        ("created_at", "0001-01-01T00:00:00+23:59"),
        ("created_at", "9999-12-31T23:59:59-23:59"),
        ("created_at", "2026-01-31T09:30:00"),
        ("created_at", 1e300),
        ("created_at", "2" * 1_000_000),
        ("id", "1" * 1_000_000),
        ("categories", ["x"]),
        ("categories", [PICTURE["id"]] * 10_001),
        ("images", [PICTURE] * 2 + [{}] * 100_000),
        ("images", [PICTURE | {"url": "javascript:alert(1)"}]),
        ("images", [PICTURE | {"key": "x" * 1_025}]),
        ("images", [PICTURE | {"width": -1}]),
        ("images", [PICTURE | {"bytes": 2**31}]),
        ("images", [PICTURE | {"alt": "x" * 301}]),
        ("images", [PICTURE | {"content_type": "x" * 1_000}]),
        ("images", [PICTURE | {"content_type": "text"}]),
        ("images", [PICTURE | {"variants": [{"name": "a", "key": "b", "width": 1}]}]),
        ("images", [PICTURE | {"variants": [{}] * 101}]),
    ],
)
@pytest.mark.parametrize("of", ["instance", "original"])
def test_what_breaks_a_field_is_named_by_it_and_costs_no_time(
    of: str, field: str, value: object
) -> None:
    begun = time.process_time()
    reason = told({field: value}, of=of)
    assert time.process_time() - begun < 1
    if "\x00" in str(value) and field == "description":
        assert reason == "the body has a NUL in a text"
    elif field == "price" and value in ("5.0", "5.001", "10000000000000.00"):
        assert reason == f"the body's {of}: the price is no amount of its currency"
    elif isinstance(value, str) and len(value) > 2_500_000:
        assert reason == "the body has more than 2097152 bytes"
    else:
        assert f"{of}.{field}" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"actor": "x" * 201}, "actor"),
        ({"actor": "a\nb"}, "actor"),
        ({"origin": "x" * 201}, "origin"),
        ({"origin": 7}, "origin"),
        ({"action": "x" * 201}, "action"),
        ({"field": "x" * 201}, "field"),
        ({"update_fields": ["x"] * 1_001}, "update_fields"),
        ({"update_fields": ["x" * 201]}, "update_fields"),
        ({"update_fields": list(range(100_000))}, "update_fields.0"),
        ({"pk_set": ["1"] * 100_000}, "pk_set.0"),
        ({"changes": {str(n): {} for n in range(1_001)}}, "changes"),
        ({"changes": {"x" * 100_000: {}}}, "changes.xxxx"),
        ({"changes": {"x": 1}}, "changes.x"),
        ({"sender": "catalog.image"}, "the body's sender is not that of ce-type"),
        ({"signal": "pre_save"}, "the body's signal is not that of ce-type"),
        ({"changes": {"x": {"from": "a\x00"}}}, "NUL"),
        ({"unknown": ["\x00"]}, "NUL"),
    ],
)
def test_what_an_event_says_beside_its_snapshots_is_bounded(
    change: Mapping[str, Any], reason: str
) -> None:
    assert reason in told(change, of="")


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "replay", "action": "pre_reorder", "colour": {"of": ["the", "future"]}},
        {"changes": {"colour": {"from": None, "to": {"a": [1, 2.5]}, "by": "x"}}},
        {"actor": "user \\u0000 7"},  # a text about an escape, and no NUL
    ],
)
def test_what_a_later_release_may_say_is_taken(change: Mapping[str, Any]) -> None:
    assert told(change, of="") == ""
    assert told({"colour": "red", "currency": "XAX", "price": "1.2345"}) == ""


@pytest.mark.parametrize("viewer", ["", "x" * 201, "x" * 1_500_000, "a\x00", "a\nb"])
def test_a_viewer_is_bounded(viewer: str) -> None:
    view = contracts.View(product_id=product().id, viewed_at=datetime.now().astimezone())
    message = encode(event(view, signal="viewed"))
    body = json.dumps(json.loads(message.body) | {"viewer": viewer}).encode()
    with pytest.raises(Malformed, match="viewer"):
        decode(message.headers, body, contracts.View)


class TestWhatTheCatalogCanKeep:
    """A stored row has a snapshot, and its event is taken as it is."""

    SNAPSHOTS = Snapshots("HTTPS://" + "x" * 63 + ".example:65535/" + "päth/" * 380)
    WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)

    @given(
        WORDS,
        WORDS,
        st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
        st.integers(0, 10**12 * 100),
        st.sampled_from([*currencies(0), *currencies(2), *currencies(3), *currencies(4)]),
    )
    def test_what_the_api_takes_as_a_product_is_taken_by_readers(
        self, sku: str, name: str, description: str, minor: int, currency: str
    ) -> None:
        given_ = {"sku": sku, "name": name, "description": description, "currency": currency}
        try:
            draft = NewProduct.model_validate(given_ | {"price": str(from_minor(minor, currency))})
        except ValueError:
            return
        row = Product(id=product().id, version=1, images=[], categories=[])
        row.created_at = row.updated_at = product().created_at
        draft.fill(row)
        self.check(self.SNAPSHOTS.product(row))

    @given(
        st.integers(0, LARGEST_MINOR),
        st.sampled_from([*currencies(0), *currencies(2), *currencies(3), *currencies(4)]),
        st.integers(1, 2**31 - 1),
        st.sampled_from([0, 1, 100, 200]),
    )
    def test_the_largest_rows_are_taken(
        self, minor: int, currency: str, version: int, images: int
    ) -> None:
        row = Product(id=product().id, sku="s" * 64, name="é" * 200, description="\n" * 10_000)
        row.price_minor, row.currency, row.version = minor, currency, version
        row.created_at = row.updated_at = product().created_at
        row.images = [
            Image(
                id=product().id,
                key="0" * 32 + ".webp",
                content_type="image/webp",
                width=25_000_000,
                height=1,
                bytes=2**31 - 1,
                variants=[{"name": "preview", "key": "k", "width": 960, "height": 1}],
                position=place,
                alt="" if place else "é" * 300,
            )
            for place in range(images)
        ]
        row.categories = [Category(id=product().id) for _ in range(images)]
        self.check(self.SNAPSHOTS.product(row))

    @staticmethod
    def check(snapshot: contracts.Product) -> None:
        message = encode(event(snapshot, original=snapshot, actor="x" * 200))
        id_, subject, _ = admit(
            message.headers, message.body, lambda _, signal: EventKind(signal, contracts.Product)
        )
        assert (id_, subject) == (message.id, str(snapshot.id))
        assert contracts.Product.model_validate_json(snapshot.model_dump_json()) == snapshot


def test_amounts_have_the_decimals_of_their_currency() -> None:
    for currency, price in {"JPY": "5", "EUR": "5.00", "KWD": "5.000", "UYW": "5.0000"}.items():
        assert told({"currency": currency, "price": price}) == ""
        assert product(currency=currency, price=Decimal(price)).currency == currency
        for other in {"5", "5.00", "5.000", "5.0000"} - {price}:
            assert "no amount" in told({"currency": currency, "price": other})


def test_the_schemas_carry_the_bounds_and_leave_room_for_words_to_come() -> None:
    schemas = {each.type: body_schema(each) for each in Catalog.announces()}
    schema = schemas["catalog.product.m2m_changed.v1"]
    fields = schema["$defs"]["Product"]["properties"]
    assert fields["name"]["maxLength"] == 200
    assert fields["price"]["pattern"].startswith("^[0-9]")
    assert fields["url"]["pattern"].startswith("^[Hh]")
    assert fields["images"]["maxItems"] == 10_000
    assert fields["version"]["maximum"] == 2**31 - 1
    for name in ("Origin", "Action"):
        assert "enum" not in schema["$defs"][name]
        assert schema["$defs"][name]["maxLength"] == 200
    for document in schemas.values():
        assert unbounded(document) == []


def unbounded(schema: Any, place: str = "") -> list[str]:
    """Where a schema takes a text, a list or a number of any size."""
    if isinstance(schema, list):
        return [
            each
            for number, one in enumerate(schema)
            for each in unbounded(one, f"{place}/{number}")
        ]
    if not isinstance(schema, dict):
        return []
    found = [each for name, one in schema.items() for each in unbounded(one, f"{place}/{name}")]
    bounds = {"maxLength", "const", "format", "pattern", "enum"}
    kinds = schema.get("type")
    match kinds[0] if isinstance(kinds, list) else kinds:
        case "string" if not bounds & schema.keys():
            found.append(place)
        case "array" if "maxItems" not in schema:
            found.append(place)
        case "object" if not {"properties", "maxProperties"} & schema.keys():
            found.append(place)
        case "integer" if "maximum" not in schema:
            found.append(place)
        case _:
            pass
    return found
