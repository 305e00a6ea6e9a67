"""The AsyncAPI document of services that know nothing of each other."""

import json
from typing import Any, ClassVar
from uuid import UUID

import pytest
from jsonschema_rs import Draft7Validator, Draft202012Validator
from pydantic import BaseModel

import contracts
from heliograph import Contract
from heliograph.asyncapi import body_schema, document, header_schema
from heliograph.events import EventKind
from heliograph.signals import QueuedReceiver
from services.catalog.service import Catalog
from services.notifier.service import Notifier
from tests.samples import ProductV2


class Shelf(Contract):
    """A shelf, and those above it."""

    sender_name: ClassVar[str] = "store.shelf"

    id: UUID
    above: "Shelf | None" = None
    beside: tuple["Shelf", ...] = ()
    width: float = 1.0

    @property
    def subject(self) -> UUID:
        return self.id


class Restocked(BaseModel, frozen=True):
    """How much came."""

    amount: int


class Sighting(Contract):
    """Somebody saw a shelf."""

    sender_name: ClassVar[str] = "store.shelf"
    flat: ClassVar[bool] = True

    shelf_id: UUID

    @property
    def subject(self) -> UUID:
        return self.shelf_id


def narrow() -> type[Contract]:
    """Another team's class of the same name, with fewer fields."""

    class Shelf(Contract):
        """A shelf."""

        sender_name: ClassVar[str] = "store.shelf"

        id: UUID

        @property
        def subject(self) -> UUID:
            return self.id

    return Shelf


async def count(_event: Any) -> None: ...


async def measure(_event: Any) -> None: ...


RESTOCKED = EventKind("restocked", Shelf, Restocked)
SEEN = EventKind("seen", Sighting, ordered=False)
ANNOUNCED = (EventKind("post_save", Shelf), RESTOCKED, SEEN)


def store(**fields: Any) -> dict[str, Any]:
    return document(name="store", title="Store", description="Shelves.", version="1.0", **fields)


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [each for one in part for each in references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [each for one in part.values() for each in references(one)]


def resolve(whole: Any, reference: str) -> Any:
    found = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


DOCUMENTS = {
    "catalog": Catalog.asyncapi(),
    "notifier": Notifier.asyncapi(),
    "store": store(announced=ANNOUNCED),
    "nobody": store(),
    "readers": store(
        receivers=[
            QueuedReceiver(
                count, (EventKind("post_save", Shelf), EventKind("restocked", Shelf)), ()
            ),
            QueuedReceiver(measure, (EventKind("post_save", narrow()),), ()),
        ]
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere_and_every_schema_is_one(name: str) -> None:
    found = DOCUMENTS[name]
    for reference in references(found):
        resolve(found, reference)
    for schema in found["components"]["schemas"].values():
        # AsyncAPI's own schemas are of draft 7.
        Draft7Validator({**schema, "components": found["components"]})
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_example_of_a_message_fits_its_schemas(name: str) -> None:
    found = DOCUMENTS[name]
    for message in found["components"]["messages"].values():
        [example] = message["examples"]
        for part in ("headers", "payload"):
            schema = {**message[part], "components": found["components"]}
            Draft202012Validator(schema, validate_formats=True).validate(example[part])
        assert example["headers"]["ce-type"] == message["name"]


def test_the_example_of_a_save_tells_of_a_change() -> None:
    [example] = DOCUMENTS["catalog"]["components"]["messages"]["catalog.product.pre_save.v1"][
        "examples"
    ]
    body = example["payload"]
    assert body["changes"] == {"price": {"from": "19.99", "to": "14.99"}}
    assert body["original"] == body["instance"] | {"price": "19.99"}


def test_what_a_service_hears_has_its_queue_with_bindings_and_arguments() -> None:
    found = DOCUMENTS["notifier"]
    assert {each["action"] for each in found["operations"].values()} == {"receive"}
    channel = found["channels"]["notifier.purge_images"]
    assert channel["messages"].keys() == {
        "catalog.product.pre_delete.v1",
        "catalog.image.pre_delete.v1",
    }
    binding = channel["bindings"]["amqp"]
    assert (binding["is"], binding["queue"]["name"]) == ("queue", "notifier.purge_images")
    assert {"exchange": "catalog.events", "routingKey": "catalog.image.pre_delete"} in binding[
        "x-bindings"
    ]
    assert binding["x-arguments"]["x-queue-type"] == "quorum"


def test_a_service_that_hears_itself_has_one_message_for_both() -> None:
    found = DOCUMENTS["catalog"]
    [heard] = found["channels"]["catalog.record_views"]["messages"].values()
    [announced] = found["channels"]["catalog.product.viewed"]["messages"].values()
    assert heard == announced


def test_a_reader_asks_for_what_it_needs_and_a_sender_promises_all() -> None:
    promised = DOCUMENTS["store"]["components"]["schemas"]["Shelf"]
    needed = DOCUMENTS["readers"]["components"]["schemas"]["Shelf"]
    assert promised["required"] == ["id", "above", "beside", "width"]
    assert needed["required"] == ["id"]


def test_two_readers_of_one_event_are_described_each_by_its_own_contract() -> None:
    found = DOCUMENTS["readers"]
    [wide] = [
        each
        for type_, each in found["channels"]["store.count"]["messages"].items()
        if type_ == "store.shelf.post_save.v1"
    ]
    [narrow_] = found["channels"]["store.measure"]["messages"].values()

    def fields(message: dict[str, str]) -> set[str]:
        payload = resolve(found, resolve(found, message["$ref"])["payload"]["$ref"])
        return {*resolve(found, payload["properties"]["instance"]["$ref"])["properties"]}

    assert fields(wide) == {"id", "above", "beside", "width"}
    assert fields(narrow_) == {"id"}


def test_a_signal_that_carries_data_has_it_beside_the_snapshot() -> None:
    schema = body_schema(RESTOCKED)
    assert schema["title"] == "ShelfRestocked"
    assert schema["properties"]["data"] == {"$ref": "#/$defs/Restocked"}
    assert {"instance", "data"} <= {*schema["required"]}
    assert schema["$defs"]["Restocked"]["properties"] == {"amount": {"type": "integer"}}


@pytest.mark.parametrize(
    ("announced", "sequence"),
    [(RESTOCKED, "required"), (SEEN, "absent"), (RESTOCKED._replace(ordered=None), "optional")],
)
def test_headers_have_an_order_where_their_events_have_one(
    announced: EventKind, sequence: str
) -> None:
    schema = header_schema(announced)
    assert ("ce-subjectsequence" in schema["required"]) == (sequence == "required")
    assert ("ce-subjectsequence" in schema["properties"]) == (sequence != "absent")
    assert schema["properties"]["ce-type"]["const"] == announced.type
    assert schema["properties"]["ce-source"]["const"] == "/store"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_generators_of_code_stumble_over_is_not_there(name: str) -> None:
    """A default that is never used, an object without a name, a title of a field, closed words."""

    def look(schema: Any, place: str, *, named: bool) -> None:
        if isinstance(schema, dict):
            assert "default" not in schema, place
            assert "enum" not in schema, place
            assert "patternProperties" not in schema, place
            assert ("title" in schema) == (named or "anyOf" in schema), place
            assert named or "properties" not in schema, place
            for field, each in schema.get("properties", {}).items():
                look(each, f"{place}.{field}", named=False)
            for word in ("items", "additionalProperties"):
                look(schema.get(word), f"{place}.{word}", named=False)

    for key, schema in DOCUMENTS[name]["components"]["schemas"].items():
        look(schema, key, named=True)


def test_the_servers_address_is_left_to_whoever_runs_one() -> None:
    broker = DOCUMENTS["nobody"]["servers"]["broker"]
    assert (broker["host"], broker["pathname"]) == ("{host}:{port}", "/{vhost}")
    assert broker["variables"].keys() == {"host", "port", "vhost"}


def test_versions_side_by_side_are_described_each_with_whose_copy_it_is() -> None:
    older, newer = (EventKind("post_save", each) for each in (contracts.Product, ProductV2))
    assert "ce-besides" not in header_schema(older)["properties"]
    assert {"ce-besides", "ce-besidesid"} <= header_schema(newer)["properties"].keys()
    found = store(receivers=[QueuedReceiver(count, (newer,), ())])
    assert found["channels"]["store.count"]["messages"].keys() == {older.type, newer.type}
    assert {"ProductPostSave", "ProductPostSaveV2"} <= found["components"]["schemas"].keys()
