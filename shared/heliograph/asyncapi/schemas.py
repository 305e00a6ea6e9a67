"""The JSON Schemas of an event: of its body, and of its headers.

They are written for generators of code: whatever has a meaning of its own has a name, nothing
nests without one, and no list of words is closed.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from heliograph.asyncapi.bodies import body, title
from heliograph.contract import announced_as
from heliograph.events import BESIDES, BESIDES_ID, MAX_HEADER_LENGTH, EventKind

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_SEQUENCE = "^[0-9]{12}[.][0-9]{4}$"


class _Readable(GenerateJsonSchema):
    """What must be there for a reader, as generators of code understand it best."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        # It would be the name of a type.
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Bound the names, and say of all at once what they name: few know `patternProperties`."""
        found = super().dict_schema(schema)
        for pattern, values in found.pop("patternProperties", {}).items():
            found["additionalProperties"] = values
            found.setdefault("propertyNames", {})["pattern"] = pattern
        return found

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Write a simple type that may be null as one of two types, not as a choice of schemas."""
        found = super().nullable_schema(schema)
        inner = found["anyOf"][0] if "anyOf" in found else {}
        kind = inner.get("type")
        return {**inner, "type": [kind, "null"]} if isinstance(kind, str) else found


class _Promised(_Readable):
    """What is always written: a field that has a default when it is read is."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - the signature is pydantic's
    ) -> bool:
        return True


def body_schema(kind: EventKind, *, heard: bool = False) -> dict[str, Any]:
    """The schema of the body of its events: what is promised, or what a reader needs of it."""
    mode: JsonSchemaMode = "validation" if heard else "serialization"
    generator = _Readable if heard else _Promised
    schema = body(kind).model_json_schema(mode=mode, schema_generator=generator)
    for each in (schema, *schema.get("$defs", {}).values()):
        _name_choices(each.get("properties", {}))
    return {
        "$schema": JSON_SCHEMA,
        "$id": f"urn:heliograph:event:{kind.type}",
        "title": schema.pop("title"),
        **schema,
    }


def _name_choices(fields: dict[str, Any]) -> None:
    """Name the type of each field that is an object or null: in Java it is one of its own."""
    for field in fields.values():
        match field:
            case {"anyOf": [{"$ref": str(reference)}, {"type": "null"}]}:
                field["title"] = f"{reference.rpartition('/')[2]}OrNull"


def header_schema(kind: EventKind) -> dict[str, Any]:
    """The schema of the headers of its events: CloudEvents 1.0 in binary mode.

    Whoever reads them leaves those that they do not know.
    """
    required = {
        "ce-specversion": {"type": "string", "const": "1.0"},
        "ce-id": {
            "type": "string",
            "format": "uuid",
            "description": "Tells a repeat; the same as the property message-id.",
        },
        "ce-source": {"type": "string", "const": "/" + kind.contract.sender_name.partition(".")[0]},
        "ce-type": {
            "type": "string",
            "const": kind.type,
            "description": "The same as the property type.",
        },
        "ce-subject": {
            "type": "string",
            "format": "uuid",
            "description": "What the event is about; events of one subject are in order."
            if kind.ordered
            else "What the event is about.",
        },
        "ce-time": {
            "type": "string",
            "format": "date-time",
            "maxLength": MAX_HEADER_LENGTH,
            "description": "When it happened, in UTC.",
        },
    }
    sequence = {
        "ce-subjectsequence": {
            "type": "string",
            "pattern": _SEQUENCE,
            "description": "The subject's version and the place within the change; sorts as text.",
            "examples": ["000000000007.0001"],
        }
    }
    optional: dict[str, Any] = {
        "traceparent": {
            "type": "string",
            "maxLength": MAX_HEADER_LENGTH,
            "description": "W3C Trace Context of the request.",
            "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        }
    }
    oldest = announced_as(kind.contract)[-1].contract_version
    if oldest < kind.contract.contract_version:
        optional |= {
            BESIDES: {
                "type": "string",
                "pattern": "^v[1-9][0-9]*$",
                "description": "The oldest version in which the event comes too, under its key.",
                "examples": [f"v{oldest}"],
            },
            BESIDES_ID: {
                "type": "string",
                "format": "uuid",
                "description": "The ce-id of the copy in that version.",
            },
        }
    if kind.ordered:
        required |= sequence
    elif kind.ordered is None:
        optional |= sequence
    return {
        "$schema": JSON_SCHEMA,
        "$id": f"urn:heliograph:headers:{kind.type}",
        "title": f"{title(kind)}Headers",
        "description": f"The headers of an event `{kind.key}`.",
        "type": "object",
        "properties": required | optional,
        "required": [*required],
    }
