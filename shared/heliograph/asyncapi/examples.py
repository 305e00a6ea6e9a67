"""An example of what a schema describes."""

from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "uuid": "019a0000-0000-7000-8000-000000000000",
    "date-time": "2026-01-31T09:30:00.000000Z",
}


def example(schema: Mapping[str, Any]) -> Any:
    """Make a value as the schema describes it, of its `examples` where it has them.

    A text of a pattern without an example is only the field's name.
    """
    return _Examples(schema.get("$defs", {})).of(schema, "text")


def body_example(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make a body: of a save a change, if some field has two examples, else a new row."""
    found: dict[str, Any] = example(schema)
    if "created" not in found:
        return found
    found |= {"created": None, "original": None, "changes": None, "update_fields": None}
    if found["signal"].endswith("_save"):
        found["created"] = True
        snapshot = schema["$defs"][_name(schema["properties"]["instance"])]
        for name, field in snapshot["properties"].items():
            match field:
                case {"examples": [to, from_, *_]}:
                    found["created"] = False
                    found["original"] = found["instance"] | {name: from_}
                    found["changes"] = {name: {"from": from_, "to": to}}
                    found["update_fields"] = [name]
                    break
    return found


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


class _Examples:
    """Examples of schemas that refer to `definitions`."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._within: list[str] = []
        """The definitions of which an example is being made: one may refer to itself."""

    def of(self, schema: Mapping[str, Any], name: str) -> Any:
        match schema:
            case {"$ref": _}:
                return self._of_definition(_name(schema), name)
            case {"const": value} | {"examples": [value, *_]} | {"enum": [value, *_]}:
                return value
            case {"anyOf": choices} | {"oneOf": choices}:
                return self.of(next(filter(self._ends, choices), {}), name)
            case {"allOf": parts}:
                return {key: each for part in parts for key, each in self.of(part, name).items()}
        kind = schema.get("type")
        return self._of_kind(kind[0] if isinstance(kind, list) else kind, schema, name)

    def _of_definition(self, definition: str, name: str) -> Any:
        self._within.append(definition)
        found = self.of(self._definitions[definition], name)
        self._within.pop()
        return found

    def _ends(self, schema: Mapping[str, Any]) -> bool:
        return "$ref" not in schema or _name(schema) not in self._within

    def _of_kind(self, kind: str | None, schema: Mapping[str, Any], name: str) -> Any:
        match kind:
            case "object":
                fields = schema.get("properties", {}).items()
                return {each: self.of(field, each) for each, field in fields}
            case "array":
                items = schema.get("items", {})
                return [self.of(items, name)] if self._ends(items) else []
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "string":
                return _FORMATS.get(schema.get("format", ""), name.replace("_", " "))
        return None
