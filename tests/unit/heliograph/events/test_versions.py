import json
from decimal import Decimal
from typing import Any, ClassVar, Self
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from heliograph import Contract, Event, EventTooLarge, Malformed, Misregistered, post_save
from heliograph.bus import LARGEST_BODY, Message
from heliograph.events import EventKind, LaterVersion, admit, decode, encode, messages, sequence
from heliograph.outbox import encode_all
from heliograph.signals import QueuedReceiver
from tests.samples import ProductV2, event, product, renamed


def read(message: Message, contract: type[Contract]) -> Event[Any]:
    return decode(message.headers, message.body, contract)


def stopped(contract: type[Contract]) -> type[Any]:
    """Make a contract as it is when its sender announces no older version any more."""
    fields = {"__module__": __name__, "downcast": Contract.downcast}
    return type(contract.__name__, (contract,), fields)


def cheaper(**details: Any) -> Event[Any]:
    """A change of a product's title and price, in the words of version 2."""
    original = renamed(title="Lamp", price=Decimal("20.00"))
    lamp = original.model_copy(update={"title": "Lantern", "price": Decimal("15.00"), "version": 2})
    changes = original.changes_to(lamp)
    return event(
        lamp, original=original, changes=changes, update_fields=tuple(changes), created=False,
        **details,
    )  # fmt: skip


def test_an_event_of_two_versions_is_a_message_in_each_the_newer_first() -> None:
    sent = cheaper(actor="user-7", sequence=sequence(2, 1))
    newer, older = messages(sent)
    assert newer.routing_key == newer.headers["ce-type"] == "catalog.product.post_save.v2"
    assert older.routing_key == "catalog.product.post_save"
    assert older.id == older.headers["ce-id"] == str(sent.id)
    assert newer.id == newer.headers["ce-id"] == str(uuid5(sent.id, newer.routing_key))
    assert newer.headers["ce-besides"] == "v1"
    assert newer.headers["ce-besidesid"] == older.id
    told = [json.loads(each.body) for each in (newer, older)]
    price = {"from": "20.00", "to": "15.00"}
    name = {"from": "Lamp", "to": "Lantern"}
    assert told[0]["changes"] == {"title": name, "price": price}
    assert told[0]["update_fields"] == ["title", "price"]
    assert told[1]["changes"] == {"name": name, "price": price}
    assert told[1]["update_fields"] == ["name", "price"]
    assert [told[0]["instance"]["title"], told[0]["original"]["title"]] == ["Lantern", "Lamp"]
    assert [told[1]["instance"]["name"], told[1]["original"]["name"]] == ["Lantern", "Lamp"]
    assert [each["actor"] for each in told] == ["user-7", "user-7"]


def test_who_reads_version_1_cannot_tell_that_there_is_another() -> None:
    sent = cheaper()
    lamp, original = sent.instance.downcast(), sent.original.downcast()
    changes = original.changes_to(lamp)
    before = event(
        lamp, original=original, changes=changes, update_fields=tuple(changes), created=False,
        id=sent.id, time=sent.time,
    )  # fmt: skip
    assert messages(sent)[1] == encode(before)


def test_both_copies_are_rows_of_the_same_place_in_their_subject() -> None:
    lamp = renamed(version=4)
    rows = encode_all([event(lamp, signal="pre_save"), event(lamp)], "00-a-b-01")
    headers = [json.loads(row[5]) for row in rows]
    assert [each["ce-subjectsequence"] for each in headers] == [
        "000000000004.0000", "000000000004.0000", "000000000004.0001", "000000000004.0001",
    ]  # fmt: skip
    assert [row[4] for row in rows] == [
        "catalog.product.pre_save.v2", "catalog.product.pre_save",
        "catalog.product.post_save.v2", "catalog.product.post_save",
    ]  # fmt: skip
    assert len({row[0] for row in rows}) == 1
    assert len({row[1] for row in rows}) == 4
    assert {each["traceparent"] for each in headers} == {"00-a-b-01"}


def test_a_receiver_is_given_the_same_event_by_either_copy() -> None:
    sent = cheaper(sequence=sequence(2, 1))
    newer, older = (read(each, ProductV2) for each in messages(sent))
    assert newer == older
    assert older.sender is ProductV2
    assert older.id == sent.id
    assert older.instance == sent.instance
    assert older.original == sent.original
    assert older.changes == sent.changes
    assert older.update_fields == ("title", "price")
    ids = {
        admit(each.headers, each.body, lambda _, signal: EventKind(signal, ProductV2))[0]
        for each in messages(sent)
    }
    assert ids == {str(sent.id)}


def test_what_neither_version_names_changed_as_it_was_told() -> None:
    class Named(Contract):
        sender_name: ClassVar[str] = "catalog.product"
        id: UUID
        name: str

        @property
        def subject(self) -> UUID:
            return self.id

    class Titled(Contract):
        sender_name: ClassVar[str] = "catalog.product"
        contract_version: ClassVar[int] = 2
        before: ClassVar[type[Contract]] = Named
        id: UUID
        title: str

        @classmethod
        def upcast(cls, older: Named) -> Self:
            return cls(id=older.id, title=older.name)

    found = read(messages(cheaper())[1], Titled)
    assert found.changes == {
        "price": {"from": "20.00", "to": "15.00"}, "title": {"from": "Lamp", "to": "Lantern"},
    }  # fmt: skip
    assert found.update_fields == ("price", "title")


def test_a_change_that_an_older_version_cannot_tell_is_announced_in_it_all_the_same() -> None:
    class Priced(ProductV2):
        unit: str = "each"

    original = Priced(**dict(renamed()))
    changes = {"unit": {"from": "each", "to": "pair"}}
    newer, older = messages(
        event(original.model_copy(update={"unit": "pair"}), original=original, changes=changes)
    )
    assert read(newer, Priced).changes == changes
    assert read(older, contracts.Product).changes == {}


def test_a_sender_that_has_stopped_announces_version_2_alone() -> None:
    sent = event(stopped(ProductV2)(**dict(renamed())))
    [message] = messages(sent)
    assert message.routing_key == "catalog.product.post_save.v2"
    assert message.id == str(sent.id)
    assert "ce-besides" not in message.headers
    found = read(message, ProductV2)
    assert (found.id, found.instance) == (sent.id, renamed(**dict(sent.instance)))
    with pytest.raises(Malformed, match=r"Product, .v1: listen to a contract of that version"):
        read(message, contracts.Product)


class Shelf(Contract):
    sender_name: ClassVar[str] = "shop.shelf"
    id: UUID
    label: str

    @property
    def subject(self) -> UUID:
        return self.id


class ShelfV2(Contract):
    sender_name: ClassVar[str] = "shop.shelf"
    contract_version: ClassVar[int] = 2
    before: ClassVar[type[Contract] | None] = Shelf
    id: UUID
    title: str

    @property
    def subject(self) -> UUID:
        return self.id

    @classmethod
    def upcast(cls, older: Shelf) -> Self:
        return cls(id=older.id, title=older.label)

    def downcast(self) -> Shelf:
        return Shelf(id=self.id, label=self.title)


class ShelfV3(Contract):
    sender_name: ClassVar[str] = "shop.shelf"
    contract_version: ClassVar[int] = 3
    before: ClassVar[type[Contract]] = ShelfV2
    id: UUID
    title: str
    width: int | None = None

    @property
    def subject(self) -> UUID:
        return self.id

    @classmethod
    def upcast(cls, older: ShelfV2) -> Self:
        return cls(id=older.id, title=older.title)

    def downcast(self) -> Contract:
        return self.before(id=self.id, title=self.title)


def test_three_versions_are_copies_of_the_oldest() -> None:
    sent = event(ShelfV3(id=UUID(int=1), title="top", width=80))
    written = messages(sent)
    assert [each.headers["ce-type"][-2:] for each in written] == ["v3", "v2", "v1"]
    assert [each.headers.get("ce-besides") for each in written] == ["v1", "v1", None]
    assert len({each.id for each in written}) == 3
    for contract, readable in ((ShelfV3, written), (ShelfV2, written[1:]), (Shelf, written[2:])):
        for each in written:
            if each in readable:
                assert read(each, contract).id == sent.id
            else:
                with pytest.raises(LaterVersion, match="in which the event comes too"):
                    read(each, contract)
    assert [read(each, ShelfV3).instance.width for each in written] == [80, None, None]


def test_a_copy_is_left_only_if_the_event_comes_in_a_version_that_is_read() -> None:
    class Later(ShelfV3):
        before: ClassVar[type[Contract]] = stopped(ShelfV2)

    newest, _ = messages(event(Later(id=UUID(int=1), title="top")))
    assert newest.headers["ce-besides"] == "v2"
    with pytest.raises(LaterVersion):
        read(newest, ShelfV2)
    with pytest.raises(Malformed, match=r"nothing newer is read here than Shelf, .v1") as found:
        read(newest, Shelf)
    assert not isinstance(found.value, LaterVersion)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"ce-type": "catalog.product.post_save.v0"}, "ce-type is not"),
        ({"ce-type": "catalog.product.post_save.v01"}, "ce-type is not"),
        ({"ce-type": "catalog.product.post_save.v3"}, r"ends in .v3, and nothing newer is read"),
        ({"ce-besides": "1"}, "ce-besides is not v<version>"),
        ({"ce-besides": 1}, "ce-besides is missing or not text"),
        ({"ce-besidesid": None}, "ce-besidesid is missing"),
        ({"ce-besidesid": "e1"}, "ce-besidesid is not a UUID"),
    ],
)
def test_what_is_wrong_with_a_version_is_named(headers: dict[str, Any], told: str) -> None:
    message, _ = messages(event(renamed()))
    changed = {**message.headers, "ce-besides": "v1"} | headers
    if "v3" in str(changed["ce-type"]):
        del changed["ce-besides"]
    with pytest.raises(Malformed, match=told):
        decode({k: v for k, v in changed.items() if v is not None}, message.body, ProductV2)


def test_who_reads_nothing_older_is_told_what_to_write() -> None:
    class Alone(ProductV2):
        before: ClassVar[None] = None  # type: ignore[assignment]

    message = encode(event(product()))
    with pytest.raises(Malformed, match=r"than Alone, .v2: name the contract before that as its"):
        read(message, Alone)
    [alone] = messages(event(Alone(**dict(renamed()))))
    assert "ce-besides" not in alone.headers


def test_an_upcast_that_fails_is_the_readers_fault_and_not_the_messages() -> None:
    class Picky(ProductV2):
        @classmethod
        def upcast(cls, older: contracts.Product) -> Self:
            raise KeyError(older.name)

    message = encode(event(product()))
    admit(message.headers, message.body, lambda _, signal: EventKind(signal, Picky))
    with pytest.raises(Malformed, match=r"Picky.upcast fails: KeyError: 'Lamp'"):
        read(message, Picky)


@pytest.mark.parametrize("older", [None, renamed(), product()], ids=["nothing", "self", "another"])
def test_a_downcast_gives_the_version_before_of_the_same_subject(older: Any) -> None:
    class Astray(ProductV2):
        def downcast(self) -> contracts.Product:
            return older  # type: ignore[no-any-return]

    with pytest.raises(TypeError, match=r"Astray.downcast must give a Product about"):
        messages(event(Astray(**dict(renamed()))))


def test_a_flat_contract_has_versions_too() -> None:
    class ViewV2(Contract):
        sender_name: ClassVar[str] = "catalog.product"
        flat: ClassVar[bool] = True
        contract_version: ClassVar[int] = 2
        before: ClassVar[type[Contract]] = contracts.View
        product_id: UUID
        by: str | None = None
        viewed_at: Any

        @property
        def subject(self) -> UUID:
            return self.product_id

        @classmethod
        def upcast(cls, older: contracts.View) -> Self:
            return cls(product_id=older.product_id, by=older.viewer, viewed_at=older.viewed_at)

        def downcast(self) -> contracts.View:
            return contracts.View(
                product_id=self.product_id, viewer=self.by, viewed_at=self.viewed_at
            )

    view = ViewV2(product_id=UUID(int=1), by="user-7", viewed_at="2026-01-31T00:00:00.000000Z")
    newer, older = messages(event(view, signal="viewed", version=None))
    assert json.loads(newer.body)["by"] == json.loads(older.body)["viewer"] == "user-7"
    assert read(older, ViewV2).instance.by == read(newer, ViewV2).instance.by == "user-7"
    assert read(older, contracts.View).id == read(newer, ViewV2).id


def test_no_version_of_an_event_is_too_large() -> None:
    class Short(Contract):
        sender_name: ClassVar[str] = "shop.shelf"
        contract_version: ClassVar[int] = 2
        before: ClassVar[type[Contract]] = Shelf
        id: UUID
        letters: int

        @property
        def subject(self) -> UUID:
            return self.id

        @classmethod
        def upcast(cls, older: Shelf) -> Self:
            return cls(id=older.id, letters=len(older.label))

        def downcast(self) -> Shelf:
            return Shelf(id=self.id, label="x" * self.letters)

    assert len(encode_all([event(Short(id=UUID(int=1), letters=1), version=None)])) == 2
    with pytest.raises(EventTooLarge):
        encode_all([event(Short(id=UUID(int=1), letters=LARGEST_BODY), version=None)])


LINES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200)


@given(title=LINES, price=st.integers(0, 10**15 - 1), version=st.integers(1, 2**31 - 1))
def test_what_is_told_down_and_brought_up_is_the_same(title: str, price: int, version: int) -> None:
    lamp = renamed(title=title, price=Decimal(price).scaleb(-2), version=version)
    assert ProductV2.upcast(lamp.downcast()) == lamp
    _, older = messages(event(lamp))
    assert read(older, ProductV2).instance == lamp


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"contract_version": 0}, "versions count from 1, and contract_version is 0"),
        ({"contract_version": 3}, "is version 3 and does not say how version 2 is read"),
        ({"contract_version": 3, "before": Shelf}, "is Shelf, version 1 of shop.shelf: it must be"),
        ({"before": Shelf}, "must be version 0"),
        (
            {"contract_version": 2, "before": contracts.Product},
            "version 1 of catalog.product: it must be version 1 of shop.shelf",
        ),
        ({"contract_version": 2, "before": Shelf}, "`upcast.cls, older: Shelf. -> Self`"),
        ({"downcast": lambda self: self}, "say to which contract, as its `before`"),
    ],
)
def test_a_contract_that_follows_on_none_is_refused_where_it_is_written(
    fields: dict[str, Any], told: str
) -> None:
    names = ("sender_name", "contract_version", "before")
    body = {"__module__": __name__, "sender_name": "shop.shelf", **fields}
    body["__annotations__"] = dict.fromkeys(names, ClassVar[Any])
    with pytest.raises(TypeError, match=told):
        type("Wrong", (Contract,), body)


def test_version_3_does_not_take_over_how_version_2_brings_up() -> None:
    with pytest.raises(TypeError, match="does not say how its `before` is read"):

        class Heir(ShelfV2):
            contract_version: ClassVar[int] = 3
            before: ClassVar[type[Contract] | None] = ShelfV2


def test_a_receiver_is_bound_to_all_the_versions_that_it_reads_the_oldest_first() -> None:
    def note(_event: Event[Any]) -> None: ...

    queue = QueuedReceiver(note, (EventKind("post_save", ShelfV3),), ()).queue("test")
    assert [(each.exchange, each.pattern) for each in queue.bindings] == [
        ("shop.events", "shop.shelf.post_save"),
        ("shop.events", "shop.shelf.post_save.v2"),
        ("shop.events", "shop.shelf.post_save.v3"),
    ]


def test_a_receiver_names_the_newest_version_alone() -> None:
    def note(_event: Event[Any]) -> None: ...

    post_save.connect(note, ShelfV2)
    try:
        with pytest.raises(Misregistered, match="as ShelfV2 and as Shelf: name the newer"):
            post_save.connect(note, Shelf)
    finally:
        post_save.disconnect(note, ShelfV2)
