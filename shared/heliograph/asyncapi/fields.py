"""The fields of a schema as an HTML table, the types that they name linked."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from heliograph.text import LINE, TEXT

_FORMATS = {"uuid": "UUID", "date-time": "time"}
_PATTERNS = {LINE: "One line.", TEXT: "No control characters but breaks and tabs."}
_KINDS = {"string": "text", "boolean": "true or false", "number": "number", "integer": "integer"}


def link(anchor: str, content: str) -> str:
    """Link to a place on the page; `content` is HTML."""
    return f'<a href="#{escape(anchor)}">{content}</a>'


def breaking(name: str) -> str:
    """Write a name that may break behind its points and underscores."""
    return re.sub(r"([./_])", r"\1<wbr>", escape(name))


def prose(text: str) -> str:
    """Write text as paragraphs, what stands in backticks as code."""
    return "\n".join(f"<p>{phrase(each)}</p>" for each in text.split("\n\n"))


def phrase(text: str) -> str:
    """Write text with code in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def table(schema: Mapping[str, Any], caption: str) -> str:
    """Write a row for each field of an object."""
    required = schema.get("required", ())
    rows = [
        f'<tr><th scope="row"><code>{breaking(name)}</code>'
        + ("" if name in required else " <i>optional</i>")
        + f"</th><td>{kind(field)}</td><td>{' '.join(_notes(field))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr><th>Field</th><th>Type</th>"
        f"<th>Holds</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def kind(schema: Mapping[str, Any]) -> str:
    """Write the type of a value in words."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            found = link(f"type-{name}", escape(name))
        case {"anyOf": choices} | {"oneOf": choices}:
            found = " or ".join(map(kind, choices))
        case {"const": value}:
            found = f"<code>{breaking(str(value))}</code>"
        case {"type": [*kinds]}:
            found = " or ".join(kind({**schema, "type": each}) for each in kinds)
        case {"type": "array"}:
            found = f"list of {kind(schema.get('items', {}))}"
        case {"type": "object", "additionalProperties": dict(values)}:
            found = f"{kind(values)} by name"
        case {"type": "string", "format": str(form)}:
            found = escape(_FORMATS.get(form, form))
        case {"type": str(one)}:
            found = _KINDS.get(one, one)
        case _:
            found = "any JSON"
    return found


def _notes(schema: Mapping[str, Any]) -> Iterator[str]:
    """What a value holds, and within which bounds."""
    if "description" in schema:
        yield phrase(schema["description"])
    yield from bounds(schema)
    if examples := [each for each in schema.get("examples", ()) if each is not None]:
        written = ", ".join(f"<code>{escape(str(each))}</code>" for each in examples)
        yield f"As in {written}."


def bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    """The bounds of a value, a sentence each."""
    for word, unit in (("Length", "characters"), ("Items", "items"), ("Properties", "names")):
        if f"max{word}" in schema:
            yield f"At most {schema[f'max{word}']:,} {unit}."
    match schema:
        case {"minimum": low, "maximum": high}:
            yield f"From {low:,} to {high:,}."
        case {"minimum": low}:
            yield f"At least {low:,}."
        case {"maximum": high}:
            yield f"At most {high:,}."
    if pattern := schema.get("pattern"):
        yield _PATTERNS.get(pattern) or f"Matches <code>{escape(pattern)}</code>."
