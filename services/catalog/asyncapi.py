"""The catalog's events, described: their JSON Schemas and the AsyncAPI document.

Both are generated from the contracts and committed under `docs/`, so that a change to
what others rely on is seen in review.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from contracts import Category, Image, Product, View
from heliograph import Contract, __version__
from heliograph.events import (
    CONTENT_TYPE,
    MAX_HEADER_LENGTH,
    MOST_FIELDS,
    FieldNames,
    Ids,
    Word,
    event_type,
    exchange,
    routing_key,
)

S = TypeVar("S", bound=Contract)

SAVE_AND_DELETE = ("pre_save", "post_save", "pre_delete", "post_delete")
_COMPONENT = "#/components/schemas/{model}"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class _WholeJsonSchema(GenerateJsonSchema):
    """Promises every field: one that has a default when it is read is always written."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - the signature is pydantic's
    ) -> bool:
        return True


class Change(BaseModel):
    """One field before and after, in its JSON form."""

    from_: Any = Field(alias="from")
    to: Any


class Body(BaseModel, Generic[S]):
    """The data of an event about a row."""

    created: bool | None = Field(description="Of a save: whether the row is new.")
    instance: S
    original: S | None = Field(description="The row before; null where there is no before.")
    changes: Annotated[dict[Word, Change], Field(max_length=MOST_FIELDS)] | None = Field(
        description="What differs between the two; null where there is no before."
    )
    update_fields: FieldNames | None = Field(description="The names of the fields that changed.")
    origin: Word | None = Field(
        description="`batch`, `import`, or one that a later release knows; null for a single write."
    )
    cascade: Word | None = Field(
        description="Of a deletion: the sender with whose deletion the instance went, as an image "
        "goes with its product; null if it was deleted by itself."
    )
    actor: Word | None = Field(description="Subject of the token with which it was done.")


class RelationBody(Body[S], Generic[S]):
    """The data of an event about a relation of a row."""

    action: Word = Field(
        description="`pre_add`, `post_add`, `pre_remove`, `post_remove`, `pre_clear`, "
        "`post_clear`, or one that a later release knows."
    )
    field: Word = Field(description="The relation's name.")
    pk_set: Ids | None = Field(description="The ids added or removed; null for clear.")


class ViewBody(View):
    """The data of a view: flat, without a snapshot."""

    actor: Word | None


class Headers(BaseModel):
    """CloudEvents 1.0 in binary mode, with the prefix of its AMQP binding for headers."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))

    ce_specversion: Literal["1.0"]
    ce_id: UUID = Field(description="Tells a repeat; the same as the property message-id.")
    ce_source: Literal["/catalog"]
    ce_type: str = Field(max_length=MAX_HEADER_LENGTH)
    ce_subject: UUID = Field(description="The product, for its images too; a category's own id.")
    ce_time: str = Field(max_length=MAX_HEADER_LENGTH, json_schema_extra={"format": "date-time"})
    ce_subjectsequence: str | None = Field(
        None,
        pattern="^[0-9]{12}[.][0-9]{4}$",
        description="The subject's version and the place within the change; sorts as text. "
        "None on views.",
    )
    traceparent: str | None = Field(
        None,
        alias="traceparent",
        max_length=MAX_HEADER_LENGTH,
        description="W3C Trace Context of the request.",
    )


def bodies() -> dict[str, type[BaseModel]]:
    """The model of each event's body, by the event's routing key."""
    found: dict[str, type[BaseModel]] = {}
    for contract in (Product, Image, Category):
        for signal in SAVE_AND_DELETE:
            found |= _body(contract, signal, Body[contract])  # type: ignore[valid-type]
    found |= _body(Product, "m2m_changed", RelationBody[Product])
    return found | _body(Product, "viewed", ViewBody)


def _body(
    contract: type[Contract], signal: str, base: type[BaseModel]
) -> dict[str, type[BaseModel]]:
    name = contract.sender_name
    words = [contract.__name__, *signal.split("_")]
    model = create_model(
        "".join(word[:1].upper() + word[1:] for word in words),
        __base__=base,
        __doc__=base.__doc__,
        sender=(str, Field(json_schema_extra={"const": name})),
        signal=(str, Field(json_schema_extra={"const": signal})),
    )
    return {routing_key(name, signal): model}


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each event's body, by the event's type."""
    found = {}
    for key, model in bodies().items():
        type_ = _type(key)
        schema = model.model_json_schema(mode="serialization", schema_generator=_WholeJsonSchema)
        found[type_] = {"$schema": JSON_SCHEMA, "$id": f"urn:heliograph:event:{type_}", **schema}
    return found


def _type(key: str) -> str:
    name, _, signal = key.rpartition(".")
    return event_type(name, signal)


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: which events there are, where, and what they hold."""
    models = bodies()
    references, definitions = models_json_schema(
        [(model, "serialization") for model in models.values()],
        ref_template=_COMPONENT,
        schema_generator=_WholeJsonSchema,
    )
    payloads = {key: references[model, "serialization"] for key, model in models.items()}
    headers = Headers.model_json_schema()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:heliograph:catalog",
        "info": {
            "title": "Heliograph catalog",
            "version": __version__,
            "description": "Every change that the catalog commits, as CloudEvents 1.0 in binary "
            "mode. Delivery is at least once: `ce-id` tells a repeat. Events of one subject "
            "leave in the order of their commits.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {key: _channel(key) for key in models},
        "operations": {
            f"send.{key}": {"action": "send", "channel": {"$ref": f"#/channels/{key}"}}
            for key in models
        },
        "components": {
            "messages": {
                _type(key): {
                    "name": _type(key),
                    "contentType": CONTENT_TYPE,
                    "headers": headers,
                    "payload": payload,
                    "bindings": {"amqp": {"messageType": _type(key)}},
                }
                for key, payload in payloads.items()
            },
            "schemas": definitions["$defs"],
        },
    }


def _channel(key: str) -> dict[str, Any]:
    return {
        "address": key,
        "messages": {_type(key): {"$ref": f"#/components/messages/{_type(key)}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange(key), "type": "topic", "durable": True},
            }
        },
    }
