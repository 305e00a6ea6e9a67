import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from heliograph import Event, Malformed
from heliograph.events import decode, encode, follow_up, sequence
from tests.samples import event, product


def test_an_event_travels_as_a_cloud_event_in_binary_mode() -> None:
    lamp = product(price=Decimal("14.90"))
    sent = event(
        lamp,
        created=False,
        original=product(id=lamp.id, price=Decimal("19.99")),
        changes={"price": {"from": "19.99", "to": "14.90"}},
        update_fields=("price",),
        actor="user-7",
        sequence=sequence(3, 1),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        time=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    )
    message = encode(sent)
    assert message.exchange == "catalog.events"
    assert message.routing_key == "catalog.product.post_save"
    assert message.headers == {
        "ce-specversion": "1.0",
        "ce-id": str(sent.id),
        "ce-source": "/catalog",
        "ce-type": "catalog.product.post_save.v1",
        "ce-subject": str(lamp.id),
        "ce-time": "2026-01-31T09:30:00.000000Z",
        "ce-subjectsequence": "000000000003.0001",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    body = json.loads(message.body)
    assert list(body) == [
        "sender", "signal", "created", "instance", "original", "changes", "update_fields",
        "origin", "cascade", "actor",
    ]  # fmt: skip
    assert body["sender"] == "catalog.product"
    assert body["instance"]["price"] == "14.90"
    assert body["instance"]["created_at"] == "2026-01-31T09:30:00.000000Z"
    assert body["original"]["price"] == "19.99"
    assert body["changes"] == {"price": {"from": "19.99", "to": "14.90"}}
    assert body["origin"] is None
    assert body["actor"] == "user-7"


def test_the_events_of_a_change_say_the_same() -> None:
    before = event(signal="pre_save")
    after = follow_up(before)
    after.signal = "post_save"
    assert after.id != before.id
    assert after.content is before.content
    told = [json.loads(encode(each).body) for each in (before, after)]
    assert [each.pop("signal") for each in told] == ["pre_save", "post_save"]
    assert told[0] == told[1]


def test_a_view_travels_flat_and_without_a_sequence() -> None:
    view = contracts.View(
        product_id=UUID(int=1), viewer="user-7", viewed_at=datetime(2026, 1, 31, tzinfo=UTC)
    )
    message = encode(event(view, signal="viewed"))
    assert message.routing_key == "catalog.product.viewed"
    assert "ce-subjectsequence" not in message.headers
    body = json.loads(message.body)
    assert body == {
        "sender": "catalog.product",
        "signal": "viewed",
        "product_id": str(UUID(int=1)),
        "viewer": "user-7",
        "viewed_at": "2026-01-31T00:00:00.000000Z",
        "actor": None,
    }


def test_m2m_changed_adds_what_changed() -> None:
    ids = frozenset({UUID(int=2), UUID(int=1)})
    message = encode(event(signal="m2m_changed", action="post_add", field="categories", pk_set=ids))
    body = json.loads(message.body)
    assert body["action"] == "post_add"
    assert body["field"] == "categories"
    assert body["pk_set"] == [str(UUID(int=1)), str(UUID(int=2))]
    assert (body["reverse"], body["model"]) == (False, "catalog.category")
    read = decode(message.headers, message.body, contracts.Product)
    assert (read.pk_set, read.reverse, read.model) == (ids, False, "catalog.category")


def test_what_was_encoded_is_decoded() -> None:
    sent = event(created=True, origin="import", actor="user-7", sequence=sequence(1, 1))
    message = encode(sent)
    read = decode(message.headers, message.body, contracts.Product)
    assert read.instance == sent.snapshot
    assert (read.id, read.time, read.signal) == (sent.id, sent.time, "post_save")
    assert (read.created, read.origin, read.actor) == (True, "import", "user-7")
    assert read.sequence == "000000000001.0001"
    assert read.sender is contracts.Product


def test_a_reader_ignores_fields_that_it_does_not_know() -> None:
    message = encode(event())
    body = json.loads(message.body)
    body["instance"]["colour"] = "red"
    body["reason"] = "spring"
    read = decode(message.headers, json.dumps(body).encode(), contracts.Product)
    assert read.instance.name == "Lamp"


HEADERS = dict(encode(event()).headers)
BODY = encode(event()).body


@pytest.mark.parametrize(
    ("change", "body", "told"),
    [
        ({"ce-specversion": "0.3"}, BODY, "ce-specversion"),
        ({"ce-id": None}, BODY, "ce-id is missing"),
        ({"ce-id": "not-a-uuid"}, BODY, "ce-id is not a UUID"),
        ({"ce-type": "catalog.product.post_save.v2"}, BODY, "ce-type"),
        ({"ce-type": "catalog.image.post_save.v1"}, BODY, "the sender is catalog.image"),
        ({"ce-subject": 7}, BODY, "ce-subject is missing or not text"),
        ({"ce-subject": "x" * 201}, BODY, "longer than 200"),
        ({"ce-subject": "a\x00b"}, BODY, "unprintable"),
        ({"ce-time": "yesterday"}, BODY, "ce-time is not"),
        ({"ce-time": "2026-01-31T09:30:00"}, BODY, "ce-time has no zone"),
        ({}, b"", "not JSON"),
        ({}, b"{", "not JSON"),
        ({}, b"\xff", "not JSON"),
        ({}, b"[]", "not a JSON object"),
        ({}, b"{}", "instance|data"),
        ({}, b'{"instance": {"id": 1}}', "the body's"),
        ({}, BODY.replace(b'"original":null', b'"original":[]'), "the body's"),
        ({}, BODY.replace(b'"update_fields":null', b'"update_fields":7'), "update_fields"),
    ],
)
def test_a_malformed_message_is_told_apart(change: dict[str, Any], body: bytes, told: str) -> None:
    headers = {name: value for name, value in (HEADERS | change).items() if value is not None}
    with pytest.raises(Malformed, match=told):
        decode(headers, body, contracts.Product)


@given(
    st.dictionaries(
        st.sampled_from(sorted(HEADERS)),
        st.none() | st.text() | st.integers() | st.binary() | st.sampled_from([*HEADERS.values()]),
    ),
    st.one_of(st.binary(), st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(
            st.sampled_from(["instance", "original", "changes", "pk_set", "update_fields", "id"]),
            inner,
        ),
    ).map(lambda value: json.dumps(value).encode())),
)  # fmt: skip
def test_no_message_breaks_the_decoder(headers: dict[str, Any], body: bytes) -> None:
    with suppress(Malformed):
        decode(HEADERS | headers, body, contracts.Product)


def test_sequences_sort_as_text() -> None:
    places = [(1, 0), (1, 1), (2, 0), (10, 0), (10, 11), (999_999_999_999, 9999)]
    assert sorted(sequence(*each) for each in places) == [sequence(*each) for each in places]


def test_bookkeeping_is_not_a_change() -> None:
    lamp = product()
    later = lamp.model_copy(
        update={"version": 2, "updated_at": datetime(2026, 2, 1, tzinfo=UTC), "name": "Lantern"}
    )
    assert lamp.changes_to(later) == {"name": {"from": "Lamp", "to": "Lantern"}}


def test_an_event_without_a_snapshot_cannot_be_announced() -> None:
    with pytest.raises(TypeError, match="no snapshot"):
        encode(Event(sender=contracts.Product, instance=product()))
